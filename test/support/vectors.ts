import { existsSync, readFileSync } from 'node:fs'
import { fromRoot } from './paths'

/** Project Wycheproof's files, as much of their form as is used. */
export interface WycheproofFile<T> {
  readonly numberOfTests: number
  readonly testGroups: readonly { readonly ivSize?: number; readonly tests: readonly T[] }[]
}

export interface Verdict {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid'
}

/** The vectors, where they are checked out beside the repository. */
export function vectors<T>(name: string): WycheproofFile<T> | undefined {
  const path = fromRoot(`../shared/vectors/${name}`)
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'))
  console.warn(`skipped: ${name} is not here; it is in testvectors_v1 of github.com/C2SP/wycheproof`)
  return undefined
}

/** Bytes of hexadecimal digits. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

/** The inverse of `hex`. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
