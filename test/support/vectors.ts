import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

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
  const path = fileURLToPath(new URL(`../../../shared/vectors/${name}`, import.meta.url))
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'))
  console.warn(`skipped: ${name} is not here; it is in testvectors_v1 of github.com/C2SP/wycheproof`)
  return undefined
}
