/**
 * Damages copies of a store, one byte at a time, and reports what a reader gets to see. A damaged file can take the
 * process down with it, hence a child: the parent sends one flip, waits for the outcome, and sends the next.
 */
import { type Observation, observe, readStoreFiles, type Subject } from './observation'

export interface Flip {
  /** Below the store's directory. */
  readonly path: string
  readonly offset: number
  readonly mask: number
}

export interface Outcome {
  /** Opened with a checkpoint of the last write as `minimum`. */
  readonly anchored: Observation
  /** Opened without it, if `anchored` was refused as too old. */
  readonly unanchored?: Observation
}

export interface Task extends Subject {
  readonly original: string
  readonly minimum: string
}

/** @param originals - Read once: there are thousands of copies to be made. */
async function perform(task: Task, originals: ReadonlyMap<string, Buffer>, flip: Flip): Promise<Outcome> {
  const files = new Map(originals)
  const bytes = Buffer.from(files.get(flip.path) as Buffer)
  bytes.writeUInt8(bytes.readUInt8(flip.offset) ^ flip.mask, flip.offset)
  files.set(flip.path, bytes)
  const anchored = await observe(task, files, task.minimum)
  if (anchored.opening !== 'ERR_ROLLBACK') return { anchored }
  return { anchored, unanchored: await observe(task, files, undefined) }
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'run') {
  const task = JSON.parse(process.argv[3] as string) as Task
  const originals = readStoreFiles(task.original)
  process.on('message', async (flip) => process.send?.(await perform(task, originals, flip as Flip)))
  process.once('disconnect', () => process.exit())
}
