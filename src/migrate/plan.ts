import { equal } from '../base/bytes'
import { BytesPayloadError } from '../format/record-shape'
import { parseBrought, type SetLimits, type SetParams, type TargetParams } from '../input/params'
import type { Scope } from '../model'
import type { SecretView } from '../view'
import type { ImportedEntry, ImportOutcome } from './report'
import type { ReadEntry } from './source'

/** Under what name an entry is to be kept, and what is known of it before the store is asked. */
export type Aimed = { readonly entry: ImportedEntry; readonly request?: undefined } | Candidate

/** An entry that the store would take. */
interface Candidate {
  readonly from: string
  readonly request: SetParams
}

interface AimOptions {
  readonly scope: Scope
  readonly rename: ((name: string) => string | undefined) | undefined
  readonly limits: SetLimits
}

/** What is to be done about a candidate. */
interface Decision {
  readonly outcome: ImportOutcome
  readonly reason?: string
  /** What to write, if anything. */
  readonly write?: SetParams
}

/** @throws {TypeError} If `rename` gives no name. @throws What `rename` throws. */
export function aim(entries: readonly ReadEntry[], { scope: defaultScope, rename, limits }: AimOptions): Aimed[] {
  const named = entries.map((entry) => {
    const scope = entry.scope === undefined ? defaultScope : entry.scope
    return { entry, scope, name: nameOf(entry, rename) }
  })
  const times = new Map<string, number>()
  for (const { scope, name } of named) {
    if (name !== undefined) times.set(keyOf(scope, name), (times.get(keyOf(scope, name)) ?? 0) + 1)
  }
  return named.map(({ entry, scope, name }): Aimed => {
    const { name: from, payload, expires_at, problem } = entry
    if (name === undefined) return { entry: { from, scope, outcome: 'skipped' } }
    const failed = (reason: string): Aimed => ({ entry: { from, name, scope, outcome: 'failed', reason } })
    if (problem !== undefined) return failed(problem)
    // None of them is taken: the order of a source may be another one next time.
    const count = times.get(keyOf(scope, name)) ?? 0
    if (count > 1) return failed(`name: expected one entry for it, got ${count}`)
    if (payload?.length === 0) return failed('payload: expected at least one byte, got none')
    const request = { scope, name, payload, ...(expires_at !== undefined && { expires_at }) } as SetParams
    const refusal = refusalOf(() => parseBrought(request, limits))
    return refusal === undefined ? { from, request } : failed(refusal)
  })
}

/** Of a scope, too, that may turn out to be none. */
function keyOf(scope: Scope, name: string): string {
  const { type, user } = (scope ?? {}) as { readonly type?: unknown; readonly user?: unknown }
  return JSON.stringify([type, user, name])
}

/** @returns `undefined` if it is left out. */
function nameOf({ name, skipped }: ReadEntry, rename: AimOptions['rename']): string | undefined {
  if (skipped) return undefined
  const renamed: unknown = rename === undefined ? name : rename(name)
  if (renamed === undefined || typeof renamed === 'string') return renamed
  throw new TypeError('rename: expected a string or undefined, got something else')
}

/** What is wrong with a request, in words. The store's own faults are thrown on. */
function refusalOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (isRefusal(error)) return error.message
    throw error
  }
}

/** The store has something against what it was given; none of these messages repeats a payload. */
export function isRefusal(error: unknown): error is TypeError | RangeError {
  return error instanceof TypeError || error instanceof RangeError
}

/** Compares with the secret of the same name. If the source has no expiry, that secret keeps its own. */
export async function decide(store: SecretView, { request }: Candidate, replace: boolean): Promise<Decision> {
  const { scope, name, payload, expires_at } = request
  const there = await store.find({ scope, name })
  const stored = there && (await storedPayload(store, { scope, name }))
  if (there === undefined || stored === undefined) return { outcome: 'created', write: request }
  const isSame = samePayload(stored, payload)
  if (isSame && (expires_at === undefined || expires_at === there.expires_at)) return { outcome: 'unchanged' }
  // `null` is the source's word that there is none.
  const kept = expires_at === undefined ? there.expires_at : expires_at
  if (replace) return { outcome: 'replaced', write: { ...request, expires_at: kept } }
  const what = isSame ? 'the same payload with another expires_at' : 'another payload'
  return { outcome: 'conflict', reason: `name: expected it to be free or the same, got ${what}` }
}

async function storedPayload(store: SecretView, target: TargetParams): Promise<string | Uint8Array | undefined> {
  try {
    return await store.get(target)
  } catch (error) {
    if (error instanceof BytesPayloadError) return store.getBytes(target)
    throw error
  }
}

function samePayload(one: string | Uint8Array, other: string | Uint8Array): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return equal(one, other)
}
