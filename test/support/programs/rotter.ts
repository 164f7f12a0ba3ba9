/**
 * Makes copies of a store out of pictures of it, damages them, and reports what a reader gets to see. A damaged file
 * can take the process down with it, hence a child: the parent sends one copy to make, waits for the outcome, and
 * sends the next.
 */
import { join } from 'node:path'
import { Draws } from '../campaign'
import { type Observation, observe, readStoreFiles, type Subject } from './observation'

/** One thing done to one file of a copy; paths are below the store's directory. */
export type Damage =
  | { readonly kind: 'flip'; readonly path: string; readonly offset: number; readonly mask: number }
  /** @param seed - Of the noise; zeros without. */
  | {
      readonly kind: 'fill'
      readonly path: string
      readonly offset: number
      readonly bytes: number
      readonly seed: number | null
    }
  | { readonly kind: 'truncate'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'swap'; readonly path: string; readonly other: string }
  /** As it is in another picture, where it may not be. */
  | { readonly kind: 'exchange'; readonly path: string; readonly picture: number }

export interface Rot {
  /** Which picture is damaged. */
  readonly picture: number
  readonly damages: readonly Damage[]
  /** The last checkpoint of that picture. */
  readonly minimum: string
}

export interface Outcome {
  readonly anchored: Observation
  /** Opened without the checkpoint. */
  readonly unanchored: Observation
}

export interface Broken {
  readonly broken: string
}

export interface RotTask extends Subject {
  /** Where the pictures are, by their numbers. */
  readonly pictures: string
}

function damage(files: Map<string, Buffer>, damage: Damage, pictureOf: (number: number) => Map<string, Buffer>): void {
  const { path } = damage
  const bytes = Buffer.from(files.get(path) ?? Buffer.alloc(0))
  if (damage.kind === 'exchange') {
    const other = pictureOf(damage.picture).get(path)
    if (other === undefined) files.delete(path)
    else files.set(path, other)
    return
  }
  if (damage.kind === 'delete') files.delete(path)
  if (damage.kind === 'truncate') files.set(path, bytes.subarray(0, damage.bytes))
  if (damage.kind === 'swap') {
    files.set(path, files.get(damage.other) ?? Buffer.alloc(0))
    files.set(damage.other, bytes)
  }
  // Of several damages an earlier one may have left less to damage.
  if (damage.kind === 'flip' && damage.offset < bytes.length) {
    bytes.writeUInt8(bytes.readUInt8(damage.offset) ^ damage.mask, damage.offset)
    files.set(path, bytes)
  }
  if (damage.kind === 'fill') {
    const noise = damage.seed === null ? undefined : new Draws(damage.seed)
    const end = Math.min(bytes.length, damage.offset + damage.bytes)
    for (let offset = damage.offset; offset < end; offset++) bytes[offset] = noise?.below(256) ?? 0
    files.set(path, bytes)
  }
}

class Rotter {
  readonly #task: RotTask
  readonly #pictures = new Map<number, Map<string, Buffer>>()

  constructor(task: RotTask) {
    this.#task = task
  }

  async perform({ picture, damages, minimum }: Rot): Promise<Outcome> {
    const files = new Map(this.#picture(picture))
    for (const each of damages) damage(files, each, (number) => this.#picture(number))
    const anchored = await observe(this.#task, files, minimum)
    return { anchored, unanchored: await observe(this.#task, files, undefined) }
  }

  #picture(number: number): Map<string, Buffer> {
    const known = this.#pictures.get(number) ?? readStoreFiles(join(this.#task.pictures, `${number}`))
    this.#pictures.set(number, known)
    return known
  }
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'rot') {
  const rotter = new Rotter(JSON.parse(process.argv[3] as string) as RotTask)
  // What fails here is the rotter itself, which must not pass for a store that took the process down.
  process.on('message', async (rot) => {
    process.send?.(await rotter.perform(rot as Rot).catch((error) => ({ broken: String(error.stack) })))
  })
  process.once('disconnect', () => process.exit())
}
