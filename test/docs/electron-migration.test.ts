import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { KeyringSession } from '../support/keyring-session'
import { fromRoot } from '../support/paths'
import { makeApp, needElectron, needKeyring, said, useElectron, userDataFolder } from '../system/electron/harness'

// The two modules of docs/electron.md: from safeStorage and files to a store, on a real Electron and over a real keyring.

useElectron()

const switches = ['--password-store=gnome-libsecret']

async function shown(name: string): Promise<string> {
  const text = await readFile(fromRoot('docs/electron.md'), 'utf8')
  const [, code] = new RegExp(`^\`\`\`javascript\n(// ${name}\n[\\s\\S]*?)^\`\`\`$`, 'm').exec(text) ?? []
  if (code === undefined) throw new Error(`docs/electron.md: expected a block '// ${name}', got none`)
  return code
}

/**
 * `safeStorage` as Electron 46 has it, by name: without the synchronous functions. The asynchronous ones are made of those of the Electron
 * that there is.
 */
const AS_IN_46 = `
  const real = electron.safeStorage
  const [encrypt, decrypt] = [real.encryptString.bind(real), real.decryptString.bind(real)]
  Object.assign(real, {
    isAsyncEncryptionAvailable: async () => true,
    encryptStringAsync: async (text) => encrypt(text),
    decryptStringAsync: async (bytes) => ({ result: decrypt(bytes), shouldReEncrypt: false }),
  })
  for (const name of ['isEncryptionAvailable', 'encryptString', 'decryptString']) real[name] = undefined
`
const OPEN = `
  const codes = []
  const askRecoveryCode = ({ code }) => { say('asked ' + code); return undefined }
  await openTokens({ offerRecoveryCode: (code) => codes.push(code) > 0, askRecoveryCode })
  if (codes.length > 0) say('offered')
`

test('from files of safeStorage to a store: imported once, the files stay, and Electron 46 goes on with both', async (context) => {
  needElectron(context)
  needKeyring(context)
  const app = await makeApp({ 'former.mjs': await shown('former.mjs'), 'tokens.mjs': await shown('tokens.mjs') })
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  const use = (program: string, folder = userData): Promise<unknown[]> => {
    const [former, tokens] = ['former.mjs', 'tokens.mjs'].map((name) => pathToFileURL(join(app, name)).href)
    const imports = program
      .replaceAll('FORMER', `await import('${former}')`)
      .replaceAll('TOKENS', `await import('${tokens}')`)
    return said(folder, imports, { switches, env })
  }
  const files = async (): Promise<string[]> => {
    const names = await readdir(join(userData, 'tokens'))
    return Promise.all(names.sort().map(async (name) => name + (await readFile(join(userData, 'tokens', name), 'hex'))))
  }

  const before = await use(`
    const { setToken, getToken } = FORMER
    setToken('github', 'example-token')
    setToken('pässword', 'pässword 😀\\nin two lines')
    say([getToken('github'), getToken('pässword')])
  `)
  expect(before).toEqual([['example-token', 'pässword 😀\nin two lines']])
  const left = await files()
  const inTheMeantime = await userDataFolder()
  await cp(userData, inTheMeantime, { recursive: true })

  // At the first start they come over, and are used as before.
  const first = await use(`
    const { openTokens, setToken, getToken } = TOKENS
    ${OPEN}
    say([getToken('github'), getToken('pässword'), getToken('none') === undefined])
    await setToken('github', 'newer')
    say(getToken('github'))
  `)
  expect(first).toEqual(['offered', ['example-token', 'pässword 😀\nin two lines', true], 'newer'])
  expect(await files()).toEqual(left)

  // Later they do not, also with the store of Electron 33 under the functions of Electron 46.
  for (const electron of ['', AS_IN_46]) {
    const later = await use(`${electron}
      const { openTokens, getToken } = TOKENS
      ${OPEN}
      say([typeof electron.safeStorage.encryptString, getToken('github'), getToken('pässword')])
    `)
    const kind = electron === '' ? 'function' : 'undefined'
    expect(later).toEqual([[kind, 'newer', 'pässword 😀\nin two lines']])
  }

  // An app that comes to Electron 46 with the files alone.
  const late = await use(
    `${AS_IN_46}
      const { openTokens, getToken } = TOKENS
      ${OPEN}
      say([getToken('github'), getToken('pässword')])
    `,
    inTheMeantime,
  )
  expect(late).toEqual(['offered', ['example-token', 'pässword 😀\nin two lines']])
})

test('a new installation has nothing to import; of files that cannot be read the app is told', async (context) => {
  needElectron(context)
  needKeyring(context)
  const app = await makeApp({ 'former.mjs': await shown('former.mjs'), 'tokens.mjs': await shown('tokens.mjs') })
  const { env } = await KeyringSession.start('unlocked')
  const at = (name: string): string => pathToFileURL(join(app, name)).href
  const start = `
    const told = []
    console.error = (entries) => told.push(entries.map(({ name, reason }) => name + ': ' + reason))
    const { openTokens, getToken } = await import('${at('tokens.mjs')}')
    ${OPEN}
    say([told, getToken('github')])
  `
  const fresh = await userDataFolder()
  expect(await said(fresh, start, { switches, env })).toEqual(['offered', [[], null]])

  // One that cannot be read is told of once; if it is all there is, it is tried again at each start.
  const damage = 'v11 and nothing that was encrypted'
  const report = [[expect.stringMatching(/^damaged: safeStorage: expected/)]]
  const some = await userDataFolder()
  await said(some, `(await import('${at('former.mjs')}')).setToken('github', 'example-token')`, { switches, env })
  await writeFile(join(some, 'tokens/damaged.enc'), damage)
  expect(await said(some, start, { switches, env })).toEqual(['offered', [report, 'example-token']])
  expect(await said(some, start, { switches, env })).toEqual([[[], 'example-token']])

  const none = await userDataFolder()
  await mkdir(join(none, 'tokens'))
  await writeFile(join(none, 'tokens/damaged.enc'), damage)
  expect(await said(none, start, { switches, env })).toEqual(['offered', [report, null]])
  expect(await said(none, start, { switches, env })).toEqual([[report, null]])
  await cp(join(some, 'tokens/damaged.enc'), join(none, 'tokens/another.enc'))
  expect((await said(none, start, { switches, env }))[0]).toMatchObject([[{ length: 2 }], null])
  // Once one can be, it comes over, and that was it.
  await cp(join(some, 'tokens/github.enc'), join(none, 'tokens/github.enc'))
  expect((await said(none, start, { switches, env }))[0]).toMatchObject([[{ length: 2 }], 'example-token'])
  expect(await said(none, start, { switches, env })).toEqual([[[], 'example-token']])
})
