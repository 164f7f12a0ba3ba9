import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readKeyringFile } from '../../../src/crypto/keyring'
import { type KeyPort, keyFromMain, openFromMain, provideKey, safeStorage } from '../../../src/electron/index'
import type { KeySlot } from '../../../src/format/keyring-file'
import { account, type KeyProvider, SecretStore, SecretStoreError } from '../../../src/index'
import { codeOf, newLocation } from '../../support/stores'
import { eventually } from '../../support/waiting'
import { FakeKeychain } from './keychains'

const TOKEN = { scope: account, name: 'token' }
const QUIET = { sweepIntervalMs: 0, compactIntervalMs: 0 }

/** An end of a port as Electron has it, with everything that came by it. */
interface FakeKeyPort extends KeyPort {
  readonly heard: unknown[]
}

function electronPort(port: MessagePort): FakeKeyPort {
  const heard: unknown[] = []
  port.on('message', (data) => heard.push(data))
  port.unref()
  return {
    heard,
    on: (event: 'close' | 'message', listener: (event: { readonly data: unknown }) => void) =>
      port.on(event, (data: unknown) => listener({ data })),
    postMessage: (message) => port.postMessage(message),
    start: () => port.start(),
    close: () => port.close(),
  }
}

function channel(): { readonly atMain: FakeKeyPort; readonly atUtility: FakeKeyPort } {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  return { atMain: electronPort(port1), atUtility: electronPort(port2) }
}

interface Main {
  readonly store: SecretStore
  readonly key: KeyProvider
  readonly keychain: FakeKeychain
  readonly location: string
}

/** The main process, which shares its store. */
async function main(location?: string): Promise<Main> {
  const keychain = new FakeKeychain()
  const key = safeStorage(keychain.sync)
  const place = location ?? (await newLocation())
  const store = await SecretStore.open(place, { key, shared: true, ...QUIET })
  onTestFinished(() => store.close())
  return { store, key, keychain, location: place }
}

/** What keyring.json says of its first slot, and so whoever has the files. */
async function firstSlot(location: string) {
  const { file } = readKeyringFile(await readFile(join(location, 'keyring.json')))
  const { id, kind, params } = file.slots[0] as KeySlot
  return { slot: { storeId: file.storeId, slotId: id, kind }, params }
}

describe('a store that the main process provides', () => {
  test('opens at the other end of the port, and both share it', async () => {
    const { store, key } = await main()
    await store.set({ ...TOKEN, payload: 'example' })
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, key)
    const other = await openFromMain(atUtility, QUIET)
    onTestFinished(() => other.close())
    expect(await other.get(TOKEN)).toBe('example')
    await other.set({ ...TOKEN, payload: 'changed' })
    expect(await store.get(TOKEN)).toBe('changed')
  })

  test('is asked for by the key alone as well, at a location that the app tells', async () => {
    const { store, key, location } = await main()
    await store.set({ ...TOKEN, payload: 'example' })
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, key)
    const other = await SecretStore.open(location, { key: keyFromMain(atUtility), shared: true, ...QUIET })
    onTestFinished(() => other.close())
    expect(await other.get(TOKEN)).toBe('example')
    const added = await other.addKey(keyFromMain(atUtility))
    expect(added.kind).toBe('safe-storage')
    await other.close()
    await store.close()
    const again = await SecretStore.open(location, { key, ...QUIET })
    onTestFinished(() => again.close())
    expect(again.keys().map(({ kind }) => kind)).toEqual(['safe-storage', 'safe-storage'])
  })

  test('keeps its errors: a keychain that is gone is ERR_NO_KEYRING there as well', async () => {
    const { store, key, keychain } = await main()
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, key)
    keychain.available = false
    await expect(openFromMain(atUtility, QUIET)).rejects.toMatchObject({
      code: 'ERR_NO_KEYRING',
      message: 'safeStorage: expected a keychain that encrypts, got none, or one that is locked',
    })
    keychain.available = true
    keychain.password = 'second'
    expect(await codeOf(() => openFromMain(atUtility, QUIET))).toBe('ERR_WRONG_KEY')
  })

  test.each([
    ['a TypeError', new TypeError('slot: expected x, got y'), 'slot: expected x, got y'],
    ['a RangeError', new RangeError('slot: expected x, got y'), 'slot: expected x, got y'],
    ['an error of the library', new SecretStoreError('ERR_IO', 'slot: expected x, got y'), 'slot: expected x, got y'],
    [
      "a stranger's, without its words",
      new Error('s3cret'),
      'key: expected the main process to have it, got an error there',
    ],
  ])('keeps %s of the key', async (_, error, message) => {
    const { store, location } = await main()
    const { atMain, atUtility } = channel()
    const failing: KeyProvider = {
      kind: 'safe-storage',
      wrap: () => Promise.reject(error),
      unwrap: () => Promise.reject(error),
    }
    provideKey(atMain, store, failing)
    const key = keyFromMain(atUtility)
    const opening = SecretStore.open(location, { key, shared: true, ...QUIET })
    await expect(opening).rejects.toMatchObject({ name: error.name, message })
  })

  test('wipes the root key of main when it is sent', async () => {
    const { store, key } = await main()
    const keys: Uint8Array[] = []
    const watched: KeyProvider = {
      kind: key.kind,
      wrap: key.wrap,
      unwrap: async (params, context) => {
        const rootKey = await key.unwrap(params, context)
        if (rootKey !== null) keys.push(rootKey)
        return rootKey
      },
    }
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, watched)
    const other = await openFromMain(atUtility, QUIET)
    await other.close()
    expect(keys.length).toBeGreaterThan(0)
    for (const rootKey of keys) expect(rootKey).toEqual(new Uint8Array(32))
  })
})

describe('waiting for the main process', () => {
  test('ends in time if nobody provides, with one wait for all slots', async () => {
    const { location, store, key } = await main()
    for (let slot = 0; slot < 4; slot++) await store.addKey(key)
    const { atUtility } = channel()
    const start = performance.now()
    const opening = SecretStore.open(location, { key: keyFromMain(atUtility, { timeoutMs: 1000 }), shared: true })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_BUSY',
      message:
        'key: expected the main process to answer within 1000 ms, got nothing (provideKey is to be called there)',
    })
    expect(performance.now() - start).toBeGreaterThanOrEqual(990)
  })

  test('goes on as before when it answers again', async () => {
    const { store, key } = await main()
    const { atMain, atUtility } = channel()
    expect(await codeOf(() => openFromMain(atUtility, { timeoutMs: 20, ...QUIET }))).toBe('ERR_BUSY')
    provideKey(atMain, store, key)
    const other = await eventually(() => openFromMain(atUtility, QUIET))
    await other.close()
  })

  test.each(['main', 'utility'] as const)('ends when the port is closed by the %s process', async (side) => {
    const { atMain, atUtility } = channel()
    const opening = codeOf(() => openFromMain(atUtility, QUIET))
    const closing = side === 'main' ? atMain : atUtility
    closing.close()
    expect(await opening).toBe('ERR_CLOSED')
    expect(await codeOf(() => openFromMain(atUtility, QUIET))).toBe('ERR_CLOSED')
  })

  test('ends when main provides no more', async () => {
    const { store, key } = await main()
    const { atMain, atUtility } = channel()
    const end = provideKey(atMain, store, key)
    const other = await openFromMain(atUtility, QUIET)
    await other.close()
    end()
    await eventually(async () => {
      expect(await codeOf(() => openFromMain(atUtility, { timeoutMs: 50, ...QUIET }))).toBe('ERR_CLOSED')
    })
  })

  test('ends with the signal of the opening, which says nothing of what is asked after it', async () => {
    const { store, key } = await main()
    await store.set({ ...TOKEN, payload: 'example' })
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, key)
    const controller = new AbortController()
    const other = await openFromMain(atUtility, { signal: controller.signal, ...QUIET })
    onTestFinished(() => other.close())
    controller.abort('too late')
    await store.rotate({ root: true, keys: [key] })
    expect(await other.get(TOKEN)).toBe('example')
  })

  test('and for a store that somebody has alone ends with it as well', async () => {
    const { store, key, location } = await main()
    const { atMain, atUtility } = channel()
    provideKey(atMain, store, key)
    await store.close()
    const alone = await SecretStore.open(location, { key, ...QUIET })
    onTestFinished(() => alone.close())
    const controller = new AbortController()
    const opening = openFromMain(atUtility, { signal: controller.signal, waitMs: 600_000, ...QUIET })
    await eventually(() => expect(atUtility.heard.length).toBeGreaterThan(1))
    controller.abort('enough')
    await expect(opening).rejects.toBe('enough')
  })

  test('ends with a signal, before and while it waits', async () => {
    const { atUtility } = channel()
    const controller = new AbortController()
    const opening = openFromMain(atUtility, { signal: controller.signal, ...QUIET })
    controller.abort('enough')
    await expect(opening).rejects.toBe('enough')
    await expect(openFromMain(atUtility, { signal: AbortSignal.abort('before') })).rejects.toBe('before')
    const slow = { wrap: () => new Promise<never>(() => {}), unwrap: () => new Promise<never>(() => {}) }
    const { store, location } = await main()
    const { atMain, atUtility: another } = channel()
    provideKey(atMain, store, { kind: 'safe-storage', ...slow })
    const key = keyFromMain(another, { signal: AbortSignal.timeout(50) })
    await expect(SecretStore.open(location, { key, shared: true, ...QUIET })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })
})

describe('whoever else has the port', () => {
  /** What comes back to a raw message. */
  async function ask(port: FakeKeyPort, message: unknown): Promise<unknown> {
    const before = port.heard.length
    port.postMessage(message)
    return eventually(() => {
      expect(port.heard.length).toBeGreaterThan(before)
      return port.heard.at(-1)
    })
  }

  async function provided() {
    const at = await main()
    const { atMain, atUtility } = channel()
    provideKey(atMain, at.store, at.key)
    atUtility.start()
    return { at, port: atUtility }
  }

  test('gets no key without what is in the slot, and none of another store', async () => {
    const { at, port } = await provided()
    const { slot, params } = await firstSlot(at.location)
    const other = await main()
    await other.store.addKey(at.key)
    const foreign = await firstSlot(other.location)
    for (const wrong of [foreign, { slot: { ...slot, kind: 'raw-key' }, params }]) {
      expect(await ask(port, { number: 1, ask: 'unwrap', ...wrong })).toMatchObject({
        number: 1,
        error: { code: 'ERR_ACCESS_DENIED' },
      })
    }
    // Of another slot, or made up.
    for (const wrong of [
      { slot: { ...slot, slotId: new Uint8Array(8) }, params },
      { slot, params: foreign.params },
      { slot, params: { ...params, wrapped: foreign.params['wrapped'] } },
      { slot, params: {} },
    ]) {
      const reply = (await ask(port, { number: 2, ask: 'unwrap', ...wrong })) as { value?: unknown }
      expect(reply.value ?? null).toBeNull()
    }
    expect(await ask(port, { number: 3, ask: 'location' })).toEqual({ number: 3, value: at.location })
  })

  test('gets the root key with it, as whoever can read the files and ask the keychain', async () => {
    const { at, port } = await provided()
    const reply = await ask(port, { number: 4, ask: 'unwrap', ...(await firstSlot(at.location)) })
    expect((reply as { value: Uint8Array }).value).toHaveLength(32)
  })

  test('may say anything: what is no ask is passed over, and what is a bad one is refused', async () => {
    const { port } = await provided()
    for (const message of [null, undefined, 1, 'location', [], {}, { number: '1' }, { number: 0.5 }]) {
      port.postMessage(message)
    }
    const refused = { error: { code: 'TypeError' } }
    expect(await ask(port, { number: 1 })).toMatchObject({ number: 1, ...refused })
    expect(port.heard).toHaveLength(1)
    const slot = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'safe-storage' }
    for (const bad of [
      { ask: 'everything' },
      { ask: 'unwrap' },
      { ask: 'unwrap', slot, params: null },
      { ask: 'unwrap', slot, params: { encrypted: { toString: 1 } } },
      { ask: 'unwrap', slot, params: { encrypted: 'A'.repeat(65_537) } },
      { ask: 'unwrap', slot, params: Object.fromEntries(Array.from({ length: 33 }, (_, field) => [`f${field}`, 1])) },
      { ask: 'wrap', slot, rootKey: 'text' },
      { ask: 'wrap', slot, rootKey: new Uint8Array(31) },
    ]) {
      expect(await ask(port, { number: 5, ...bad })).toMatchObject({ number: 5, ...refused })
    }
    expect(await ask(port, { number: 6, ask: 'wrap', slot, rootKey: new Uint8Array(32) })).toMatchObject({
      error: { code: 'ERR_ACCESS_DENIED' },
    })
  })

  test('has 16 asks under way at the most', async () => {
    const { store, location } = await main()
    const { atMain, atUtility } = channel()
    let asked = 0
    const slow = () => {
      asked++
      return new Promise<never>(() => {})
    }
    provideKey(atMain, store, { kind: 'safe-storage', wrap: slow, unwrap: slow })
    atUtility.start()
    const { slot } = await firstSlot(location)
    for (let number = 1; number <= 20; number++) atUtility.postMessage({ number, ask: 'unwrap', slot, params: {} })
    await eventually(() => expect(atUtility.heard).toHaveLength(4))
    expect(atUtility.heard).toMatchObject([17, 18, 19, 20].map((number) => ({ number, error: { code: 'ERR_BUSY' } })))
    expect(asked).toBe(16)
  })
})

describe('bad arguments', () => {
  test.each([
    ['no port', {}],
    ['nothing', undefined],
    ["a page's port", { postMessage() {}, start() {}, close() {}, addEventListener() {} }],
  ])('%s', async (_, port) => {
    const { store, key } = await main()
    expect(() => provideKey(port as never, store, key)).toThrow(TypeError)
    expect(() => keyFromMain(port as never)).toThrow(TypeError)
    await expect(openFromMain(port as never)).rejects.toThrow(TypeError)
  })

  test('a store that is not shared, is in memory, or is none; a key that is none', async () => {
    const { store } = await main()
    const { atMain } = channel()
    const alone = await SecretStore.open(await newLocation(), { key: safeStorage(new FakeKeychain().sync), ...QUIET })
    onTestFinished(() => alone.close())
    const key = safeStorage(new FakeKeychain().sync)
    for (const bad of [alone, SecretStore.memory(), {}, undefined]) {
      expect(() => provideKey(atMain, bad as never, key)).toThrow(/store: expected one that was opened with shared/)
    }
    expect(() => provideKey(atMain, store, {} as never)).toThrow(/key: expected a key provider/)
  })

  test('options that are not there, or not what they should be', async () => {
    const { atUtility } = channel()
    expect(() => keyFromMain(atUtility, { timeoutMs: 0 })).toThrow(RangeError)
    expect(() => keyFromMain(atUtility, { signal: 1 as never })).toThrow(TypeError)
    expect(() => keyFromMain(atUtility, { label: 'x' } as never)).toThrow(TypeError)
    await expect(openFromMain(atUtility, { shared: false } as never)).rejects.toThrow(TypeError)
    await expect(openFromMain(atUtility, { timeoutMs: 2 ** 31 })).rejects.toThrow(RangeError)
  })
})
