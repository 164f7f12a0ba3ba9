import { once } from 'node:events'
import { account } from 'app-secret-store'
import { expect, onTestFinished, test } from 'vitest'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { interceptWrites } from '../../support/engine-writes'
import { newStore, sharerOf } from '../../support/sharing'
import { memoryStore, openStore } from '../../support/stores'
import { newGate, turnOfLoop } from '../../support/waiting'

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

test.runIf(process.platform !== 'win32')(
  'a follower whose owner is stopped gives up what it is told to, at once, and nothing of it happens later',
  async () => {
    const location = await newStore()
    const owner = await sharerOf(location)
    await owner.ask({ do: 'set', name: 'there', payload: 'p' })
    const store = await openStore(location, { shared: true })
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
