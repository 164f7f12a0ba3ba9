import { refused, usage } from './failure'
import { jsonText } from './json'
import { loaderOf } from './loader-names'
import { printable } from './printable'
import { decodeText } from './text'

/** What is imported and exported. */
export interface Entry {
  readonly name: string
  readonly payload: string | Uint8Array
  /** Unix seconds, or `null`. */
  readonly expires_at: number | null
}

export type FileFormat = 'dotenv' | 'json'

/** @param bytes - UTF-8. @throws {Failure} If it is not of that format. No message repeats what is in it. */
export async function decodeEntries(bytes: Uint8Array, format: FileFormat): Promise<Entry[]> {
  const text = decodeText(bytes, 'import')
  const entries = format === 'json' ? decodeJson(text) : await readDotenv(text)
  for (const { name, payload } of entries) {
    if (payload.length === 0) throw usage(`import: expected a payload for '${name}', got an empty one`)
  }
  return entries
}

export async function encodeEntries(entries: readonly Entry[], format: FileFormat): Promise<string> {
  return format === 'json' ? encodeJson(entries) : writeDotenv(entries)
}

/** An object of names and payloads, or a list as `export` and `list --json` write it. */
function decodeJson(text: string): Entry[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw usage('import: expected JSON, got something else', 'is it dotenv? Say --format dotenv')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notEntries()
  const list = (value as { readonly data?: unknown }).data
  const entries = Array.isArray(list)
    ? list.map(decodeEntry)
    : Object.entries(value).map(([name, payload]) => entryOf(name, payload))
  const names = new Set<string>()
  for (const { name } of entries) {
    if (names.has(name)) throw usage(`import: expected each name once, got '${name}' twice`)
    names.add(name)
  }
  return entries
}

function decodeEntry(value: unknown): Entry {
  const { name, payload, payload_base64, expires_at = null } = (value ?? {}) as Record<string, unknown>
  if (expires_at !== null && typeof expires_at !== 'number') throw notEntries()
  if (payload_base64 === undefined) return { ...entryOf(name, payload), expires_at }
  if (typeof payload_base64 !== 'string' || payload !== undefined) throw notEntries()
  const bytes = Buffer.from(payload_base64, 'base64')
  if (bytes.toString('base64') !== payload_base64) throw notEntries()
  return { ...entryOf(name, ''), payload: Uint8Array.from(bytes), expires_at }
}

function entryOf(name: unknown, payload: unknown): Entry {
  if (typeof name !== 'string' || typeof payload !== 'string') throw notEntries()
  return { name, payload, expires_at: null }
}

function notEntries(): Error {
  return usage(
    'import: expected {"NAME": "payload", …}, or {"data": [{"name", "payload" or "payload_base64", "expires_at"}]}, got something else',
  )
}

function encodeJson(entries: readonly Entry[]): string {
  const data = entries.map(({ name, payload, expires_at }) => ({ name, ...payloadField(payload), expires_at }))
  return `${jsonText({ object: 'list', data }, 2)}\n`
}

/** Bytes have no place in JSON but as base64. */
export function payloadField(payload: string | Uint8Array): { payload: string } | { payload_base64: string } {
  if (typeof payload === 'string') return { payload }
  return { payload_base64: Buffer.from(payload).toString('base64') }
}

/** @throws {Failure} For a line that is no assignment: a secret in it would be lost unnoticed. */
async function readDotenv(text: string): Promise<Entry[]> {
  const { decodeDotenv } = await import('app-secret-store/migrate')
  try {
    return decodeDotenv(text).map((entry) => ({ ...entry, expires_at: null }))
  } catch (error) {
    throw usage(
      (error as TypeError).message.replace(/^dotenv/, 'import'),
      'a name has letters, digits, `_`, `.` and `-`; --format json takes every name',
    )
  }
}

/** @throws {Failure} For what dotenv and a shell would not read as the same, and for a name that runs code in a shell. */
async function writeDotenv(entries: readonly Entry[]): Promise<string> {
  const { encodeDotenv } = await import('app-secret-store/migrate')
  const lines = entries.map((entry) => {
    const loader = loaderOf(entry.name)
    if (loader !== undefined) {
      throw refused(
        `export: '${printable(entry.name)}' decides what code runs (${loader}) where a shell reads the file`,
        'use --format json',
      )
    }
    try {
      return encodeDotenv([entry])
    } catch {
      const why = 'cannot be written as dotenv, because of its name or its payload'
      throw refused(`export: '${printable(entry.name)}' ${why}`, 'use --format json')
    }
  })
  return lines.join('')
}
