import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, type TestContext, test } from 'vitest'
import { KeyringSession } from '../../support/keyring-session'
import { directoryDigest } from '../../support/stores'
import { needElectron, needKeyring, said, useElectron, userDataFolder } from './harness'

// Electron's own safeStorage, over a real gnome-keyring.

useElectron()

const switches = ['--password-store=gnome-libsecret']

function needBoth(context: TestContext): void {
  needElectron(context)
  needKeyring(context)
}

/** Opens the store of the app; the code that is offered is kept beside it, as on paper. */
const OPEN = `
  const { account } = require('app-secret-store')
  const { openInUserData } = require('app-secret-store/electron')
  const { readFileSync } = require('node:fs')
  const token = { scope: account, name: 'token' }
  const offerRecoveryCode = (code) => { say('offered'); writeFileSync(place('paper'), code); return true }
  const open = (options) => openInUserData(electron, { offerRecoveryCode, ...options })
  const fails = (options) => open(options).then(() => 'opened', ({ code, message }) => code + ' ' + message)
  const slots = (store) => store.keys().map(({ kind, label }) => kind + ' ' + label)
  const askRecoveryCode = ({ code }) => { say('asked ' + code); return readFileSync(place('paper'), 'utf8') }
`
const FIRST = `${OPEN}
  const store = await open()
  await store.set({ ...token, payload: 'example' })
  say(slots(store))
  await store.close()
`
const AGAIN = `${OPEN}
  const store = await open()
  say(await store.get(token))
  await store.close()
`

async function secrets(userData: string): Promise<string> {
  return directoryDigest(join(userData, 'secrets'))
}

test('a store is made, and opened again in another process; the key is in the keyring', async (context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  expect(await said(userData, FIRST, { switches, env })).toEqual([
    'offered',
    ['safe-storage gnome_libsecret', 'recovery-code null'],
  ])
  const { slots } = JSON.parse(await readFile(join(userData, 'secrets/keyring.json'), 'utf8'))
  expect(Buffer.from(slots[0].params.encrypted, 'base64url').toString('latin1', 0, 3)).toBe('v11')
  expect(await said(userData, AGAIN, { switches, env })).toEqual(['example'])
})

test('without a keyring it is basic_text: refused, and nothing is made', async (context) => {
  needElectron(context)
  const userData = await userDataFolder()
  const [error, exists] = await said(
    userData,
    `${OPEN} say(await fails()); say(require('node:fs').existsSync(place('secrets')))`,
    { env: { DBUS_SESSION_BUS_ADDRESS: 'disabled:' } },
  )
  expect(error).toMatch(/^ERR_NO_KEYRING safeStorage: expected a keychain, got basic_text, which protects nothing; /)
  expect(exists).toBe(false)
  const allowed = await said(
    userData,
    `${OPEN} const store = await open({ allowBasicText: true }); say(slots(store)[0]); await store.close()`,
    { env: { DBUS_SESSION_BUS_ADDRESS: 'disabled:' } },
  )
  expect(allowed).toEqual(['offered', 'safe-storage basic_text'])
})

test('made with basic_text, it gets a better slot as soon as there is a keyring', async (context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const env = { DBUS_SESSION_BUS_ADDRESS: 'disabled:' }
  await said(userData, `${OPEN} await (await open({ allowBasicText: true })).close()`, { env })
  const session = await KeyringSession.start('unlocked')
  const lines = await said(userData, `${OPEN} const store = await open(); say(slots(store)[0]); await store.close()`, {
    switches,
    env: session.env,
  })
  expect(lines).toEqual(['safe-storage gnome_libsecret'])
})

test.for([
  ['emptied, or that of another user', 'forgotten'],
  ['that of an app with another name', 'renamed'],
] as const)('a keychain that is %s: refused, nothing is changed, the recovery code opens', async ([, how], context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const session = await KeyringSession.start('unlocked')
  await said(userData, FIRST, { switches, env: session.env })
  if (how === 'forgotten') {
    await session.forgetKeyrings()
    await session.restart('unlocked')
  }
  const after = { switches, env: session.env, ...(how === 'renamed' && { name: 'renamed-app' }) }
  const before = await secrets(userData)
  const refused = await said(userData, `${OPEN} say(await fails()); say(await fails())`, after)
  for (const error of refused) expect(error).toMatch(/^ERR_WRONG_KEY /)
  expect(refused).toHaveLength(2)
  expect(await secrets(userData)).toBe(before)
  const recovered = await said(
    userData,
    `${OPEN}
      const store = await open({ askRecoveryCode })
      say(await store.get(token))
      say(slots(store))
      await store.close()
    `,
    after,
  )
  // The slot that did not open may be that of another machine.
  const slots = ['safe-storage gnome_libsecret', 'recovery-code null', 'safe-storage gnome_libsecret']
  expect(recovered).toEqual(['asked ERR_WRONG_KEY', 'example', slots])
  expect(await said(userData, AGAIN, after)).toEqual(['example'])
})

test('one userData with two keyrings in turn: the code is asked for once for each, and each keeps its slot', async (context) => {
  needBoth(context)
  const userData = await userDataFolder()
  const sessions = { A: await KeyringSession.start('unlocked'), B: await KeyringSession.start('unlocked') }
  await said(userData, FIRST, { switches, env: sessions.A.env })
  const lines: unknown[] = []
  for (const which of ['A', 'A', 'B', 'B', 'A', 'B', 'A'] as const) {
    const program = `${OPEN}
      const store = await open({ askRecoveryCode })
      say(await store.get(token))
      await store.close()
    `
    lines.push([which, ...(await said(userData, program, { switches, env: sessions[which].env }))])
  }
  expect(lines).toEqual([
    ['A', 'example'],
    ['A', 'example'],
    ['B', 'asked ERR_WRONG_KEY', 'example'],
    ...['B', 'A', 'B', 'A'].map((which) => [which, 'example']),
  ])
})

test.for(['locked', 'none'] as const)(
  'a keyring that is %s: ERR_NO_KEYRING, nothing is changed',
  async (keyring, context) => {
    needBoth(context)
    const userData = await userDataFolder()
    const session = await KeyringSession.start('unlocked')
    await said(userData, FIRST, { switches, env: session.env })
    await session.restart(keyring)
    const before = await secrets(userData)
    const lines = await said(userData, `${OPEN} say(await fails())`, { switches, env: session.env })
    expect(lines).toEqual([expect.stringMatching(/^ERR_NO_KEYRING /)])
    expect(await secrets(userData)).toBe(before)
    const recovered = await said(
      userData,
      `${OPEN} const store = await open({ askRecoveryCode }); say(await store.get(token)); await store.close()`,
      { switches, env: session.env },
    )
    expect(recovered).toEqual(['asked ERR_NO_KEYRING', 'example'])
    await session.restart('unlocked')
    expect(await said(userData, AGAIN, { switches, env: session.env })).toEqual(['example'])
  },
)
