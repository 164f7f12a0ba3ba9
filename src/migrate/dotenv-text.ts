/**
 * Text in the form of dotenv 18, read and written as that library does; but it passes over a line that it does not
 * understand.
 */

/** An assignment of such a text. */
export interface DotenvEntry {
  readonly name: string
  readonly payload: string
}

/** Up to where the payload begins. The name is not one that an object cannot hold. */
const HEADER = /(?:export\s+)?(?!__proto__(?![\w.-]))([\w.-]+)(?:\s*=|:\s)/y
const COMMENT = /#.*/y
const BLANK = /\s*/y
const UNQUOTED = /[^#\n]+/y
/** What may stand behind a payload, up to the end of its line. */
const END = /\s*(?:#.*)?$/my
/** At the begin and at the end of a line, of which U+2028 and U+2029 make more. */
const OPENING_QUOTE = /(?<=^|[\u2028\u2029])['"`]/g
const CLOSING_QUOTE = /['"`](?=$|[\u2028\u2029])/g

/**
 * The assignments, each name once with the last payload it is given, as dotenv has it.
 *
 * @throws {TypeError} For a line that dotenv would pass over: a secret in it would be lost unnoticed. Nothing of it is
 *   repeated.
 */
export function decodeDotenv(text: string): DotenvEntry[] {
  const lines = text.replaceAll(/\r\n?/g, '\n')
  const payloads = new Map<string, string>()
  let at = 0
  for (;;) {
    at = endOf(BLANK, lines, at) as number
    if (at === lines.length) return Array.from(payloads, ([name, payload]) => ({ name, payload }))
    const commentEnd = endOf(COMMENT, lines, at)
    if (commentEnd !== undefined) at = commentEnd
    else {
      HEADER.lastIndex = at
      const [header, name] = HEADER.exec(lines) ?? []
      if (header === undefined || name === undefined) throw unread(lines, at)
      const read = readPayload(lines, at + header.length)
      payloads.set(name, read.payload)
      at = read.end
    }
  }
}

/**
 * The text that gives these entries back.
 *
 * @throws {TypeError} For what dotenv cannot say (such a name, bytes, some mixtures of quotes): it is never written
 *   otherwise than it is.
 */
export function encodeDotenv(
  entries: readonly { readonly name: string; readonly payload: string | Uint8Array }[],
): string {
  const lines = entries.map(({ name, payload }) => {
    const line = /^[\w.-]+$/.test(name) && typeof payload === 'string' ? encodeEntry(name, payload) : undefined
    if (line === undefined)
      throw new TypeError(`dotenv: expected what it can say, got another name or payload for '${name}'`)
    return `${line}\n`
  })
  return lines.join('')
}

/** Where a match at this very place ends. */
function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}

function readPayload(text: string, from: number): { readonly payload: string; readonly end: number } {
  const start = endOf(BLANK, text, from) as number
  const quote = text[start]
  if (quote === "'" || quote === '"' || quote === '`') {
    for (const close of closingQuotes(text, start, quote)) {
      const end = endOf(END, text, close + 1)
      if (end !== undefined) return { payload: withoutEscapes(text.slice(start + 1, close), quote), end }
    }
  }
  const unquotedEnd = endOf(UNQUOTED, text, from) ?? from
  const content = text.slice(from, unquotedEnd).trim()
  const payload = withoutEscapes(withoutQuotes(content), content[0])
  return { payload, end: endOf(END, text, unquotedEnd) as number }
}

/**
 * What is between a quote at the begin of a line and the last one of its sort at the end of one, as /^(['"`])(.*)\1$/gms has
 * it, in one pass.
 */
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

/** The first one without a backslash before it; failing that, the others, from the last to the first. */
function closingQuotes(text: string, start: number, quote: string): number[] {
  const found: number[] = []
  for (let at = text.indexOf(quote, start + 1); at !== -1; at = text.indexOf(quote, at + 1)) {
    found.push(at)
    if (text[at - 1] !== '\\') break
  }
  return found.reverse()
}

function withoutEscapes(content: string, quote: string | undefined): string {
  return quote === '"' ? content.replaceAll('\\n', '\n').replaceAll('\\r', '\r') : content
}

function unread(text: string, at: number): TypeError {
  const line = text.slice(0, at).split('\n').length
  return new TypeError(`dotenv: expected NAME=payload, a comment or an empty line, got something else in line ${line}`)
}

/**
 * In the first sort of quotes that hold it as it is. One that holds the quote itself, or ends in a backslash before it,
 * would reach into the lines behind it.
 */
function encodeEntry(name: string, payload: string): string | undefined {
  const escaped = payload.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  const candidates: [quote: string, content: string][] = [
    ["'", payload],
    ['"', escaped],
    ['`', payload],
  ]
  return candidates
    .filter(([quote, content]) => !content.includes(quote) && !content.endsWith('\\'))
    .map(([quote, content]) => `${name}=${quote}${content}${quote}`)
    .find((line) => isReadAs(line, name, payload))
}

function isReadAs(line: string, name: string, payload: string): boolean {
  const read = name === '__proto__' ? [] : decodeDotenv(line)
  return read.length === 1 && read[0]?.name === name && read[0].payload === payload
}
