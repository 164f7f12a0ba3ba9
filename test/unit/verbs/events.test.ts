import { describe, expect, onTestFinished, test } from 'vitest'
import { account, type ChangeEvent, SecretStore, type SecretView } from '../../../src/index'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { failNextWrite, interceptWrites } from '../../support/engine-writes'
import { codeOf, TestClock } from '../../support/stores'

const target = { scope: account, name: 'token' }

/** What a view tells of, as it comes. */
function heard(view: SecretView): ChangeEvent[] {
  const changes: ChangeEvent[] = []
  view.on('change', (change) => changes.push(change))
  return changes
}

const brief = ({ type, name }: ChangeEvent): string => `${type} ${name}`

function memoryStore(clock = new TestClock(), onError?: (error: unknown) => void): SecretStore {
  const store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, ...(onError && { onError }) })
  onTestFinished(() => store.close())
  return store
}

describe('when', () => {
  test('not before it is durable, and never if the write fails', async () => {
    const store = memoryStore()
    const changes = heard(store)
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const spy = interceptWrites(
      MemoryEngine.prototype,
      async (_, write) => {
        const isWritten = await write()
        await held
        return isWritten
      },
      1,
    )
    onTestFinished(() => spy.mockRestore())
    const writing = store.set({ ...target, payload: 'x' })
    for (let turn = 0; turn < 50; turn++) await undefined
    expect(spy.count).toBe(1)
    expect(changes).toEqual([])
    release()
    await writing
    expect(changes.map(brief)).toEqual(['set token'])

    spy.mockRestore()
    const failing = failNextWrite(MemoryEngine.prototype, new Error('no space'))
    onTestFinished(() => failing.mockRestore())
    expect(await codeOf(() => store.delete(target))).toBe('ERR_FAILED')
    expect(changes).toHaveLength(1)
  })
})
