import type { Entry, FileFormat, Place } from './entries'
import { EXIT, usage } from './failure'
import { jsonText } from './json'
import type { Problem, Problems } from './problems'
import { decodeText } from './text'

/** An entry of a file, and where in it. */
export interface FileEntry extends Entry {
  /** Of dotenv, from 1. */
  readonly line?: number
  /** In a file of all scopes. */
  readonly place?: Place
  /** Whether the name may be a piece of a payload, such as a line of a private key. No message then repeats it. */
  readonly isUnsure?: boolean
}

export interface DecodeOptions {
  /** The file says of each secret which scope it belongs to. */
  readonly allScopes: boolean
  /** Empty payloads are left out, and are no problem. */
  readonly skipEmpty: boolean
}

export interface Decoded {
  readonly entries: readonly FileEntry[]
  /** How many were left out. */
  readonly empty: number
}

/**
 * What a file holds, text where it is UTF-8.
 *
 * @param problems - Gets what is wrong with one entry or line, without a word of its payload.
 * @throws {Failure} If it is not of that format at all.
 */
export async function decodeEntries(
  bytes: Uint8Array,
  format: FileFormat,
  { allScopes, skipEmpty }: DecodeOptions,
  problems: Problems,
): Promise<Decoded> {
  const text = decodeText(bytes, 'import')
  const all = format === 'json' ? decodeJson(text, allScopes, problems) : await decodeDotenv(text, problems)
  const entries = skipEmpty ? all.filter(({ payload }) => payload.length > 0) : all
  for (const entry of entries) {
    if (entry.payload.length > 0) continue
    const message = `expected a payload${entry.isUnsure ? '' : ` for '${entry.name}'`}, got an empty one`
    const hint = 'leave it out of the file, or say --skip-empty'
    problems.add({ ...whereOf(entry), message, hint, exitCode: EXIT.usage })
  }
  return { entries, empty: all.length - entries.length }
}

/** Which entry of a file a problem is about. */
export function whereOf({ name, line, isUnsure = false }: FileEntry): Pick<Problem, 'name' | 'line'> {
  return { ...(!isUnsure && { name }), ...(line !== undefined && { line }) }
}

async function decodeDotenv(text: string, problems: Problems): Promise<FileEntry[]> {
  const { inspectDotenv } = await import('app-secret-store/migrate')
  const { assignments, unread } = inspectDotenv(text)
  // A secret in one of them would be lost unnoticed.
  for (const line of unread) {
    problems.add({
      line,
      message: 'expected NAME=payload, a comment or an empty line, got something else',
      hint: 'a name has letters, digits, `_`, `.` and `-`; --format json takes every name',
      exitCode: EXIT.usage,
    })
  }
  const last = new Map(assignments.map((assignment) => [assignment.name, assignment]))
  // Around a payload that is broken over lines without quotes, what looks like an assignment may be a line of it.
  const isUnsure = unread.length > 0
  return Array.from(last.values(), (entry) => ({ ...entry, expires_at: null, isUnsure }))
}

/** An object of names and payloads, or a list as `export` and `list --json` write it. */
function decodeJson(text: string, allScopes: boolean, problems: Problems): FileEntry[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw usage('import: expected JSON, got something else', 'is it dotenv? Say --format dotenv')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notEntries()
  const { data: list, all_scopes: ofAllScopes } = value as { readonly data?: unknown; readonly all_scopes?: unknown }
  if (Array.isArray(list) && (ofAllScopes === true) !== allScopes) throw otherScopes(allScopes)
  if (!Array.isArray(list) && allScopes) throw otherScopes(allScopes)
  const entries = Array.isArray(list)
    ? list.flatMap((item, index) => decodeEntry(item, index, allScopes, problems))
    : Object.entries(value).flatMap(([name, payload]) => decodePair(name, payload, problems))
  const known = new Set<string>()
  return entries.filter(({ name, place }) => {
    const key = jsonText([place, name])
    if (!known.has(key)) return known.add(key)
    const message = `expected each name once, got '${name}' twice`
    problems.add({ name, message, hint: 'leave one of them out of the file', exitCode: EXIT.usage })
    return false
  })
}

function decodePair(name: string, payload: unknown, problems: Problems): FileEntry[] {
  if (typeof payload === 'string') return [{ name, payload, expires_at: null }]
  const message = `expected a payload in quotes for '${name}', got something else`
  problems.add({ name, message, hint: HINT, exitCode: EXIT.usage })
  return []
}

function decodeEntry(value: unknown, index: number, allScopes: boolean, problems: Problems): FileEntry[] {
  const { name, payload, payload_base64, expires_at = null, ...where } = (value ?? {}) as Record<string, unknown>
  const bytes = payload_base64 === undefined ? payload : payload === undefined ? fromBase64(payload_base64) : undefined
  const place = allScopes ? decodePlace(where) : undefined
  const isEntry = typeof name === 'string' && (typeof bytes === 'string' || bytes instanceof Uint8Array)
  if (isEntry && (expires_at === null || typeof expires_at === 'number') && (place !== undefined || !allScopes)) {
    return [{ name, payload: bytes, expires_at, ...(place !== undefined && { place }) }]
  }
  const fields = `"name", "payload" or "payload_base64", "expires_at"${allScopes ? ', "scope", "account", "livemode"' : ''}`
  const message = `expected {${fields}}, got something else in entry ${index + 1} of "data"`
  problems.add({ ...(typeof name === 'string' && { name }), message, hint: HINT, exitCode: EXIT.usage })
  return []
}

/** @returns `undefined` for what is no base64. */
function fromBase64(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? Uint8Array.from(bytes) : undefined
}

function decodePlace({ scope, account = null, livemode }: Readonly<Record<string, unknown>>): Place | undefined {
  const { type, user } = (scope ?? {}) as Readonly<Record<string, unknown>>
  if (typeof livemode !== 'boolean' || (account !== null && typeof account !== 'string')) return undefined
  const more = { livemode, ...(account !== null && { account }) }
  if (type === 'account') return { scope: { type }, ...more }
  return type === 'user' && typeof user === 'string' ? { scope: { type, user }, ...more } : undefined
}

const HINT = '`secret-store import --help` and docs/cli.md show the forms'

function notEntries(): Error {
  return usage(
    'import: expected {"NAME": "payload", …}, or {"data": [{"name", "payload" or "payload_base64", "expires_at"}]}, got something else',
  )
}

function otherScopes(allScopes: boolean): Error {
  return allScopes
    ? usage('import: expected a file of all scopes, got one of one scope', 'leave --all-scopes out')
    : usage(
        'import: expected a file of one scope, got one of all scopes',
        'say --all-scopes: each secret goes where the file says',
      )
}
