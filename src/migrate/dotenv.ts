import { fromUtf8 } from '../base/bytes'
import { optionsOf } from '../base/checks'
import { readNamedFile } from '../platform/source-files'
import { checkPath, readingFiles, type SecretSource } from './source'

/** Options of `dotenv`. */
export interface DotenvOptions {
  /** Of a file such as `.env`. Instead of `text`. */
  readonly path?: string
  /** What would be in the file. Instead of `path`. */
  readonly text?: string
}

/**
 * The variables of a text as dotenv reads it. A text with a line that dotenv would pass over is refused as a whole.
 *
 * @throws {TypeError} On bad options; from `importFrom`, on such a text.
 */
export function dotenv(options: DotenvOptions): SecretSource {
  const { path, text } = optionsOf<DotenvOptions>(options, 'dotenv', ['path', 'text'])
  if ((path === undefined) === (text === undefined)) {
    throw new TypeError("dotenv: expected either 'path' or 'text', got both or neither")
  }
  if (text !== undefined && typeof text !== 'string') throw new TypeError('text: expected a string, got something else')
  const file = text === undefined ? checkPath(path, 'path') : ''
  return {
    kind: 'dotenv',
    async read() {
      return decodeDotenv(text ?? (await readText(file)))
    },
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readingFiles('dotenv', () => readNamedFile(path))
  if (bytes === undefined) throw new TypeError('dotenv: expected the path of a file, got a directory or something else')
  try {
    return fromUtf8(bytes)
  } catch {
    throw new TypeError('dotenv: expected UTF-8, got something else')
  }
}

/** An assignment of a text in the form of dotenv 18. */
export interface DotenvEntry {
  /** The name of the variable. */
  readonly name: string
  /** Its value, without quotes and escapes; it may be empty. */
  readonly payload: string
}

/** What a text in the form of dotenv 18 says, line by line. */
export interface DotenvText {
  /** In order; a name may be assigned to more than once, and the last time counts. */
  readonly assignments: readonly DotenvAssignment[]
  /** The lines that dotenv would pass over, from 1. */
  readonly unread: readonly number[]
}

/** An assignment, and where it is. */
export interface DotenvAssignment extends DotenvEntry {
  /** The line that it begins in, from 1. */
  readonly line: number
}

/** Spaces and a quoted text. A quote after a backslash does not close it, unless no other quote does. */
const quoted = (quote: string): string => `\\s*${quote}[^${quote}\\\\]*(?:\\\\${quote}?[^${quote}\\\\]*)*${quote}`
const PAYLOAD = `${quoted("'")}|${quoted('"')}|${quoted('`')}|[^#\\n]+`
/** One that an object can hold. */
const NAME = '(?!__proto__(?![\\w.-]))[\\w.-]+'
/**
 * Blank text, and then a comment, an assignment or the end. It is matched at one place after another. Each part ends
 * where the next begins, so the time taken grows with the text and not with its square.
 */
const STATEMENT = new RegExp(
  `\\s*(?:#.*|(?:export\\s+)?(${NAME})(?:\\s*=|:\\s)(${PAYLOAD})?\\s*(?:#.*)?$|(?![^]))`,
  'my',
)
/** At the beginning and at the end of a line, which U+2028 and U+2029 end, too. */
const OPENING_QUOTE = /(?<=^|[\u2028\u2029])['"`]/g
const CLOSING_QUOTE = /['"`](?=$|[\u2028\u2029])/g

/**
 * The assignments, each name once with the last payload it is given, as dotenv has it.
 *
 * @throws {TypeError} For a line that dotenv would pass over, without repeating it.
 */
export function decodeDotenv(text: string): DotenvEntry[] {
  const { assignments, unread } = inspectDotenv(text)
  const [line] = unread
  if (line !== undefined) {
    const got = `got something else in line ${line}`
    throw new TypeError(`dotenv: expected NAME=payload, a comment or an empty line, ${got}`)
  }
  const payloads = new Map(assignments.map(({ name, payload }) => [name, payload]))
  return Array.from(payloads, ([name, payload]) => ({ name, payload }))
}

/** All that a text says, and which lines of it say nothing that dotenv would read. Nothing is thrown. */
export function inspectDotenv(text: string): DotenvText {
  const lines = text.replaceAll(/\r\n?/g, '\n')
  const assignments: DotenvAssignment[] = []
  const unread: number[] = []
  let line = 1
  let counted = 0
  for (let at = 0; at < lines.length; ) {
    STATEMENT.lastIndex = at
    const match = STATEMENT.exec(lines)
    const begin = at + lines.slice(at).search(/\S/)
    for (let end = lines.indexOf('\n', counted); end !== -1 && end < begin; end = lines.indexOf('\n', counted)) {
      counted = end + 1
      line++
    }
    if (match === null) {
      unread.push(line)
      const end = lines.indexOf('\n', begin)
      at = end === -1 ? lines.length : end
      continue
    }
    const [, name, payload = ''] = match
    if (name !== undefined) assignments.push({ name, payload: withoutEscapes(payload.trim()), line })
    at = STATEMENT.lastIndex
  }
  return { assignments, unread }
}

/** One that a shell can hold, too. Of any other it would make a command. */
const SHELL_NAME = /^[A-Za-z_]\w*$/

/**
 * The text that gives these entries back, to dotenv and to a shell that sources it.
 *
 * @throws {TypeError} For what the two would not read as the same (such a name, bytes, carriage returns, some mixtures of
 *   quotes): it is never written otherwise than it is.
 */
export function encodeDotenv(
  entries: readonly { readonly name: string; readonly payload: string | Uint8Array }[],
): string {
  const lines = entries.map(({ name, payload }) => {
    const line = SHELL_NAME.test(name) && typeof payload === 'string' ? assignmentOf(name, payload) : undefined
    if (line === undefined)
      throw new TypeError(`dotenv: expected what it can say, got another name or payload for '${name}'`)
    return `${line}\n`
  })
  return lines.join('')
}

/** What is between a quote that begins a line and the last one of its sort that ends one: /^(['"`])(.*)\1$/gms. */
function withoutQuotes(content: string): string {
  const lastEnds = new Map<string, number>()
  for (const { 0: quote, index } of content.matchAll(CLOSING_QUOTE)) lastEnds.set(quote, index)
  let result = ''
  let at = 0
  for (const { 0: quote, index } of content.matchAll(OPENING_QUOTE)) {
    const end = lastEnds.get(quote) ?? -1
    if (index < at || end <= index) continue
    result += content.slice(at, index) + content.slice(index + 1, end)
    at = end + 1
  }
  return result + content.slice(at)
}

function withoutEscapes(payload: string): string {
  const content = withoutQuotes(payload)
  return payload.startsWith('"') ? content.replaceAll('\\n', '\n').replaceAll('\\r', '\r') : content
}

/**
 * In quotes between which neither dotenv nor a shell finds anything to expand. A backslash before the closing quote would
 * have dotenv reach into the lines after it.
 */
function assignmentOf(name: string, payload: string): string | undefined {
  if (payload.endsWith('\\') || payload.includes('\0')) return undefined
  const quote = payload.includes("'") ? '"' : "'"
  if (quote === '"' && /["$`\\]/.test(payload)) return undefined
  const line = `${name}=${quote}${payload}${quote}`
  return isReadAs(line, name, payload) ? line : undefined
}

function isReadAs(line: string, name: string, payload: string): boolean {
  const read = name === '__proto__' ? [] : decodeDotenv(line)
  return read.length === 1 && read[0]?.name === name && read[0].payload === payload
}
