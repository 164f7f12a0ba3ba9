import type { Scope } from 'app-secret-store'
import { jsonText } from './json'
import { loaderOf } from './loader-names'
import type { Problem } from './problems'

/** What is imported and exported. */
export interface Entry {
  readonly name: string
  readonly payload: string | Uint8Array
  /** Unix seconds, or `null`. */
  readonly expires_at: number | null
}

/** Where a secret is, in a file of all scopes. */
export interface Place {
  readonly scope: Scope
  /** A connected account; none for the app's own. */
  readonly account?: string
  readonly livemode: boolean
}

export type FileFormat = 'dotenv' | 'json'

/** What an export in JSON begins with, and what it ends with. Between them come its entries. */
export function jsonFrame(isOfAllScopes: boolean): {
  readonly head: string
  readonly tail: string
  readonly empty: string
} {
  const head = `{\n  "object": "list",\n${isOfAllScopes ? '  "all_scopes": true,\n' : ''}  "data": [`
  return { head, tail: '\n  ]\n}\n', empty: ']\n}\n' }
}

/** @param index - From 0: how many are before it. */
export function encodeJsonEntry({ name, payload, expires_at }: Entry, place: Place | undefined, index: number): string {
  const where = place && { scope: place.scope, account: place.account ?? null, livemode: place.livemode }
  const value = { name, ...payloadField(payload), expires_at, ...where }
  return `${index === 0 ? '' : ','}\n${jsonText(value, 2).replaceAll(/^/gm, '    ')}`
}

/** Bytes have no place in JSON but as base64. */
export function payloadField(payload: string | Uint8Array): { payload: string } | { payload_base64: string } {
  if (typeof payload === 'string') return { payload }
  return { payload_base64: Buffer.from(payload).toString('base64') }
}

/** What would be wrong with an entry in dotenv: a shell would run code of it, or read something else than dotenv. */
export type DotenvEncoder = (entry: Entry) => { readonly line: string } | { readonly problem: Problem }

export async function dotenvEncoder(): Promise<DotenvEncoder> {
  const { encodeDotenv } = await import('app-secret-store/migrate')
  return (entry) => {
    const { name } = entry
    const loader = loaderOf(name)
    const problem = (why: string) => ({
      problem: { name, message: `'${name}' ${why}`, hint: 'use --format json' },
    })
    if (loader !== undefined) return problem(`decides what code runs (${loader}) where a shell reads the file`)
    try {
      return { line: encodeDotenv([entry]) }
    } catch {
      return problem('cannot be written as dotenv, because of its name or its payload')
    }
  }
}
