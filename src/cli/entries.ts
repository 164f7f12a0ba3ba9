import { parse } from 'dotenv'
import { refused, usage } from './failure'
import { printable } from './printable'

/** What is imported and exported. */
export interface Entry {
  readonly name: string
  readonly payload: string | Uint8Array
  /** Unix seconds, or `null`. */
  readonly expires_at: number | null
}

export type FileFormat = 'dotenv' | 'json'

/** @param bytes - UTF-8. @throws {Failure} If it is not of that format. No message repeats what is in it. */
export function decodeEntries(bytes: Uint8Array, format: FileFormat): Entry[] {
  const text = textOf(bytes)
  if (text === undefined) throw usage('import: expected UTF-8 text, got something else')
  const entries = format === 'json' ? decodeJson(text) : decodeDotenv(text)
  for (const { name, payload } of entries) {
    if (payload.length === 0) throw usage(`import: expected a payload for '${name}', got an empty one`)
  }
  return entries
}

export function encodeEntries(entries: readonly Entry[], format: FileFormat): string {
  return format === 'json' ? encodeJson(entries) : encodeDotenv(entries)
}

/** The text that bytes are, or `undefined`. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
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
  return `${JSON.stringify({ object: 'list', data }, null, 2)}\n`
}

/** Bytes have no place in JSON but as base64. */
export function payloadField(payload: string | Uint8Array): { payload: string } | { payload_base64: string } {
  if (typeof payload === 'string') return { payload }
  return { payload_base64: Buffer.from(payload).toString('base64') }
}

/** @throws {Failure} For a line that the library would pass over: a secret in it would be lost unnoticed. */
function decodeDotenv(text: string): Entry[] {
  const unread = unreadLine(text)
  if (unread !== undefined) {
    throw usage(
      `import: expected NAME=payload, a comment or an empty line, got something else in line ${unread}`,
      'a name has letters, digits, `_`, `.` and `-`; --format json takes every name',
    )
  }
  return Object.entries(parse(text)).map(([name, payload]) => ({ name, payload, expires_at: null }))
}

/** The beginning of a line that is no assignment: one within a payload, or one that the library does not read. */
const NO_ASSIGNMENT = /^(?!\s*#|\s*$|\s*(?:export\s+)?(?!__proto__\b)[\w.-]+(?:\s*=|:\s))/gm
const MARK = '\u{f0000}'

/** The number of the first line that becomes no part of a payload: those in question are marked, and the marks looked for in what is read. */
function unreadLine(text: string): number | undefined {
  const lines = text.replace(/\r\n?/g, '\n')
  const inQuestion: number[] = []
  const marked = lines.replace(NO_ASSIGNMENT, (_, at: number) => {
    inQuestion.push(at)
    return `${MARK}${at}${MARK}`
  })
  const payloads = Object.values(parse(marked)).join('\n')
  const read = new Set([...payloads.matchAll(new RegExp(`${MARK}(\\d+)${MARK}`, 'gu'))].map(([, at]) => Number(at)))
  const unread = inQuestion.find((at) => !read.has(at))
  return unread === undefined ? undefined : lines.slice(0, unread).split('\n').length
}

/** @throws {Failure} For what dotenv cannot say: it is never written otherwise than it is. */
function encodeDotenv(entries: readonly Entry[]): string {
  const lines = entries.map(({ name, payload }) => {
    const line = /^[\w.-]+$/.test(name) && typeof payload === 'string' ? dotenvLine(name, payload) : undefined
    if (line === undefined) {
      throw refused(
        `export: '${printable(name)}' cannot be written as dotenv, because of its name or its payload`,
        'use --format json',
      )
    }
    return line
  })
  return lines.map((line) => `${line}\n`).join('')
}

/**
 * In the first sort of quotes that hold it as it is. One that holds the quote itself, or ends in a backslash before it, would
 * reach into the lines behind it.
 */
function dotenvLine(name: string, payload: string): string | undefined {
  const escaped = payload.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  const candidates: [quote: string, content: string][] = [
    ["'", payload],
    ['"', escaped],
    ['`', payload],
  ]
  return candidates
    .filter(([quote, content]) => !content.includes(quote) && !content.endsWith('\\'))
    .map(([quote, content]) => `${name}=${quote}${content}${quote}`)
    .find((line) => parse(line)[name] === payload)
}
