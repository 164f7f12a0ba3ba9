/**
 * Makes copies of a store out of pictures of it, damages them, and reports what a reader gets to see. A damaged file
 * can take the process down with it, hence a child: the parent sends one copy to make, waits for the outcome, and
 * sends the next.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type OpenOptions, rawKey, type Scope, SecretStore, SecretStoreError } from '../../src/index'
import { Draws } from '../faults/campaign'
import type { Observation, Reading } from './flipper'

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

export interface RotTask {
  /** Where the pictures are, by their numbers. */
  readonly pictures: string
  readonly scratch: string
  readonly targets: Readonly<Record<string, { readonly scope: Scope; readonly name: string }>>
  readonly scopes: Readonly<Record<string, Scope>>
}

const KEY = rawKey(new Uint8Array(32).fill(7))

/** The code of a `SecretStoreError`; every other error is told in full, as it is none that a store may throw. */
function told(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : `uncoded: ${error instanceof Error ? error.stack : error}`
}

/** The files of a picture, but for LOCK. */
function readPicture(directory: string): Map<string, Buffer> {
  const files = new Map([['keyring.json', readFileSync(join(directory, 'keyring.json'))]])
  for (const name of readdirSync(join(directory, 'data'))) {
    if (name !== 'LOCK') files.set(`data/${name}`, readFileSync(join(directory, 'data', name)))
  }
  return files
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
    const anchored = await this.#observe(files, minimum)
    return { anchored, unanchored: await this.#observe(files, undefined) }
  }

  #picture(number: number): Map<string, Buffer> {
    const known = this.#pictures.get(number) ?? readPicture(join(this.#task.pictures, `${number}`))
    this.#pictures.set(number, known)
    return known
  }

  async #observe(files: ReadonlyMap<string, Buffer>, minimum: string | undefined): Promise<Observation> {
    const { scratch, targets, scopes } = this.#task
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(join(scratch, 'data'), { recursive: true, mode: 0o700 })
    for (const [path, bytes] of files) writeFileSync(join(scratch, path), bytes, { mode: 0o600 })
    const options: OpenOptions = {
      key: KEY,
      createIfMissing: false,
      sweepIntervalMs: 0,
      compactIntervalMs: 0,
      onError: () => {},
    }
    let store: SecretStore
    try {
      store = await SecretStore.open(scratch, minimum === undefined ? options : { ...options, minimum })
    } catch (error) {
      return { opening: told(error), readings: {}, lists: {}, verified: false }
    }
    const readings: Record<string, Reading> = {}
    for (const [label, target] of Object.entries(targets)) readings[label] = await reading(store, target)
    const lists: Record<string, readonly string[] | string> = {}
    for (const [label, scope] of Object.entries(scopes)) {
      lists[label] = await store.list({ scope, limit: 100 }).then(({ data }) => data.map(({ name }) => name), told)
    }
    const verified = await store.verify().then(({ ok }) => ok, told)
    await store.close()
    return { opening: 'opened', readings, lists, verified }
  }
}

async function reading(store: SecretStore, target: { readonly scope: Scope; readonly name: string }): Promise<Reading> {
  try {
    const secret = await store.find(target)
    const bytes = await store.getBytes(target)
    if ((secret === undefined) !== (bytes === undefined)) return { error: 'uncoded: find and get differ' }
    return bytes === undefined ? { missing: true } : { payload: Buffer.from(bytes).toString('base64') }
  } catch (error) {
    return { error: told(error) }
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
