import { describe, expect, onTestFinished, test } from 'vitest'
import { account } from '../../../src/index'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { brief, heard } from '../../support/behaviour/changes'
import { failNextWrite, interceptWrites } from '../../support/engine-writes'
import { codeOf, memoryStore } from '../../support/stores'
import { newGate } from '../../support/waiting'

const target = { scope: account, name: 'token' }

describe('when', () => {
  test('not before it is durable, and never if the write fails', async () => {
    const store = memoryStore()
    const changes = heard(store)
    const gate = newGate()
    const spy = interceptWrites(
      MemoryEngine.prototype,
      async (_, write) => {
        const isWritten = await write()
        await gate.opened
        return isWritten
      },
      1,
    )
    onTestFinished(() => spy.mockRestore())
    const writing = store.set({ ...target, payload: 'x' })
    for (let turn = 0; turn < 50; turn++) await undefined
    expect(spy.count).toBe(1)
    expect(changes).toEqual([])
    gate.open()
    await writing
    expect(changes.map(brief)).toEqual(['set token'])

    spy.mockRestore()
    const failing = failNextWrite(MemoryEngine.prototype, new Error('no space'))
    onTestFinished(() => failing.mockRestore())
    expect(await codeOf(() => store.delete(target))).toBe('ERR_FAILED')
    expect(changes).toHaveLength(1)
  })
})
