import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'
import { account, type LongOptions, type Secret, type SecretStore } from 'app-secret-store'
import { expect } from '../runner'
import { setMany } from '../stores'

/** Too large for the record's own row. */
export const LARGE: string = 'L'.repeat(3000)

/** Secrets `'0'`, `'1'`, … of the account, of which every tenth is large. */
export function fill(store: SecretStore, count: number): Promise<void> {
  return setMany(store, count, (n) => ({ scope: account, name: `${n}`, payload: n % 10 === 0 ? LARGE : `${n}` }))
}

/** Every secret of the account scope, with its payload as bytes. */
export async function everything(store: SecretStore): Promise<Map<string, Secret & { bytes: string }>> {
  const found = new Map<string, Secret & { bytes: string }>()
  for await (const secret of store.list({ scope: account })) {
    const bytes = (await store.getBytes({ scope: account, name: secret.name })) as Uint8Array
    found.set(secret.name, { ...secret, bytes: Buffer.from(bytes).toString('latin1') })
  }
  return found
}

/** A Node stream that keeps what it is given, and takes no more while it is stalled. */
export class Kept extends Writable {
  readonly pieces: Buffer[] = []
  /** Stalls with the piece of this number, counted from 1. */
  stallAt: number = Number.POSITIVE_INFINITY
  #waiting: (() => void) | undefined
  #reached: (() => void) | undefined
  stalled: Promise<void> = this.#next()

  override _write(piece: Buffer, _: string, done: () => void): void {
    this.pieces.push(Buffer.from(piece))
    if (this.pieces.length < this.stallAt) done()
    else {
      this.#waiting = done
      this.#reached?.()
    }
  }

  goOn(stallAt: number = Number.POSITIVE_INFINITY): void {
    this.stallAt = stallAt
    this.stalled = this.#next()
    this.#waiting?.()
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#reached = resolve
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }
}

/** The bytes of a backup, as many as its report says. */
export async function backupOf(store: SecretStore, options?: LongOptions): Promise<Buffer> {
  const kept = new Kept()
  const { bytes } = await store.backup(kept, options)
  expect(kept.bytes).toHaveLength(bytes)
  return kept.bytes
}

/** The same bytes in pieces of these lengths, over and over. */
export async function* pieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let start = 0, n = 0; start < bytes.length; n++) {
    const length = lengths[n % lengths.length] as number
    yield bytes.subarray(start, start + length)
    start += length
  }
}

/** The names in the directory of a path, hidden ones too. */
export function beside(path: string): Promise<string[]> {
  return readdir(dirname(path))
}
