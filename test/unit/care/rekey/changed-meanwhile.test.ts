import { describe, expect, test, vi } from 'vitest'
import { addSlot, backup, replaceSlot, rotate } from '../../../../src/care/index'
import type { StoreContext } from '../../../../src/context'
import { Keyring, readKeyringFile, sealKeyringFile } from '../../../../src/crypto/keyring'
import { publicRandom } from '../../../../src/crypto/random'
import { account, type KeyProvider, type SecretStore } from '../../../../src/index'
import { partsOf } from '../../../../src/view'
import { codeOf, newLocation, openStore, testKey } from '../../../support/stores'
import { type Gate, newGate } from '../../../support/waiting'

/**
 * A process that was stopped loses its locks to others, and does not know. Whatever it had planned on the keyring.json of
 * before is refused at its turn: the keys of others, and what is under them, stay. Here the locks are left out.
 */

const target = { scope: account, name: 'token' }

interface Unlocked {
  readonly store: SecretStore
  readonly context: StoreContext
}

/** A store whose key changes take no turns, with one secret. */
async function unlocked(): Promise<Unlocked> {
  const store = await openStore(await newLocation())
  await store.set({ ...target, payload: 'p' })
  const context = partsOf(store)?.context as StoreContext
  vi.spyOn(context.keyChanges, 'take').mockImplementation((work) => work())
  return { store, context }
}

/** A key that takes its time to wrap. */
function slowKey(fill: number): { readonly key: KeyProvider; readonly asked: Gate; readonly answer: Gate } {
  const [real, asked, answer] = [testKey(fill), newGate(), newGate()]
  const wrap: KeyProvider['wrap'] = async (rootKey, slot) => {
    const copy = rootKey.slice()
    asked.open()
    await answer.opened
    return real.wrap(copy, slot)
  }
  return { key: { ...real, wrap }, asked, answer }
}

const OTHERS: readonly (readonly [name: string, change: (context: StoreContext) => Promise<unknown>])[] = [
  ['addKey', (context) => addSlot(context, testKey(9))],
  ['rotate', (context) => rotate(context, {})],
  ['rotate of the root', (context) => rotate(context, { keys: [{ from: testKey(), to: testKey() }] })],
]

describe.each(OTHERS)('beside a whole %s', (_, others) => {
  test.each<readonly [string, (context: StoreContext, key: KeyProvider) => Promise<unknown>]>([
    ['addKey', (context, key) => addSlot(context, key)],
    ['replaceKey', (context, key) => replaceSlot(context, idOf(context), key)],
    ['rotate of the root', (context, key) => rotate(context, { keys: [{ from: testKey(), to: key }] })],
  ])('%s is ERR_BUSY, and has changed nothing', async (_, change) => {
    const { store, context } = await unlocked()
    const { key, asked, answer } = slowKey(8)
    const changing = codeOf(() => change(context, key))
    await asked.opened
    await others(context)
    await store.set({ ...target, payload: 'after' })
    const before = [store.keys(), (await store.status()).dataKeys]
    answer.open()
    expect(await changing).toBe('ERR_BUSY')
    expect([store.keys(), (await store.status()).dataKeys]).toEqual(before)
    expect(await store.get(target)).toBe('after')
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
    // It can be called again.
    await change(context, testKey(8))
    expect((await store.verify()).ok).toBe(true)
  })
})

test.each(['is over', 'is under way'])(
  'the last step of a rotation, beside another one that %s, leaves its keys',
  async (how) => {
    const { store, context } = await unlocked()
    let isLast = false
    vi.mocked(context.keyChanges.take).mockImplementation(async (work) => {
      if (isLast) {
        isLast = false
        // The first one takes up what is under way, and ends it.
        await rotate(context, {})
        const stop = new AbortController()
        const next = rotate(context, {
          signal: stop.signal,
          onProgress: () => {
            if (how === 'is under way') stop.abort()
          },
        })
        const outcome = await next.then(
          () => 'is over',
          () => 'is under way',
        )
        expect(outcome).toBe(how)
      }
      return work()
    })
    const rotating = rotate(context, {
      onProgress: ({ done, total }) => {
        if (done === total) isLast = true
      },
    })
    expect(await codeOf(() => rotating)).toBe('ERR_BUSY')
    expect(await store.get(target)).toBe('p')
    expect((await store.verify()).ok).toBe(true)
  },
)

test.each([
  ['ends it', 1, 'no error'],
  ['ends it, and rotates once more', 2, 'ERR_BUSY'],
])(
  'a rotation, in the middle of whose resealing another process %s, takes no record for damaged',
  async (_, rotations, code) => {
    const { store, context } = await unlocked()
    await store.batch(
      Array.from({ length: 40 }, (_, n) => ({ type: 'set', scope: account, name: `${n}`, payload: 'p' }) as const),
    )
    const submit = context.queue.submit.bind(context.queue)
    vi.spyOn(context.queue, 'submit').mockImplementationOnce(async (operation) => {
      for (let n = 0; n < rotations; n++) await rotate(context, {})
      return submit(operation)
    })
    expect(await codeOf(() => rotate(context, {}))).toBe(code)
    expect(await store.verify()).toEqual({ ok: true, records: 41, problems: [] })
    expect(await rotate(context, {})).toMatchObject({ dataKey: 2 + rotations, records: 41 })
  },
)

test('keys of another process that are in place, and not taken over yet, are nothing to plan on', async () => {
  const [{ store, context }, other] = [await unlocked(), await unlocked()]
  const old = context.keyringStorage.bytes
  await addSlot(other.context, testKey(9))
  context.keyringStorage.bytes = other.context.keyringStorage.bytes
  const sink = new WritableStream<Uint8Array>({})
  const root = { keys: [{ from: testKey(), to: testKey() }] }
  for (const change of [
    () => addSlot(context, testKey(8)),
    () => replaceSlot(context, idOf(context), testKey(8)),
    () => rotate(context, {}),
    () => rotate(context, root),
    () => backup(context, sink, {}),
  ]) {
    expect(await codeOf(change)).toBe('ERR_BUSY')
  }
  context.keyringStorage.bytes = old
  expect(store.keys()).toHaveLength(1)
  expect((await store.verify()).ok).toBe(true)
  await rotate(context, {})
  expect(await store.get(target)).toBe('p')
})

test('a change whose answer comes late leaves the keys that came after it', async () => {
  const { store, context } = await unlocked()
  const { keyring, keyringStorage, queue } = context
  const commitHead = queue.commitHead.bind(queue)
  vi.spyOn(queue, 'commitHead').mockImplementationOnce(async (head, next) => {
    await commitHead(head, next)
    // Another process has changed them by the time of the answer, and this one was told.
    const file = { ...(next as { keyring: Keyring }).keyring.file }
    const generation = (file.change?.generation ?? 0) + 1
    const later = { ...file, change: { generation, sequence: queue.head.sequence } }
    await keyring.lendRootKey(async (rootKey) => {
      const bytes = sealKeyringFile(later, rootKey)
      const { mac } = readKeyringFile(bytes)
      const { head } = queue
      const named = { ...head, sequence: head.sequence + 1, keyring: { generation, mac } }
      await commitHead(named, { bytes, keyring: new Keyring(later, rootKey, publicRandom) })
      keyring.adopt(later, rootKey)
    })
  })
  await addSlot(context, testKey(9))
  expect(keyring.file.change?.generation).toBe(2)
  expect(readKeyringFile(keyringStorage.bytes).file.change?.generation).toBe(2)
  await addSlot(context, testKey(8))
  expect(store.keys()).toHaveLength(3)
  expect((await store.verify()).ok).toBe(true)
})

test('a backup in which the keys have changed is refused, and leaves no file', async () => {
  const { store, context } = await unlocked()
  const written: Uint8Array[] = []
  let isFirst = true
  const sink = new WritableStream<Uint8Array>({
    write: async (bytes) => {
      written.push(bytes)
      if (isFirst) {
        isFirst = false
        await rotate(context, {})
      }
    },
  })
  expect(await codeOf(() => backup(context, sink, {}))).toBe('ERR_BUSY')
  expect(written.length).toBeGreaterThan(0)
  expect((await store.verify()).ok).toBe(true)
})

function idOf({ keyring }: StoreContext): string {
  return Buffer.from(keyring.file.slots[0]?.id ?? []).toString('base64url')
}
