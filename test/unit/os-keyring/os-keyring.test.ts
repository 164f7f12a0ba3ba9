import { describe, expect, test, vi } from 'vitest'
import { account, generateRecoveryCode, type KeyProvider, recoveryCode, SecretStore } from '../../../src/index'
import {
  type OsKeyring,
  type OsKeyringOptions,
  osKeyring,
  type SystemKeyringLibrary,
} from '../../../src/os-keyring/index'
import { keyringProvider } from '../../../src/os-keyring/os-keyring'
import { FakeKeyring, failed } from '../../support/fake-keyring'
import { codeOf, directoryDigest, newLocation, openStore } from '../../support/stores'
import { eventually, turnOfLoop } from '../../support/waiting'

const NAME = 'app/main'
const CONTEXT = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'os-keyring' }
const OURS = /^secret-store:1:[\w-]{43}$/

/** The provider over a fake, on Linux, without the wait for others and the lock against them. */
function provider(
  keyring: FakeKeyring,
  more: Partial<OsKeyringOptions> = {},
  pause: (ms: number) => Promise<void> = async () => {},
  platform = 'linux',
): OsKeyring {
  const options = { service: 'app', account: 'main', keyring: keyring.library, ...more }
  return keyringProvider(options, { pause, platform, alone: (_name, _signal, work) => work() })
}

/** The error that `work` fails with, as `CODE message`. */
async function toldBy(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'no error'
  } catch (error) {
    const { code, name, message } = error as { code?: string; name: string; message: string }
    return `${code ?? name} ${message}`
  }
}

/** A store with a secret in it, opened by a keyring and by a recovery code. */
async function closedStore(keyring: FakeKeyring): Promise<{ location: string; recovery: () => KeyProvider }> {
  const location = await newLocation()
  const code = generateRecoveryCode()
  const store = await openStore(location, { key: provider(keyring) })
  await store.addKey(recoveryCode(code))
  await store.set({ scope: account, name: 'token', payload: 'sk_1' })
  await store.close()
  keyring.calls.length = 0
  return { location, recovery: () => recoveryCode(code) }
}

async function token(store: SecretStore): Promise<string | undefined> {
  return store.get({ scope: account, name: 'token' })
}

describe('an entry', () => {
  test('is made with the first slot, and opens the store from then on', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    expect(keyring.text(NAME)).toMatch(OURS)
    const store = await openStore(location, { key: provider(keyring) })
    expect(await token(store)).toBe('sk_1')
    expect(keyring.calls).toEqual(['connect', 'get'])
  })

  test('is shared by stores, and never overwritten', async () => {
    const keyring = new FakeKeyring()
    const first = await closedStore(keyring)
    const made = keyring.text(NAME)
    const second = await closedStore(keyring)
    expect(keyring.text(NAME)).toBe(made)
    for (const { location } of [first, second]) {
      expect(await token(await openStore(location, { key: provider(keyring) }))).toBe('sk_1')
    }
  })

  test('is not looked at for a slot of another one', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    const other = { key: provider(keyring, { account: 'other' }) }
    expect(await toldBy(() => openStore(location, other))).toBe(
      'ERR_WRONG_KEY key: expected one that opens a slot of this store (os-keyring, recovery-code), got os-keyring, which opens none',
    )
    expect(keyring.calls).toEqual([])
  })

  test('of ours with another secret is the wrong key', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    keyring.put(NAME, `secret-store:1:${'A'.repeat(43)}`)
    expect(await codeOf(() => openStore(location, { key: provider(keyring) }))).toBe('ERR_WRONG_KEY')
  })

  test.each([
    ['a password', 'hunter2'],
    ['nothing', ''],
    ['bytes', Uint8Array.of(0xff, 0xfe)],
    ['one character fewer', `secret-store:1:${'A'.repeat(42)}`],
    ['one character more', `secret-store:1:${'A'.repeat(44)}`],
    ['another spelling of the same bytes', `secret-store:1:${'A'.repeat(42)}B`],
    ['a line end behind it', `secret-store:1:${'A'.repeat(43)}\n`],
    ['another version of nothing', `secret-store:0:${'A'.repeat(43)}`],
    ['a mark of another case', `Secret-Store:1:${'A'.repeat(43)}`],
  ])('with %s is not ours: neither used nor overwritten', async (_, content) => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    const digest = await directoryDigest(location)
    keyring.put(NAME, content)
    const told =
      "ERR_FOREIGN_KEYRING_ENTRY keyring entry 'app/main': expected an entry of this library, got another (it was left as it is)"
    expect(await toldBy(() => openStore(location, { key: provider(keyring) }))).toBe(told)
    const elsewhere = await newLocation()
    expect(await toldBy(() => openStore(elsewhere, { key: provider(keyring) }))).toBe(told)
    expect(keyring.calls).not.toContain('set')
    expect(await directoryDigest(location)).toBe(digest)
  })

  test('of a later version is said to be one', async () => {
    const keyring = new FakeKeyring()
    keyring.put(NAME, 'secret-store:12:whatever')
    const location = await newLocation()
    expect(await toldBy(() => openStore(location, { key: provider(keyring) }))).toBe(
      "ERR_UNSUPPORTED_VERSION keyring entry 'app/main': expected an entry of version 1, got a later one",
    )
    expect(keyring.calls).not.toContain('set')
  })

  test('that is gone is neither made again nor taken for a new store; the recovery code opens, and heals', async () => {
    const keyring = new FakeKeyring()
    const { location, recovery } = await closedStore(keyring)
    const digest = await directoryDigest(location)
    keyring.entries.clear()
    for (let time = 0; time < 2; time++) {
      expect(await toldBy(() => openStore(location, { key: provider(keyring) }))).toBe(
        "ERR_NO_KEYRING_ENTRY keyring entry 'app/main': expected it in the secret-service, got none",
      )
    }
    expect(keyring.entries.size).toBe(0)
    expect(await directoryDigest(location)).toBe(digest)
    const store = await openStore(location, { key: recovery() })
    expect(await token(store)).toBe('sk_1')
    const [lost] = store.keys()
    await store.replaceKey(lost?.id ?? '', provider(keyring))
    await store.close()
    expect(await token(await openStore(location, { key: provider(keyring) }))).toBe('sk_1')
  })

  test('that is gone because the store came from another system is said to be from there', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    keyring.entries.clear()
    const key = provider(keyring, {}, async () => {}, 'darwin')
    expect(await toldBy(() => openStore(location, { key }))).toBe(
      "ERR_NO_KEYRING_ENTRY keyring entry 'app/main': expected it in the macos-keychain (it was made in a secret-service), got none",
    )
  })

  test('that the keyring takes and does not keep makes no store', async () => {
    const keyring = new FakeKeyring()
    const location = await newLocation()
    const key = provider(keyring, {}, async () => keyring.entries.clear())
    expect(await toldBy(() => openStore(location, { key }))).toBe(
      "ERR_NO_KEYRING keyring entry 'app/main': expected it to be kept, got none after the writing",
    )
    expect(await codeOf(() => openStore(location, { key: provider(new FakeKeyring()), createIfMissing: false }))).toBe(
      'ERR_NOT_FOUND',
    )
  })

  test('that is gone between the making of a slot and its test makes no slot', async () => {
    const keyring = new FakeKeyring()
    const { location, recovery } = await closedStore(keyring)
    const store = await openStore(location, { key: recovery() })
    const before = store.keys()
    let reads = 0
    keyring.before = (call) => {
      if (call === 'get' && ++reads === 2) keyring.entries.clear()
    }
    expect(await codeOf(() => store.addKey(provider(keyring)))).toBe('ERR_NO_KEYRING_ENTRY')
    expect(store.keys()).toEqual(before)
  })
})

describe('two makers of one entry at the same time', () => {
  test('both take the one that stands', async () => {
    const keyring = new FakeKeyring()
    // The slower one has looked, and writes when the faster one has written already.
    let waiting: Array<() => void> = []
    keyring.before = (call) => {
      if (call !== 'get' || keyring.entries.size > 0) return
      return new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length < 2) return
        for (const go of waiting) go()
        waiting = []
      })
    }
    let paused: Array<() => void> = []
    const pause = (): Promise<void> =>
      new Promise((resolve) => {
        paused.push(resolve)
        if (paused.length < 2) return
        for (const go of paused) go()
        paused = []
      })
    const locations = [await newLocation(), await newLocation()]
    const stores = await Promise.all(
      locations.map((location) => {
        const key = provider(keyring, { keyring: keyring.anotherCopy() }, pause)
        return openStore(location, { key })
      }),
    )
    expect(keyring.calls.filter((call) => call === 'set')).toHaveLength(2)
    for (const store of stores) await store.close()
    for (const location of locations) await openStore(location, { key: provider(keyring) })
  })

  test('wait for longer than a writer takes', async () => {
    const waits: number[] = []
    const key = provider(new FakeKeyring(), {}, async (ms) => void waits.push(ms))
    await openStore(await newLocation(), { key })
    expect(waits).toEqual([500])
  })
})

describe('a making that waits at a prompt', () => {
  const EXPIRED =
    "ERR_KEYRING_LOCKED keyring entry 'app/main': expected the system keyring to be unlocked within 1 ms, got no answer (a prompt may be open)"

  /** Holds the first call of a sort, as a prompt does, until it is answered. */
  function promptAt(keyring: FakeKeyring, sort: string): { answer: (error?: Error) => void; opened: Promise<void> } {
    const prompt = { answer: (_?: Error): void => {}, opened: Promise.resolve() }
    prompt.opened = new Promise((open) => {
      keyring.before = (call) => {
        if (call !== sort) return
        keyring.before = () => {}
        open()
        return new Promise<void>((resolve, reject) => {
          prompt.answer = (error) => (error === undefined ? resolve() : reject(error))
        })
      }
    })
    return prompt
  }

  test('for too long is rejected, lands later, and is what the next question waits for and uses', async () => {
    const keyring = new FakeKeyring()
    const { answer } = await expiredMaking(keyring)
    const locations = [await newLocation(), await newLocation()]
    const opening = locations.map((location) => openStore(location, { key: provider(keyring) }))
    answer()
    for (const store of await Promise.all(opening)) await store.close()
    expect(keyring.calls.filter((call) => call === 'set')).toHaveLength(1)
    expect(keyring.text(NAME)).toMatch(OURS)
    for (const location of locations) await openStore(location, { key: provider(keyring), createIfMissing: false })
  })

  test('and lands on what another program has made meanwhile overwrites it; its other keys open its store', async () => {
    const keyring = new FakeKeyring()
    const { answer } = await expiredMaking(keyring)
    const code = generateRecoveryCode()
    const location = await newLocation()
    const key = (): KeyProvider => provider(keyring, { keyring: keyring.anotherCopy() })
    const store = await openStore(location, { key: key() })
    await store.addKey(recoveryCode(code))
    await store.close()
    const made = keyring.text(NAME)
    answer()
    await eventually(() => expect(keyring.text(NAME)).not.toBe(made))
    expect(await codeOf(() => openStore(location, { key: key() }))).toBe('ERR_WRONG_KEY')
    await openStore(location, { key: recoveryCode(code) })
  })

  test('is not begun when its look has taken too long', async () => {
    const keyring = new FakeKeyring()
    const prompt = promptAt(keyring, 'get')
    const location = await newLocation()
    const told = await toldBy(() => openStore(location, { key: provider(keyring, { timeoutMs: 1 }) }))
    expect(told).toBe(EXPIRED)
    prompt.answer()
    // Its turn is over when this one has had its own.
    const params = { service: 'app', account: 'main', backend: 'secret-service' }
    expect(await codeOf(() => provider(keyring).unwrap(params, CONTEXT))).toBe('ERR_NO_KEYRING_ENTRY')
    expect(keyring.calls).not.toContain('set')
  })

  test('keeps another of the process waiting, which looks when its turn has come', async () => {
    const keyring = new FakeKeyring()
    const prompt = promptAt(keyring, 'set')
    const rootKey = new Uint8Array(32).fill(5)
    const told = toldBy(() => provider(keyring).wrap(rootKey, CONTEXT))
    const second = provider(keyring).wrap(rootKey, CONTEXT)
    await prompt.opened
    const other = `secret-store:1:${'A'.repeat(43)}`
    keyring.put(NAME, other)
    prompt.answer(failed(LOCKED))
    expect(await told).toMatch(/^ERR_KEYRING_LOCKED/)
    expect(await provider(keyring).unwrap(await second, CONTEXT)).toEqual(rootKey)
    expect(keyring.calls.filter((call) => call === 'set')).toHaveLength(1)
    expect(keyring.text(NAME)).toBe(other)
  })

  async function expiredMaking(keyring: FakeKeyring): Promise<{ answer: (error?: Error) => void }> {
    const prompt = promptAt(keyring, 'set')
    const location = await newLocation()
    expect(await toldBy(() => openStore(location, { key: provider(keyring, { timeoutMs: 1 }) }))).toBe(EXPIRED)
    expect(keyring.calls.at(-1)).toBe('set')
    expect(keyring.entries.size).toBe(0)
    return prompt
  }
})

const LOCKED = "Couldn't access platform storage: Secret Service: unlock prompt was dismissed"

describe('a failure of the keyring', () => {
  test.each([
    ['linux', LOCKED, 'ERR_KEYRING_LOCKED', 'expected the system keyring to be unlocked, got a locked one'],
    [
      'freebsd',
      "Couldn't access platform storage: Secret Service: object locked",
      'ERR_KEYRING_LOCKED',
      'expected the system keyring to be unlocked, got a locked one',
    ],
    [
      'linux',
      "Couldn't access platform storage: Secret Service: no result found",
      'ERR_NO_KEYRING',
      'expected a default system keyring, which outlives the session, got none',
    ],
    [
      'linux',
      'Platform failure: DBus error: Did not receive a reply.',
      'ERR_NO_KEYRING',
      'expected a Secret Service that answers on the session bus, got none',
    ],
    [
      'linux',
      'words that nobody has seen',
      'ERR_NO_KEYRING',
      'expected a Secret Service that answers on the session bus, got none',
    ],
    [
      'linux',
      'Entry is matched by 2 credentials: [Entry {…}]',
      'ERR_FOREIGN_KEYRING_ENTRY',
      'expected one entry, got several (they were left as they are)',
    ],
    [
      'darwin',
      "Couldn't access platform storage: No keychain is available.",
      'ERR_NO_KEYRING',
      'expected access to the macos-keychain, got none',
    ],
    [
      'darwin',
      'Platform failure: User interaction is not allowed.',
      'ERR_KEYRING_LOCKED',
      'expected the macos-keychain to give access to the entry, got a refusal',
    ],
    [
      'win32',
      "Couldn't access platform storage: no logon session",
      'ERR_NO_KEYRING',
      'expected access to the windows-credential-manager, got none',
    ],
    [
      'win32',
      'words that nobody has seen',
      'ERR_KEYRING_LOCKED',
      'expected the windows-credential-manager to give access to the entry, got a refusal',
    ],
  ])('on %s: %s', async (platform, words, code, message) => {
    const keyring = new FakeKeyring()
    const { location, recovery } = await closedStore(keyring)
    const digest = await directoryDigest(location)
    const cause = failed(words)
    keyring.before = () => {
      throw cause
    }
    const opening = (): Promise<SecretStore> =>
      openStore(location, { key: provider(keyring, {}, async () => {}, platform) })
    expect(await toldBy(opening)).toBe(`${code} keyring entry 'app/main': ${message}`)
    await expect(opening()).rejects.toHaveProperty('cause', cause)
    expect(await directoryDigest(location)).toBe(digest)
    expect(await token(await openStore(location, { key: recovery() }))).toBe('sk_1')
  })

  test.each([undefined, null, 'text', {}])('that is no error at all (%s) is one all the same', async (thrown) => {
    const keyring = new FakeKeyring()
    keyring.before = () => {
      throw thrown
    }
    expect(await codeOf(async () => openStore(await newLocation(), { key: provider(keyring) }))).toBe('ERR_NO_KEYRING')
  })

  test('to be reached at all', async () => {
    const keyring = new FakeKeyring()
    keyring.refusal = failed('Platform failure: DBus error: Failed to connect to socket')
    expect(await toldBy(async () => openStore(await newLocation(), { key: provider(keyring) }))).toBe(
      "ERR_NO_KEYRING keyring entry 'app/main': expected a Secret Service that answers on the session bus, got none",
    )
    expect(keyring.calls).toEqual(['connect'])
  })

  test('is not for ever: the next question goes by another connection', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    const key = provider(keyring)
    keyring.before = () => {
      throw failed(LOCKED)
    }
    expect(await codeOf(() => openStore(location, { key }))).toBe('ERR_KEYRING_LOCKED')
    keyring.before = () => {}
    await openStore(location, { key })
    expect(keyring.calls).toEqual(['connect', 'get', 'connect', 'get'])
  })

  test('to write makes no store', async () => {
    const keyring = new FakeKeyring()
    keyring.before = (call) => {
      if (call === 'set') throw failed(LOCKED)
    }
    const location = await newLocation()
    expect(await codeOf(() => openStore(location, { key: provider(keyring) }))).toBe('ERR_KEYRING_LOCKED')
    expect(await codeOf(() => openStore(location, { key: provider(keyring), createIfMissing: false }))).toBe(
      'ERR_NOT_FOUND',
    )
  })
})

describe('a keyring that does not answer', () => {
  test('is waited for as long as was said, and what it says later is overwritten', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      let answer = (): void => {}
      let signal: AbortSignal | undefined
      const asked = new Promise<void>((resolve) => {
        keyring.before = (_, given) => {
          signal = given
          resolve()
          return new Promise<void>((go) => {
            answer = go
          })
        }
      })
      const told = toldBy(() => openStore(location, { key: provider(keyring, { timeoutMs: 1500 }) }))
      await asked
      await vi.advanceTimersByTimeAsync(1499)
      expect(signal?.aborted).toBe(false)
      await vi.advanceTimersByTimeAsync(1)
      expect(await told).toBe(
        "ERR_KEYRING_LOCKED keyring entry 'app/main': expected the system keyring to be unlocked within 1500 ms, got no answer (a prompt may be open)",
      )
      expect(signal?.aborted).toBe(true)
      answer()
      await vi.advanceTimersByTimeAsync(0)
      expect(keyring.given.at(-1)?.every((byte) => byte === 0)).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  test('is asked one question at a time, so that prompts do not take up all threads', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    let answer = (): void => {}
    keyring.before = () =>
      new Promise<void>((go) => {
        answer = go
      })
    for (let time = 0; time < 5; time++) {
      expect(await codeOf(() => openStore(location, { key: provider(keyring, { timeoutMs: 1 }) }))).toBe(
        'ERR_KEYRING_LOCKED',
      )
    }
    expect(keyring.calls.filter((call) => call === 'get')).toHaveLength(1)
    keyring.before = () => {}
    const opening = openStore(location, { key: provider(keyring) })
    answer()
    expect(await token(await opening)).toBe('sk_1')
  })

  test('and then fails is no unhandled rejection', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    try {
      let fail = (): void => {}
      keyring.before = () =>
        new Promise<void>((_, reject) => {
          fail = () => reject(failed(LOCKED))
        })
      const key = provider(keyring, { timeoutMs: 1 })
      expect(await codeOf(() => openStore(location, { key }))).toBe('ERR_KEYRING_LOCKED')
      fail()
      await turnOfLoop()
    } finally {
      process.off('unhandledRejection', note)
    }
    expect(unhandled).toEqual([])
  })

  test('has no limit with `timeoutMs: 0`', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      let answer = (): void => {}
      const asked = new Promise<void>((resolve) => {
        keyring.before = () =>
          new Promise<void>((go) => {
            answer = go
            resolve()
          })
      })
      const opening = openStore(location, { key: provider(keyring, { timeoutMs: 0 }) })
      await asked
      await vi.advanceTimersByTimeAsync(100 * 24 * 60 * 60 * 1000)
      answer()
      expect(await token(await opening)).toBe('sk_1')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('the library', () => {
  test('before 2.1.0 is refused: it would take the kernel’s keys, which a reboot takes away', async () => {
    const keyring = new FakeKeyring()
    keyring.isOld = true
    expect(await toldBy(async () => openStore(await newLocation(), { key: provider(keyring) }))).toBe(
      'ERR_NO_KEYRING keyring: expected @napi-rs/keyring 2.1.0 or later, got an older one',
    )
    expect(keyring.calls).toEqual([])
  })

  test('that is installed is the one that is passed in', async () => {
    const keyring: SystemKeyringLibrary = await import('@napi-rs/keyring')
    expect(osKeyring({ service: 'a', account: 'b', keyring }).backend).toBe(
      osKeyring({ service: 'a', account: 'b' }).backend,
    )
  })

  test('is told apart from an older one by what it refuses', async () => {
    const { checkSelects } = await import('../../../src/os-keyring/library')
    const keyring: SystemKeyringLibrary = await import('@napi-rs/keyring')
    expect(() => checkSelects(keyring.AsyncEntry)).not.toThrow()
  })

  test.each([
    ['is not installed', () => undefined],
    [
      'does not load',
      () => {
        throw new Error('another machine')
      },
    ],
  ])('that %s is asked for by its name', async (_, loadPeer) => {
    const peers = await import('../../../src/platform/optional-peer')
    vi.resetModules()
    vi.doMock('../../../src/platform/optional-peer', () => ({ ...peers, loadPeer }))
    try {
      const { loadLibrary } = await import('../../../src/os-keyring/library')
      await expect(loadLibrary()).rejects.toMatchObject({
        code: 'ERR_NO_KEYRING',
        message:
          'keyring: expected @napi-rs/keyring to be installed, got none that loads (npm install @napi-rs/keyring)',
      })
    } finally {
      vi.doUnmock('../../../src/platform/optional-peer')
      vi.resetModules()
    }
  })
})

describe('what a provider is', () => {
  test.each([
    ['linux', 'secret-service'],
    ['freebsd', 'secret-service'],
    ['darwin', 'macos-keychain'],
    ['win32', 'windows-credential-manager'],
  ])('on %s it says that the key is in the %s, to programs and in the slot', async (platform, backend) => {
    const key = provider(new FakeKeyring(), {}, async () => {}, platform)
    expect(key).toMatchObject({ kind: 'os-keyring', backend, label: backend })
    const store = await openStore(await newLocation(), { key })
    expect(store.keys()).toMatchObject([{ kind: 'os-keyring', label: backend }])
  })

  test('its label may be another', () => {
    expect(provider(new FakeKeyring(), { label: 'laptop' })).toMatchObject({ label: 'laptop' })
  })

  test('the keyring is not asked before the key is used', () => {
    const keyring = new FakeKeyring()
    provider(keyring)
    expect(keyring.calls).toEqual([])
  })

  test('secrets are overwritten in memory behind their use', async () => {
    const keyring = new FakeKeyring()
    const { location } = await closedStore(keyring)
    await openStore(location, { key: provider(keyring) })
    expect(keyring.given.length).toBeGreaterThan(2)
    for (const bytes of [...keyring.given, ...keyring.taken]) expect(bytes.every((byte) => byte === 0)).toBe(true)
  })

  test.each([
    ['nothing', undefined, 'os keyring options: expected an object, got undefined'],
    [
      'an unknown option',
      { Service: 'a' },
      "os keyring options: expected only service, account, keyring, label, timeoutMs, got 'Service' (did you mean 'service'?)",
    ],
    ['no service', { account: 'b' }, 'service: expected a string, got undefined'],
    ['no account', { service: 'a' }, 'account: expected a string, got undefined'],
    ['an empty account', { service: 'a', account: '' }, 'account: expected at least one character, got none'],
    ['a NUL', { service: 'a\0b', account: 'b' }, 'service: expected text without NUL, got one with it'],
    ['a long name', { service: 'a', account: 'x'.repeat(201) }, 'account: expected at most 200 characters, got more'],
    ['an empty label', { service: 'a', account: 'b', label: '' }, 'label: expected at least one character, got none'],
    [
      'a negative time',
      { service: 'a', account: 'b', timeoutMs: -1 },
      'timeoutMs: expected an integer from 0 to 2147483647, got -1',
    ],
    ['a time as text', { service: 'a', account: 'b', timeoutMs: '1' }, 'timeoutMs: expected a number, got a string'],
    [
      'no module',
      { service: 'a', account: 'b', keyring: {} },
      'keyring.AsyncEntry: expected a function, got undefined',
    ],
    [
      'null for a module',
      { service: 'a', account: 'b', keyring: null },
      'keyring.AsyncEntry: expected a function, got undefined',
    ],
  ])('%s is refused', (_, options, message) => {
    expect(() => osKeyring(options as never)).toThrow(message)
  })
})

describe('a slot', () => {
  const context = CONTEXT

  test('holds where the entry is, and nothing that opens it', async () => {
    const keyring = new FakeKeyring()
    const params = await provider(keyring).wrap(new Uint8Array(32).fill(5), context)
    expect(Object.keys(params)).toEqual(['service', 'account', 'backend', 'commitment', 'wrapped'])
    expect(params).toMatchObject({ service: 'app', account: 'main', backend: 'secret-service' })
    const secret = keyring.text(NAME)?.slice(15) ?? ''
    expect(JSON.stringify(params)).not.toContain(secret)
    expect(await provider(keyring).unwrap(params, context)).toEqual(new Uint8Array(32).fill(5))
  })

  test('that is damaged is corrupt, whatever of it is', async () => {
    const keyring = new FakeKeyring()
    const params = await provider(keyring).wrap(new Uint8Array(32).fill(5), context)
    for (const name of ['commitment', 'wrapped']) {
      expect(await codeOf(() => provider(keyring).unwrap({ ...params, [name]: 7 }, context))).toBe('ERR_CORRUPT')
    }
    for (const name of ['service', 'account']) {
      expect(await toldBy(() => provider(keyring).unwrap({ ...params, [name]: 7 }, context))).toBe(
        `ERR_CORRUPT slot ${name}: expected text, got something else`,
      )
    }
  })

  test('of another store, another id or another kind does not open', async () => {
    const keyring = new FakeKeyring()
    const params = await provider(keyring).wrap(new Uint8Array(32).fill(5), context)
    for (const other of [
      { storeId: new Uint8Array(16).fill(1) },
      { slotId: new Uint8Array(8).fill(1) },
      { kind: 'raw-key' },
    ]) {
      expect(await provider(keyring).unwrap(params, { ...context, ...other })).toBe(null)
    }
  })
})

test('a key of the keyring opens a backup, and a rotation keeps it', async () => {
  const keyring = new FakeKeyring()
  const { location } = await closedStore(keyring)
  const store = await openStore(location, { key: provider(keyring) })
  await store.rotate({ root: true, keys: [provider(keyring)] })
  const backup = await newLocation()
  await store.backup(backup)
  await store.close()
  const restored = await newLocation()
  await SecretStore.restore(backup, restored, { key: provider(keyring) })
  expect(await token(await openStore(restored, { key: provider(keyring) }))).toBe('sk_1')
})
