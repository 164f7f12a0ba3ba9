import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { generateRecoveryCode } from '../../../src/index'
import { KeyringSession, type KeyringUser, NO_SESSION, startUser } from '../../support/keyring-session'
import { directoryDigest, newLocation } from '../../support/stores'

// With the real library and a real gnome-keyring, each in a session of its own.

const ENTRY = 'app/main'
const OURS = /^secret-store:1:[\w-]{43}$/

const MISSING = "ERR_NO_KEYRING_ENTRY keyring entry 'app/main': expected it in the secret-service, got none"
const LOCKED =
  "ERR_KEYRING_LOCKED keyring entry 'app/main': expected the system keyring to be unlocked, got a locked one"
const NO_SERVICE =
  "ERR_NO_KEYRING keyring entry 'app/main': expected a Secret Service that answers on the session bus, got none"
const FOREIGN =
  "ERR_FOREIGN_KEYRING_ENTRY keyring entry 'app/main': expected an entry of this library, got another (it was left as it is)"

interface Kept {
  readonly location: string
  readonly code: string
  readonly digest: string
}

/** A store made in the session, closed again, which the keyring and a recovery code open. */
async function keep(user: KeyringUser, entry: string = ENTRY): Promise<Kept> {
  const location = await newLocation()
  const code = generateRecoveryCode()
  expect(await user.tell({ do: 'open', location, key: { entry }, create: true })).toBe('opened')
  await user.tell({ do: 'set', payload: 'sk_1' })
  await user.tell({ do: 'add key', key: { code } })
  await user.tell({ do: 'close' })
  return { location, code, digest: await directoryDigest(location) }
}

function openBy(user: KeyringUser, { location }: Kept, more: { readonly timeoutMs?: number } = {}): Promise<unknown> {
  return user.tell({ do: 'open', location, key: { entry: ENTRY, ...more } })
}

/** Nothing of the store has changed, and the recovery code opens it, also where there is no keyring. */
async function expectNothingLost({ location, code, digest }: Kept, user: KeyringUser): Promise<void> {
  expect(await directoryDigest(location)).toBe(digest)
  expect(await user.tell({ do: 'open', location, key: { code } })).toBe('opened')
  expect(await user.tell({ do: 'get' })).toBe('sk_1')
}

/** Puts a key of the keyring in the place of the one that is lost. */
async function heal({ location }: Kept, user: KeyringUser): Promise<void> {
  const slots = (await user.tell({ do: 'keys' })) as { id: string; kind: string }[]
  const lost = slots.find(({ kind }) => kind === 'os-keyring')
  expect(await user.tell({ do: 'replace key', id: lost?.id ?? '', key: { entry: ENTRY } })).toMatchObject({
    kind: 'os-keyring',
    label: 'secret-service',
  })
  await user.tell({ do: 'close' })
  expect(await user.tell({ do: 'open', location, key: { entry: ENTRY } })).toBe('opened')
  expect(await user.tell({ do: 'get' })).toBe('sk_1')
}

describe.skipIf(NO_SESSION !== undefined)('with gnome-keyring', () => {
  test('a store is made, and opened in other processes and after another login', async () => {
    const session = await KeyringSession.start('unlocked')
    const kept = await keep(session.process())
    const second = session.process()
    expect(await openBy(second, kept)).toBe('opened')
    expect(await second.tell({ do: 'get' })).toBe('sk_1')
    expect(await second.tell({ do: 'keys' })).toMatchObject([
      { kind: 'os-keyring', label: 'secret-service' },
      { kind: 'recovery-code' },
    ])
    await second.tell({ do: 'close' })
    await session.restart('unlocked')
    const third = session.process()
    expect(await openBy(third, kept)).toBe('opened')
    expect(await third.tell({ do: 'get' })).toBe('sk_1')
    expect(await third.tell({ do: 'read entry', entry: ENTRY })).toMatch(OURS)
  })

  test('two stores share an entry', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const first = await keep(user)
    const made = await user.tell({ do: 'read entry', entry: ENTRY })
    const second = await keep(user)
    expect(await user.tell({ do: 'read entry', entry: ENTRY })).toBe(made)
    for (const kept of [first, second]) {
      expect(await openBy(user, kept)).toBe('opened')
      await user.tell({ do: 'close' })
    }
  })

  test('makers of one entry in several processes end with one secret, which opens all their stores', async () => {
    const session = await KeyringSession.start('unlocked')
    const users = [1, 2, 3, 4].map(() => session.process())
    // All have the library loaded and gnome-keyring is up.
    for (const user of users) expect(await user.tell({ do: 'read entry', entry: 'app/other' })).toBeNull()
    const kept = await Promise.all(users.map((user) => keep(user)))
    const [user] = users as [KeyringUser]
    for (const one of kept) {
      expect(await openBy(user, one)).toBe('opened')
      await user.tell({ do: 'close' })
    }
  })

  test('an entry removed behind our back is missing, the store is whole, and is healed', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const kept = await keep(user)
    expect(await user.tell({ do: 'delete entry', entry: ENTRY })).toBe(true)
    expect(await openBy(user, kept)).toBe(MISSING)
    expect(await user.tell({ do: 'open', location: kept.location, key: { entry: ENTRY }, create: true })).toBe(MISSING)
    expect(await user.tell({ do: 'read entry', entry: ENTRY })).toBeNull()
    await expectNothingLost(kept, user)
    await heal(kept, user)
  })

  test('another OS user, or an emptied keychain: the entry is missing, the store is whole, and is healed', async () => {
    const session = await KeyringSession.start('unlocked')
    const kept = await keep(session.process())
    await session.forgetKeyrings()
    await session.restart('unlocked')
    const user = session.process()
    expect(await openBy(user, kept)).toBe(MISSING)
    expect(await user.tell({ do: 'open', location: kept.location, key: { entry: ENTRY }, create: true })).toBe(MISSING)
    await expectNothingLost(kept, user)
    await heal(kept, user)
  })

  test('a foreign entry is neither used nor overwritten', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const kept = await keep(user)
    await user.tell({ do: 'put entry', entry: ENTRY, text: 'hunter2' })
    expect(await openBy(user, kept)).toBe(FOREIGN)
    expect(await user.tell({ do: 'open', location: await newLocation(), key: { entry: ENTRY }, create: true })).toBe(
      FOREIGN,
    )
    await expectNothingLost(kept, user)
    expect(await user.tell({ do: 'add key', key: { entry: ENTRY } })).toBe(FOREIGN)
    expect(await user.tell({ do: 'read entry', entry: ENTRY })).toBe('hunter2')
  })

  test('several entries of one name are neither used nor overwritten', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const kept = await keep(user)
    await user.tell({ do: 'put entry', entry: ENTRY, text: 'another', target: 'Login' })
    expect(await openBy(user, kept)).toBe(
      "ERR_FOREIGN_KEYRING_ENTRY keyring entry 'app/main': expected one entry, got several (they were left as they are)",
    )
    await expectNothingLost(kept, user)
  })

  test('a locked keyring is told from a missing entry, and opens the store when it is unlocked', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const kept = await keep(user)
    await session.lock()
    expect(await openBy(user, kept)).toBe(LOCKED)
    await expectNothingLost(kept, user)
    await user.tell({ do: 'close' })
    await session.restart('locked')
    const later = session.process()
    expect(await openBy(later, kept)).toBe(LOCKED)
    // Nor is a new store made under a key that cannot be kept.
    const location = await newLocation()
    expect(await later.tell({ do: 'open', location, key: { entry: 'app/new' }, create: true })).toBe(
      LOCKED.replace('app/main', 'app/new'),
    )
    expect(existsSync(location)).toBe(false)
    await session.restart('unlocked')
    expect(await openBy(session.process(), kept)).toBe('opened')
  })

  test('a prompt that nobody answers is waited at for no longer than was said', async () => {
    const session = await KeyringSession.start('unlocked', { hasPrompt: true })
    const user = session.process()
    const kept = await keep(user)
    await session.lock()
    expect(await openBy(user, kept, { timeoutMs: 300 })).toBe(
      "ERR_KEYRING_LOCKED keyring entry 'app/main': expected the system keyring to be unlocked within 300 ms, got no answer (a prompt may be open)",
    )
    await expectNothingLost(kept, user)
    await user.tell({ do: 'close' })
    // What waits at the prompt does not end before it: a signal ends the process.
    const exit = once(user.child, 'exit')
    user.child.kill('SIGTERM')
    expect(await exit).toEqual([null, 'SIGTERM'])
  })

  test('a making in a locked keyring waits at the prompt of its write, and makes no store past its limit', async () => {
    const session = await KeyringSession.start('unlocked', { hasPrompt: true })
    const user = session.process()
    await keep(user, 'app/other')
    await session.lock()
    // That there is none is said without a prompt.
    expect(await user.tell({ do: 'read entry', entry: ENTRY })).toBeNull()
    const location = await newLocation()
    const key = { entry: ENTRY, timeoutMs: 1000 }
    const told = user.tell({ do: 'open', location, key, create: true })
    await session.prompted()
    expect(await told).toMatch(/^ERR_KEYRING_LOCKED .* within 1000 ms/)
    expect(existsSync(location)).toBe(false)
    const exit = once(user.child, 'exit')
    user.child.kill('SIGTERM')
    await exit
  })

  test('a user who never had a keyring has none that outlives the session', async () => {
    const session = await KeyringSession.start('locked')
    const user = session.process()
    const location = await newLocation()
    expect(await user.tell({ do: 'open', location, key: { entry: ENTRY }, create: true })).toBe(
      "ERR_NO_KEYRING keyring entry 'app/main': expected a default system keyring, which outlives the session, got none",
    )
    expect(await user.tell({ do: 'open', location, key: { entry: ENTRY } })).toMatch(/^ERR_NOT_FOUND/)
  })

  test.each([
    ['no session bus', undefined],
    ['a bus that has gone', 'gone'],
    ['an address that is none', 'nonsense'],
    ['a bus without a Secret Service', 'empty'],
    ['a Secret Service that never answers', 'silent'],
  ])('%s is no keyring; the kernel’s keys are not used instead', async (_, kind) => {
    const session = await KeyringSession.start('unlocked')
    const kept = await keep(session.process())
    let address: string | undefined = session.env['DBUS_SESSION_BUS_ADDRESS']
    if (kind === 'gone') await session.end()
    else if (kind === 'empty') await session.restart('none')
    else if (kind === 'silent') await session.restart('silent')
    else address = kind
    const user = startUser({ ...session.env, DBUS_SESSION_BUS_ADDRESS: address, XDG_RUNTIME_DIR: undefined })
    expect(await openBy(user, kept)).toBe(NO_SERVICE)
    expect(await user.tell({ do: 'open', location: await newLocation(), key: { entry: ENTRY }, create: true })).toBe(
      NO_SERVICE,
    )
    await expectNothingLost(kept, user)
    expect(await user.tell({ do: 'add key', key: { entry: ENTRY } })).toBe(NO_SERVICE)
  })

  test('a keyring that goes between two questions is none, and is there again when it has come back', async () => {
    const session = await KeyringSession.start('unlocked')
    const user = session.process()
    const kept = await keep(user)
    await session.end()
    expect(await openBy(user, kept)).toBe(NO_SERVICE)
    await session.restart('unlocked')
    expect(await openBy(user, kept)).toBe('opened')
  })
})

if (NO_SESSION !== undefined) {
  test('with gnome-keyring', (context) => context.skip(`no real keyring to test with: ${NO_SESSION}`))
}
