import { addTo, type Change, type Engine } from './engine'

/** Writes a few changes where nobody else writes, as into a store that is being built. */
export async function writeAlone(engine: Engine, changes: Iterable<Change>): Promise<void> {
  const batch = engine.batch()
  try {
    addTo(batch, changes)
    const isWritten = await batch.write(undefined)
    if (!isWritten) throw new Error('write: expected nobody else to write, got the head of another')
  } finally {
    await batch.close()
  }
}
