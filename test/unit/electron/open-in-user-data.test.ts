import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Electron, openInUserData, type UserDataOptions } from '../../../src/electron/index'
import { account, passphrase, type SecretStore } from '../../../src/index'
import { codeOf, directoryDigest, temporaryDirectory } from '../../support/stores'
import { FakeKeychain } from './keychains'

const token = { scope: account, name: 'token' }

/** An app on a machine: where its data is, by its name, and the keychain. */
interface Machine {
  readonly appData: string
  readonly keychain: FakeKeychain
  electron(name?: string): Electron
}

async function machine(): Promise<Machine> {
  const appData = await temporaryDirectory()
  const keychain = new FakeKeychain()
  return {
    appData,
    keychain,
    electron: (name = 'notes') => ({
      app: {
        whenReady: async () => {},
        getPath: (path) => (path === 'appData' ? appData : join(appData, name)),
      },
      safeStorage: keychain.sync,
    }),
  }
}

/** Opens it, and notes what was offered and asked. The user writes codes down unless told otherwise. */
async function start(
  electron: Electron,
  options: Partial<UserDataOptions> = {},
): Promise<{ store: SecretStore; codes: string[] }> {
  const codes: string[] = []
  const store = await openInUserData(electron, {
    offerRecoveryCode: (code) => codes.push(code) > 0,
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
    ...options,
  })
  onTestFinished(() => store.close())
  return { store, codes }
}

describe('shared: true', () => {
  test('lets several instances use the store, which offer one recovery code', async () => {
    const { electron } = await machine()
    const first = await start(electron(), { shared: true })
    const second = await start(electron(), { shared: true })
    expect([first.codes.length, second.codes.length]).toEqual([1, 0])
    await second.store.set({ ...token, payload: 'example' })
    expect(await first.store.get(token)).toBe('example')
    await first.store.close()
    expect(await second.store.get(token)).toBe('example')
  })

  test('is refused where an instance has the store alone, which goes on', async () => {
    const { electron } = await machine()
    const { store } = await start(electron())
    expect(await codeOf(() => start(electron(), { shared: true, waitMs: 0 }))).toBe('ERR_LOCKED')
    await store.set({ ...token, payload: 'example' })
  })

  test('asks for the recovery code of a keychain that was lost, and both go on by the new slot', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron(), { shared: true })
    keychain.password = 'second'
    const second = await start(electron(), { shared: true, askRecoveryCode: () => first.codes[0] })
    expect(second.store.keys().map(({ kind }) => kind)).toEqual(['safe-storage', 'recovery-code', 'safe-storage'])
    await first.store.set({ ...token, payload: 'example' })
    expect(await second.store.get(token)).toBe('example')
    expect(first.store.keys()).toHaveLength(3)
  })
})

describe('the recovery code', () => {
  test('is offered at the first start, and once it is accepted not again', async () => {
    const { appData, electron } = await machine()
    const first = await start(electron())
    expect(first.codes).toHaveLength(1)
    expect(first.store.keys().map(({ kind }) => kind)).toEqual(['safe-storage', 'recovery-code'])
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    expect((await directoryDigest(join(appData, 'notes/secrets'))).length).toBe(64)
    const second = await start(electron())
    expect(second.codes).toEqual([])
    expect(await second.store.get(token)).toBe('example')
  })

  test('opens nothing if it was declined, and another is offered at the next start', async () => {
    const { electron, keychain } = await machine()
    const declined: string[] = []
    const first = await start(electron(), { offerRecoveryCode: async (code) => declined.push(code) === 0 })
    expect(first.store.keys()).toHaveLength(1)
    await first.store.close()
    const second = await start(electron())
    expect(second.codes).toHaveLength(1)
    expect(second.codes).not.toEqual(declined)
    await second.store.close()
    keychain.password = 'emptied'
    const answers = [declined[0], undefined]
    const asked = start(electron(), { askRecoveryCode: () => answers.shift() })
    expect(await codeOf(() => asked)).toBe('ERR_WRONG_KEY')
  })

  test('is neither offered nor added where the store is opened to be read, and no slot either', async () => {
    const { appData, electron, keychain } = await machine()
    const first = await start(electron())
    const [code] = first.codes
    for (const { id, kind } of first.store.keys()) if (kind === 'recovery-code') await first.store.removeKey(id)
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    const before = await directoryDigest(join(appData, 'notes'))
    const errors: unknown[] = []
    const readOnly = { readOnly: true, onError: (error: unknown) => errors.push(error) }
    const reader = await start(electron(), readOnly)
    expect(reader.codes).toEqual([])
    expect(await reader.store.get(token)).toBe('example')
    await reader.store.close()
    expect(await directoryDigest(join(appData, 'notes'))).toBe(before)

    const written = await start(electron(), { offerRecoveryCode: async () => true })
    await written.store.close()
    keychain.password = 'emptied'
    const held = await directoryDigest(join(appData, 'notes'))
    const wrong = start(electron(), {
      ...readOnly,
      askRecoveryCode: (_, attempt) => (attempt === 1 ? code : undefined),
    })
    expect(await codeOf(() => wrong)).toBe('ERR_WRONG_KEY')
    expect([errors, await directoryDigest(join(appData, 'notes'))]).toEqual([[], held])
  })

  test('that opens a store to be read adds no slot of the keychain', async () => {
    const { appData, electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    keychain.password = 'emptied'
    const before = await directoryDigest(join(appData, 'notes'))
    const errors: unknown[] = []
    const reader = await start(electron(), {
      readOnly: true,
      onError: (error) => errors.push(error),
      askRecoveryCode: () => first.codes[0],
    })
    expect(await reader.store.get(token)).toBe('example')
    await reader.store.close()
    expect([errors, await directoryDigest(join(appData, 'notes'))]).toEqual([[], before])
  })

  test('that cannot be shown: the store is closed, and what was thrown is passed on', async () => {
    const { electron } = await machine()
    const failing = start(electron(), {
      offerRecoveryCode: () => {
        throw new Error('no window')
      },
    })
    await expect(failing).rejects.toThrow('no window')
    const again = await start(electron())
    expect(again.codes).toHaveLength(1)
  })
})

describe('when the keychain does not open the store', () => {
  test('it is not touched, and nothing is created', async () => {
    const { appData, electron, keychain } = await machine()
    const { store } = await start(electron())
    await store.set({ ...token, payload: 'example' })
    await store.close()
    const before = await directoryDigest(join(appData, 'notes'))
    keychain.password = 'emptied'
    for (let attempt = 0; attempt < 3; attempt++) expect(await codeOf(() => start(electron()))).toBe('ERR_WRONG_KEY')
    keychain.available = false
    expect(await codeOf(() => start(electron()))).toBe('ERR_NO_KEYRING')
    expect(await directoryDigest(join(appData, 'notes'))).toBe(before)
  })

  test('the recovery code does, after mistakes, and the keychain does again afterwards', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    const other = await start((await machine()).electron())
    keychain.password = 'new user'
    const reasons: string[] = []
    const [code, foreign] = [first.codes[0] as string, other.codes[0] as string]
    const answers = ['', code.slice(0, -1), foreign, code.toLowerCase()]
    const recovered = await start(electron(), {
      askRecoveryCode: async (reason, attempt) => {
        reasons.push(`${attempt} ${'code' in reason ? String(reason.code) : reason.name}`)
        return answers.shift()
      },
    })
    expect(reasons).toEqual(['1 ERR_WRONG_KEY', '2 TypeError', '3 TypeError', '4 ERR_WRONG_KEY'])
    expect(await recovered.store.get(token)).toBe('example')
    // The slot that did not open may be another machine's.
    expect(recovered.store.keys().map(({ kind }) => kind)).toEqual(['safe-storage', 'recovery-code', 'safe-storage'])
    expect(recovered.codes).toEqual([])
    await recovered.store.close()
    const again = await start(electron())
    expect(await again.store.get(token)).toBe('example')
  })

  test('the user may give up: it is the error of before', async () => {
    const { electron, keychain } = await machine()
    await (await start(electron())).store.close()
    keychain.password = 'emptied'
    const mistyped = ['nonsense', undefined]
    expect(await codeOf(() => start(electron(), { askRecoveryCode: () => mistyped.shift() }))).toBe('ERR_WRONG_KEY')
  })

  test('a store that is gone by then is not made anew', async () => {
    const { appData, electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.close()
    keychain.password = 'emptied'
    const askRecoveryCode = async (): Promise<string> => {
      await rm(join(appData, 'notes/secrets'), { recursive: true })
      return first.codes[0] as string
    }
    expect(await codeOf(() => start(electron(), { askRecoveryCode }))).toBe('ERR_NOT_FOUND')
    expect(await readdir(join(appData, 'notes'))).toEqual([])
  })

  test('the code opens it also if the keychain cannot be given a key again; `onError` is told', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.set({ ...token, payload: 'example' })
    const slots = first.store.keys()
    await first.store.close()
    keychain.password = 'emptied'
    const errors: unknown[] = []
    const recovered = await start(electron(), {
      askRecoveryCode: () => {
        keychain.available = false
        return first.codes[0]
      },
      onError: (error) => errors.push(error),
    })
    expect(await recovered.store.get(token)).toBe('example')
    expect(recovered.store.keys()).toEqual(slots)
    expect(errors).toMatchObject([{ code: 'ERR_NO_KEYRING' }])
  })

  test('`null` gives up like `undefined`; what is no text is a mistake, and is not asked for again', async () => {
    const { electron, keychain } = await machine()
    await (await start(electron())).store.close()
    keychain.password = 'emptied'
    expect(await codeOf(() => start(electron(), { askRecoveryCode: () => null as never }))).toBe('ERR_WRONG_KEY')
    await expect(start(electron(), { askRecoveryCode: () => 7 as never })).rejects.toThrow(
      'askRecoveryCode: expected a string, or undefined to give up, got something else',
    )
  })

  test('for want of a keychain, the slot is kept: the keychain may come back', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron())
    const slots = first.store.keys()
    await first.store.close()
    keychain.available = false
    const recovered = await start(electron(), { askRecoveryCode: () => first.codes[0] })
    expect(recovered.store.keys()).toEqual(slots)
    await recovered.store.close()
    keychain.available = true
    await start(electron())
  })

  test('nobody is asked for the code of a store that is not there', async () => {
    const { electron, keychain, appData } = await machine()
    keychain.available = false
    const asked: unknown[] = []
    const askRecoveryCode = (reason: Error): undefined => void asked.push(reason)
    expect(await codeOf(() => start(electron(), { askRecoveryCode }))).toBe('ERR_NO_KEYRING')
    expect(asked).toEqual([])
    keychain.available = true
    await (await start(electron())).store.close()
    // Nor for that of a damaged one.
    await rm(join(appData, 'notes/secrets/data'), { recursive: true })
    expect(await codeOf(() => start(electron(), { askRecoveryCode }))).toBe('ERR_CORRUPT')
    expect(asked).toEqual([])
  })

  test('of two keychains in turn, each is asked for once, and keeps its slot', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    const asked: number[] = []
    for (const password of ['first', 'first', 'second', 'second', 'first', 'second', 'first']) {
      keychain.password = password
      let times = 0
      const { store } = await start(electron(), {
        askRecoveryCode: () => {
          times++
          return first.codes[0]
        },
      })
      asked.push(times)
      expect(await store.get(token)).toBe('example')
      await store.close()
    }
    expect(asked).toEqual([0, 0, 1, 0, 0, 0, 0])
  })

  test('of more than eight keychains, the oldest makes room, unless it is for one that protects nothing', async () => {
    const { electron, keychain } = await machine()
    const first = await start(electron())
    await first.store.close()
    const askRecoveryCode = (): string | undefined => first.codes[0]
    const openWith = async (password: string, options: Partial<UserDataOptions> = {}) => {
      keychain.password = password
      const errors: unknown[] = []
      const onError = (error: unknown) => errors.push(error)
      const { store } = await start(electron(), { askRecoveryCode, onError, ...options })
      const labels = store.keys().flatMap(({ kind, label }) => (kind === 'safe-storage' ? [label] : []))
      await store.close()
      return { labels, errors }
    }
    for (let other = 2; other <= 10; other++) await openWith(`number ${other}`)
    const full = await openWith('number 3', { askRecoveryCode: () => undefined })
    expect(full).toEqual({ labels: Array(8).fill('gnome_libsecret'), errors: [] })
    // The first two are gone.
    for (const password of ['first', 'number 2']) {
      const opening = openWith(password, { askRecoveryCode: () => undefined })
      await expect(opening).rejects.toMatchObject({ code: 'ERR_WRONG_KEY' })
    }
    keychain.backend = 'basic_text'
    keychain.protects = false
    const { labels } = await openWith('none', { allowBasicText: true })
    expect(labels).toEqual([...Array(8).fill('gnome_libsecret'), 'basic_text'])
  })
})

describe('where the store is', () => {
  test('an app that was renamed finds it under its former name, and opens it with the recovery code', async () => {
    const { appData, electron, keychain } = await machine()
    const first = await start(electron('notes'))
    await first.store.set({ ...token, payload: 'example' })
    await first.store.close()
    // macOS and Linux keep a key for each name of an app.
    keychain.password = 'of the new name'
    expect(await codeOf(() => start(electron('memo'), { formerNames: ['older', 'notes'] }))).toBe('ERR_WRONG_KEY')
    expect(await readdir(appData)).toEqual(['notes'])
    const options = { formerNames: ['older', 'notes'], askRecoveryCode: () => first.codes[0] as string }
    const renamed = await start(electron('memo'), options)
    expect(await renamed.store.get(token)).toBe('example')
    await renamed.store.close()
    expect(await (await start(electron('memo'), { formerNames: ['notes'] })).store.get(token)).toBe('example')
  })

  test('its own place comes first, if there is anything', async () => {
    const { electron } = await machine()
    const old = await start(electron('notes'))
    await old.store.set({ ...token, payload: 'old' })
    await old.store.close()
    const own = await start(electron('memo'))
    await own.store.set({ ...token, payload: 'own' })
    await own.store.close()
    expect(await (await start(electron('memo'), { formerNames: ['notes'] })).store.get(token)).toBe('own')
  })

  test('half a store is no reason to look elsewhere, or to make another', async () => {
    const { appData, electron } = await machine()
    await (await start(electron('notes'))).store.close()
    await mkdir(join(appData, 'memo/secrets'), { recursive: true, mode: 0o700 })
    await rename(join(appData, 'notes/secrets/data'), join(appData, 'memo/secrets/data'))
    expect(await codeOf(() => start(electron('memo'), { formerNames: ['notes'] }))).toMatch(
      /^ERR_(CORRUPT|NOT_A_STORE)$/,
    )
    expect(await codeOf(() => start(electron('notes')))).toBe('ERR_CORRUPT')
    await writeFile(join(appData, 'file'), '')
    expect(await codeOf(() => start(electron('.'), { directory: 'file' }))).toBe('ERR_NOT_A_STORE')
  })

  test('another directory, on request; and the options of `open`', async () => {
    const { appData, electron } = await machine()
    const { store } = await start(electron(), { directory: 'vault', names: 'sealed', maxPayloadBytes: 4 })
    await store.set({ ...token, payload: 'four' })
    await expect(store.set({ ...token, payload: 'fives' })).rejects.toThrow(RangeError)
    await store.close()
    expect(await directoryDigest(join(appData, 'notes/vault'))).toBeDefined()
    expect(await codeOf(() => start(electron(), { createIfMissing: false }))).toBe('ERR_NOT_FOUND')
  })

  test('a second instance of the app is ERR_LOCKED', async () => {
    const { electron } = await machine()
    await start(electron())
    expect(await codeOf(() => start(electron(), { askRecoveryCode: () => 'never asked' }))).toBe('ERR_LOCKED')
  })
})

test('mistakes are named before anything is touched', async () => {
  const { electron } = await machine()
  const offerRecoveryCode = (): boolean => true
  const open = (options: object, module: unknown = electron()): Promise<unknown> =>
    openInUserData(module as Electron, options as UserDataOptions)
  await expect(open({})).rejects.toThrow('offerRecoveryCode: expected a function, got undefined')
  await expect(open({ offerRecoveryCode, askRecoveryCode: 'code' })).rejects.toThrow(
    'askRecoveryCode: expected a function, got a string',
  )
  await expect(open({ offerRecoveryCode, key: passphrase('x') })).rejects.toThrow('options: expected only')
  for (const directory of ['a/b', '../..', '.', 'a\\b', '']) {
    await expect(open({ offerRecoveryCode, directory })).rejects.toThrow(/^directory: expected/)
  }
  await expect(open({ offerRecoveryCode, formerNames: 'notes' })).rejects.toThrow(
    'formerNames: expected an array, got something else',
  )
  await expect(open({ offerRecoveryCode, formerNames: ['../notes'] })).rejects.toThrow(
    'formerNames: expected the name of a folder, got a path',
  )
  for (const module of [undefined, {}, { app: {} }]) {
    await expect(open({ offerRecoveryCode }, module ?? null)).rejects.toThrow(
      'electron: expected the module, in the main process, got something else',
    )
  }
})
