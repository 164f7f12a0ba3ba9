import type { Change, Engine } from '../../../src/storage/engine'
import { HEAD_ROW } from '../../../src/storage/keyspace'
import type { OtherWriters } from '../../../src/storage/other-writers'

/**
 * Something that keeps rows, with all that the conformance kit needs to do to it. An engine over something new (etcd,
 * PostgreSQL) passes the kit by having one of these.
 */
export interface Medium {
  /** Another writer of the same rows, opened as another process would open it; where there can be one only, the first. */
  open(): Promise<Engine>
  /** Each time the bytes of another keyring.json that the writers can use. */
  nextKeyring(): Promise<Uint8Array>
  /** The keyring.json that is in place. */
  keyring(): Promise<Uint8Array | undefined>
  /** Left out where there is one writer. */
  readonly faults?: Faults
}

export interface Faults {
  /** The answer to the next commit of a writer that was not opened first is lost, after it was written or before. */
  loseNextAnswer(when: 'written' | 'not written'): void
  /** The writer that was opened first is gone, without a word. */
  loseFirst(): Promise<void>
}

export type SharedEngine = Engine & { readonly others: OtherWriters }

/** What every engine must do; throws where one does not. */
export interface Check {
  readonly name: string
  readonly run: (medium: Medium) => Promise<void>
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)
export const put = (key: string, value: string): Change => ({ type: 'put', key: bytes(key), value: bytes(value) })
export const valueAt = async (engine: Engine, key: string): Promise<string | undefined> =>
  text(await engine.get(bytes(key)))
export const headOf = async (engine: Engine): Promise<Uint8Array | undefined> => engine.get(HEAD_ROW)
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What is to happen soon, whatever the machine is busy with. */
export const SOON_MS = 1500
/** And what may take an end of a turn, or of a writer. */
export const LATER_MS = 10_000

/** @throws If it does not come in time. */
export async function within<T>(ms: number, what: string, work: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: expected it in time, got nothing`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Whether something is still to come after a while. */
export async function isPending(work: PromiseLike<unknown>, ms = 100): Promise<boolean> {
  return Promise.race([work.then(() => false), pause(ms).then(() => true)])
}

/** So many writers of one medium. */
export async function writersOf(medium: Medium, count: number): Promise<readonly SharedEngine[]> {
  const writers: SharedEngine[] = []
  for (let n = 0; n < count; n++) writers.push((await medium.open()) as SharedEngine)
  return writers
}

let heads = 0

/** The value of a head that no other commit has. */
export function newHead(): Uint8Array {
  return bytes(`head ${++heads}`)
}

export interface Commit {
  readonly changes: readonly Change[]
  /** @defaultValue the one that is there */
  readonly expectedHead?: Uint8Array | undefined
  readonly head?: Uint8Array
  readonly keyring?: Uint8Array
  readonly note?: Uint8Array
}

/** Commits at a turn, on the head that is there then. @returns Whether it was written. */
export async function commit(engine: Engine, given: Commit): Promise<boolean> {
  const pass = await engine.others?.turn()
  try {
    return await write(engine, 'expectedHead' in given ? given : { ...given, expectedHead: await headOf(engine) })
  } finally {
    pass?.()
  }
}

/** The same without a turn of its own. An engine with one writer may refuse with an error. */
export async function write(
  engine: Engine,
  { changes, expectedHead, head = newHead(), keyring, note }: Commit,
): Promise<boolean> {
  const batch = engine.batch()
  try {
    for (const change of changes) {
      if (change.type === 'put') batch.put(change.key, change.value)
      else batch.del(change.key)
    }
    batch.put(HEAD_ROW, head)
    if (keyring !== undefined) await batch.keyring(keyring)
    batch.describe(note ?? bytes('note'))
    return await batch.write(expectedHead)
  } catch (error) {
    if (engine.others === undefined && (error as { code?: unknown }).code === 'ERR_LOCKED') return false
    throw error
  } finally {
    await batch.close()
  }
}

/** Commits again and again until it is written, as a queue does. @returns How often it was not. */
export async function commitInTheEnd(engine: Engine, given: Commit): Promise<number> {
  for (let refusals = 0; ; refusals++) if (await commit(engine, given)) return refusals
}
