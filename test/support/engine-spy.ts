import { Level } from 'level'
import { vi } from 'vitest'
import type { Change } from '../../src/storage/engine'
import { LevelEngine } from '../../src/storage/level/engine'
import { MemoryEngine } from '../../src/storage/memory-engine'
import { interceptWrites } from './engine-writes'

/** Keeps what is committed to LevelDB; to be restored. */
export function spyOnCommits(): { readonly commits: (readonly Change[])[]; restore(): void } {
  const commits: (readonly Change[])[] = []
  const spy = interceptWrites(LevelEngine.prototype, (changes, write) => {
    commits.push(changes)
    return write()
  })
  return { commits, restore: () => spy.mockRestore() }
}

/** Runs `look` whenever LevelDB has done something. What it does is real. Returns how to end that. */
export function afterEachStep(look: () => Promise<void>): () => void {
  type Work = (...args: unknown[]) => Promise<unknown>
  const prototype = Level.prototype as unknown as Record<'compactRange' | 'close' | 'open', Work> & {
    batch(): { write: Work }
  }
  const thenLook = (work: Work): Work =>
    async function (this: unknown, ...args) {
      const result = await work.apply(this, args)
      await look()
      return result
    }
  const { batch } = prototype
  const spies = [
    ...(['compactRange', 'close', 'open'] as const).map((step) => {
      const real = prototype[step]
      return vi.spyOn(prototype, step).mockImplementation(thenLook(real))
    }),
    vi.spyOn(prototype, 'batch').mockImplementation(function (this: unknown) {
      const begun = batch.call(this as typeof prototype)
      begun.write = thenLook(begun.write)
      return begun
    }),
  ]
  return () => {
    for (const spy of spies) spy.mockRestore()
  }
}

export interface EngineSpy {
  /** How many rows are scanned while `work` runs. */
  countScannedRows(work: () => Promise<unknown>): Promise<number>
  /** How many commits reach the engine while `work` runs. */
  countCommits(work: () => Promise<unknown>): Promise<number>
  countErasures(): { readonly count: number; restore(): void }
}

/** Looks over the shoulder of an engine: what it does is real, the calls are counted. */
export function engineOf(engine: 'LevelDB' | 'memory'): EngineSpy {
  const prototype: LevelEngine | MemoryEngine = (engine === 'LevelDB' ? LevelEngine : MemoryEngine).prototype
  return {
    async countScannedRows(work) {
      const spy = vi.spyOn(prototype, 'scan')
      await work()
      const pages = await Promise.all(spy.mock.results.map((result) => result.value as ReturnType<LevelEngine['scan']>))
      spy.mockRestore()
      return pages.reduce((sum, rows) => sum + rows.length, 0)
    },
    async countCommits(work) {
      const spy = interceptWrites(prototype, (_, write) => write())
      await work()
      spy.mockRestore()
      return spy.count
    },
    countErasures() {
      const spy = vi.spyOn(prototype, 'erase')
      return {
        get count() {
          return spy.mock.calls.length
        },
        restore: () => spy.mockRestore(),
      }
    },
  }
}
