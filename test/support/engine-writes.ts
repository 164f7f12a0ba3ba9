import { vi } from 'vitest'
import { addTo, type Change, type Engine } from '../../src/storage/engine'

/** Writes changes in one batch. @returns Whether the engine took them. */
export async function writeTo(
  engine: Engine,
  changes: Iterable<Change>,
  expectedHead: Uint8Array | undefined,
): Promise<boolean> {
  const batch = engine.batch()
  try {
    addTo(batch, changes)
    return await batch.write(expectedHead)
  } finally {
    await batch.close()
  }
}

/** Stands in for one write: `write` is the real one. */
export type Write = (changes: readonly Change[], write: () => Promise<boolean>) => Promise<boolean>

/**
 * Stands between an engine and its writes.
 *
 * @param engine - Or a prototype: then all of its kind.
 * @param times - How many writes; the later ones are the engine's own. @defaultValue all of them
 */
export function interceptWrites(
  engine: Engine,
  handle: Write,
  times: number = Number.POSITIVE_INFINITY,
): { readonly count: number; mockRestore(): void } {
  const { batch } = engine
  let count = 0
  const spy = vi.spyOn(engine, 'batch').mockImplementation(function (this: Engine) {
    const real = batch.call(this)
    const changes: Change[] = []
    return {
      put(key, value) {
        changes.push({ type: 'put', key, value })
        real.put(key, value)
      },
      del(key) {
        changes.push({ type: 'del', key })
        real.del(key)
      },
      write(expectedHead) {
        const write = (): Promise<boolean> => real.write(expectedHead)
        return ++count > times ? write() : handle(changes, write)
      },
      keyring: (bytes) => real.keyring(bytes),
      describe: (note) => real.describe(note),
      close: () => real.close(),
    }
  })
  return {
    get count() {
      return count
    },
    mockRestore: () => spy.mockRestore(),
  }
}

/** Has the next write of an engine, or of a kind of engine, fail before anything is written. */
export function failNextWrite(engine: Engine, error: Error): { readonly count: number; mockRestore(): void } {
  return interceptWrites(engine, () => Promise.reject(error), 1)
}
