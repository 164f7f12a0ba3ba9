import { getEventListeners, once } from 'node:events'
import { existsSync } from 'node:fs'
import { account, type KeyProvider } from 'app-secret-store'
import { expect, onTestFinished, test } from 'vitest'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { interceptWrites } from '../../support/engine-writes'
import { newStore, sharerOf } from '../../support/sharing'
import { memoryStore, newLocation, openStore, testKey } from '../../support/stores'
import { eventually, newGate, turnOfLoop } from '../../support/waiting'

const reason = new Error('enough')
const at = (name: string) => ({ scope: account, name })

test('a write that waits behind another ends at once; the one under way, and those behind, do not', async () => {
  const store = memoryStore()
  const gate = newGate()
  const spy = interceptWrites(
    MemoryEngine.prototype,
    async (_, write) => {
      await gate.opened
      return write()
    },
    1,
  )
  onTestFinished(() => spy.mockRestore())
  const [first, second] = [new AbortController(), new AbortController()]
  const underWay = store.set({ ...at('a'), payload: 'p' }, { signal: first.signal })
  await turnOfLoop()
  expect(spy.count).toBe(1)
  const waiting = store.set({ ...at('b'), payload: 'p' }, { signal: second.signal })
  const erasing = store.compact({ signal: second.signal })
  const behind = store.set({ ...at('c'), payload: 'p' })
  first.abort(reason)
  second.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  await expect(erasing).rejects.toBe(reason)
  // Nothing was written by now: the gate is closed.
  expect(spy.count).toBe(1)
  gate.open()
  expect(await underWay).toMatchObject({ name: 'a' })
  expect(await behind).toMatchObject({ name: 'c' })
  expect([await store.get(at('a')), await store.get(at('b')), await store.get(at('c'))]).toEqual(['p', undefined, 'p'])
})

test('many calls with one signal are one listener, which goes with the last of them, and Node warns of none', async () => {
  const store = memoryStore()
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  const controller = new AbortController()
  const { signal } = controller
  const writes = Array.from({ length: 100 }, (_, n) => store.set({ ...at(`n${n}`), payload: 'p' }, { signal }))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  await Promise.all(writes)
  await turnOfLoop()
  expect(getEventListeners(signal, 'abort')).toEqual([])
  const reads = writes.map((_, n) => store.get(at(`n${n}`), { signal }))
  controller.abort(reason)
  expect(await Promise.allSettled(reads)).toEqual(reads.map(() => ({ status: 'rejected', reason })))
  await turnOfLoop()
  expect(warnings).toEqual([])
})

test.each([{ shared: false }, { shared: true }, { shared: 'follow' }, { readOnly: true }] as const)(
  'an opening that waits for another holder ends at once, and takes nothing later: %o',
  async (how) => {
    const location = await newLocation()
    const holder = await openStore(location)
    const controller = new AbortController()
    const { signal } = controller
    const opening = openStore(location, { ...how, waitMs: 3_600_000, signal })
    const ended = expect(opening).rejects.toBe(reason)
    await new Promise((resolve) => void setTimeout(resolve, 100))
    controller.abort(reason)
    await ended
    await holder.close()
    // Nobody holds it, or comes to hold it.
    await new Promise((resolve) => void setTimeout(resolve, 100))
    const next = await openStore(location)
    await next.close()
    await expect(openStore(location, { ...how, signal })).rejects.toBe(reason)
    await expect(openStore(location, { ...how, signal: 'soon' as never })).rejects.toThrow(TypeError)
  },
)

test('a store that opens after its opening was given up is closed', async () => {
  const location = await newLocation()
  await (await openStore(location)).close()
  const controller = new AbortController()
  const asked = newGate()
  const answer = newGate()
  const real = testKey()
  const slow: KeyProvider = {
    ...real,
    unwrap: async (params, context) => {
      asked.open()
      await answer.opened
      return real.unwrap(params, context)
    },
  }
  const opening = openStore(location, { key: slow, signal: controller.signal })
  const ended = expect(opening).rejects.toBe(reason)
  await asked.opened
  controller.abort(reason)
  await ended
  answer.open()
  await eventually(async () => (await openStore(location)).close())
})

test.runIf(process.platform !== 'win32')(
  'a follower whose owner is stopped gives up what it is told to, at once, and nothing of it happens later',
  async () => {
    const location = await newStore()
    const owner = await sharerOf(location)
    await owner.ask({ do: 'set', name: 'there', payload: 'p' })
    const store = await openStore(location, { shared: true })
    const backup = `${location}.backup`
    owner.process.kill('SIGSTOP')
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const calls = [
      store.get(at('there'), options),
      store.list({ scope: account }, options).then(),
      store.set({ ...at('new'), payload: 'p' }, options),
      store.delete(at('there'), options),
      store.batch([{ type: 'set', ...at('new'), payload: 'p' }], options),
      store.status(options),
      store.verify(options),
      store.backup(backup, options),
      store.rotate(options),
      store.checkpoint(options),
      store.compact(options),
      store.removeKey(store.keys()[0]?.id ?? '', options),
    ].map((call) =>
      call.then(
        () => 'done',
        (error) => error,
      ),
    )
    await turnOfLoop()
    controller.abort(reason)
    expect(await Promise.all(calls)).toEqual(calls.map(() => reason))
    expect(existsSync(backup)).toBe(false)
    owner.process.kill('SIGCONT')
    // After those in the one order.
    await store.set({ ...at('later'), payload: 'p' })
    expect((await store.list({ scope: account })).data.map(({ name }) => name)).toEqual(['later', 'there'])
    expect((await store.verify()).ok).toBe(true)
    await store.close()
    owner.process.kill('SIGKILL')
    await once(owner.process, 'exit')
  },
)
