import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SecretStore } from '../../../src/index'
import { newLocation } from '../../support/stores'
import { eventually, turnOfLoop } from '../../support/waiting'

// What is not needed at start is loaded when it is first called. Here that takes until it is let go on, in a copy of the
// library that has not loaded it yet: whatever is called meanwhile must not come before it.

type Library = typeof import('../../../src/index')

let library: Library
/** Of a store with one secret and two keys. */
let location: string
/** Whether it has been asked for. */
let asked: boolean
let goOn: () => void

beforeEach(async () => {
  // Creating a store and adding a key are such calls themselves: made in another copy.
  vi.resetModules()
  library = await import('../../../src/index')
  location = await newLocation()
  const created = await library.SecretStore.open(location, { key: key(1) })
  await created.addKey(key(2))
  await created.set({ scope: { type: 'account' }, name: 'first', payload: 'p' })
  await created.close()
  const waiting = new Promise<void>((resolve) => (goOn = resolve))
  asked = false
  vi.resetModules()
  vi.doMock('../../../src/care/index', async (importOriginal) => {
    asked = true
    await waiting
    return importOriginal()
  })
  library = await import('../../../src/index')
  return () => {
    vi.doUnmock('../../../src/care/index')
  }
})

function key(fill: number): ReturnType<Library['rawKey']> {
  return library.rawKey(new Uint8Array(32).fill(fill))
}

async function opened(): Promise<SecretStore> {
  const options = { key: key(1), sweepIntervalMs: 0, compactIntervalMs: 0 }
  const store = await library.SecretStore.open(location, options)
  onTestFinished(async () => {
    goOn()
    await store.close().catch(() => {})
  })
  return store
}

const second = { scope: { type: 'account' }, name: 'second', payload: 'p' } as const
const beingLoaded = (): Promise<void> => eventually(() => expect(asked).toBe(true))

/** Notes which of the calls ended, in which order, and how. */
function ends(calls: Readonly<Record<string, Promise<unknown>>>): string[] {
  const seen: string[] = []
  for (const [name, call] of Object.entries(calls)) {
    call.then(
      () => seen.push(name),
      (error) => seen.push(`${name}: ${error.code ?? error}`),
    )
  }
  return seen
}

test('to open a store, use what is in it and close it, nothing of that is loaded', async () => {
  const store = await opened()
  await store.set(second)
  const { scope, name } = second
  expect((await store.find({ scope, name }))?.name).toBe('second')
  expect(store.getSync({ scope, name })).toBe('p')
  expect((await store.list({ scope })).data.length).toBe(2)
  for await (const secret of store.list({ scope })) expect(secret.object).toBe('apps.secret')
  await store.delete({ scope, name })
  await store.batch([{ type: 'set', ...second }])
  await store.sweep()
  await store.compact()
  expect(await store.checkpoint()).toHaveLength(172)
  expect(store.keys()).toHaveLength(2)
  await store.close()
  const memory = library.SecretStore.memory()
  await memory.set(second)
  await memory.close()
  expect(asked).toBe(false)
})

describe('while it is loaded', () => {
  test('bad arguments and a closed store are told of without it', async () => {
    const store = await opened()
    const bad = { unknown: 1 } as never
    await expect(store.verify(bad)).rejects.toThrow(TypeError)
    await expect(store.rotate(bad)).rejects.toThrow(TypeError)
    await expect(store.backup('/tmp/never', bad)).rejects.toThrow(TypeError)
    await expect(store.backup(bad)).rejects.toThrow(TypeError)
    await expect(store.addKey(bad)).rejects.toThrow(TypeError)
    await expect(store.removeKey(bad)).rejects.toThrow(TypeError)
    await expect(store.replaceKey('id', bad)).rejects.toThrow(TypeError)
    await expect(library.SecretStore.restore(bad, '/tmp/never', { key: key(1) })).rejects.toThrow(TypeError)
    await store.close()
    const verbs = [() => store.verify(), () => store.rotate(), () => store.status(), () => store.addKey(key(3))]
    for (const call of [...verbs, () => store.backup('/tmp/never')]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    }
    expect(asked).toBe(false)
  })

  test('writes and the end do not wait behind a verification that was called before', async () => {
    const store = await opened()
    const verified = store.verify()
    const seen = ends({ verify: verified, set: store.set(second), close: store.close() })
    await beingLoaded()
    await eventually(() => expect(seen).toEqual(['set', 'close']))
    goOn()
    await eventually(() => expect(seen).toEqual(['set', 'close', 'verify: ERR_CLOSED']))
  })

  test('a verification waits behind writes that were called before', async () => {
    const store = await opened()
    const set = store.set(second)
    const verified = store.verify()
    goOn()
    await set
    expect((await verified).records).toBe(2)
  })

  test('changes of keys keep their order', async () => {
    const store = await opened()
    const [one, two] = store.keys().map(({ id }) => id) as [string, string]
    const added = store.addKey(key(3))
    const calls = { add: added, remove: store.removeKey(one), last: store.removeKey(two) }
    const seen = ends({ ...calls, replace: store.replaceKey(two, key(4)) })
    await beingLoaded()
    goOn()
    await eventually(() => expect(seen).toEqual(['add', 'remove', 'last', 'replace: ERR_UNKNOWN_KEY']))
    expect(store.keys()).toEqual([await added])
  })

  test('a change of keys waits for a backup that was called before', async () => {
    const store = await opened()
    const path = await newLocation()
    const seen = ends({ backup: store.backup(path), add: store.addKey(key(3)) })
    await beingLoaded()
    await turnOfLoop()
    expect(seen).toEqual([])
    goOn()
    await eventually(() => expect(seen).toEqual(['backup', 'add']))
    // The added key is not in it.
    const restoring = library.SecretStore.restore(path, await newLocation(), { key: key(3) })
    await expect(restoring).rejects.toMatchObject({ code: 'ERR_WRONG_KEY' })
  })

  test('a second rotation waits for the first', async () => {
    const store = await opened()
    const rotations = [store.rotate(), store.rotate()]
    goOn()
    expect((await Promise.all(rotations)).map(({ dataKey }) => dataKey)).toEqual([2, 3])
  })

  describe.each(['at once', 'meanwhile'])('if the store is closed %s', (when) => {
    test.each(['rotate', 'backup', 'addKey', 'status'] as const)('%s ends', async (verb) => {
      const store = await opened()
      const path = await newLocation()
      const calls = {
        rotate: () => store.rotate(),
        backup: () => store.backup(path),
        addKey: () => store.addKey(key(3)),
        status: () => store.status(),
      }
      const call = calls[verb]()
      call.catch(() => {})
      if (when === 'meanwhile') await beingLoaded()
      const closed = store.close()
      goOn()
      await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' })
      await closed
    })
  })

  test.each(['verify', 'rotate', 'backup'] as const)('%s ends by its signal, and the store goes on', async (verb) => {
    const store = await opened()
    const abort = new AbortController()
    const { signal } = abort
    let touched = false
    // It never takes anything, so that whoever writes to it waits for ever.
    const target = new WritableStream({ write: () => new Promise((_) => (touched = true)) })
    const calls = {
      verify: () => store.verify({ signal }),
      rotate: () => store.rotate({ signal }),
      backup: () => store.backup(target, { signal }),
    }
    const call = calls[verb]()
    call.catch(() => {})
    await beingLoaded()
    abort.abort('enough')
    goOn()
    await expect(call).rejects.toBe('enough')
    expect(touched).toBe(false)
    await store.set(second)
    expect((await store.status()).dataKeys.map(({ id }) => id)).toEqual([1])
  })

  test('a store is created, once it is there', async () => {
    const creating = library.SecretStore.open(await newLocation(), { key: key(1) })
    const seen = ends({ open: creating })
    await beingLoaded()
    await turnOfLoop()
    expect(seen).toEqual([])
    goOn()
    await (await creating).close()
  })
})
