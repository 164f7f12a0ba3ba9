import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { type Failure, usage } from './failure'
import { printable } from './printable'

/**
 * What the program was started with, in bytes. Node makes U+FFFD of what is no UTF-8, so that two names become one, and
 * one passphrase another; and it hands no bytes on to a child.
 */
export interface GivenBytes {
  /** One for each argument after the program's name; `undefined` where the system does not tell. */
  readonly words: readonly Uint8Array[] | undefined
  /** `NAME=value` each, as at the start; `undefined` where the system does not tell. */
  readonly variables: readonly Uint8Array[] | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * What the system has of this process: on Linux in /proc. It is read when something of it is asked for.
 *
 * @param argv - The arguments after the program's name, as Node has them.
 */
export function givenBytes(argv: readonly string[]): GivenBytes {
  if (process.platform !== 'linux') return { words: undefined, variables: undefined }
  return {
    get words() {
      return wordsOf(argv)
    },
    get variables() {
      return pieces('/proc/self/environ')
    },
  }
}

function wordsOf(argv: readonly string[]): readonly Uint8Array[] | undefined {
  const all = pieces('/proc/self/cmdline')
  // Node's own come first. A process that has changed its title shows that in their place.
  const words = all?.slice(all.length - argv.length)
  const isOurs = words?.length === argv.length && words.every((word, index) => isTextOf(argv[index], word))
  return isOurs ? words : undefined
}

function pieces(path: string): Uint8Array[] | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    return undefined
  }
  const found: Uint8Array[] = []
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from)
    found.push(bytes.subarray(from, end === -1 ? bytes.length : end))
    if (end === -1) break
    from = end + 1
  }
  return found
}

/** How many U+FFFD stand for a run of bytes differs from decoder to decoder. */
function isTextOf(text: string | undefined, bytes: Uint8Array): boolean {
  const once = (given: string): string => given.replaceAll(/\ufffd+/g, '\ufffd')
  return text !== undefined && once(text) === once(Buffer.from(bytes).toString())
}

/**
 * Refuses arguments that are not UTF-8, before anything is done.
 *
 * @param argv - As Node has them.
 * @throws {Failure} For the first that is not UTF-8; without bytes, for the first with U+FFFD.
 */
export function checkArguments(argv: readonly string[], given: GivenBytes | undefined): void {
  if (!argv.some(mayBeForeign)) return
  const words = given?.words
  const index = argv.findIndex((text, at) => isForeign(text, () => words?.[at]))
  if (index === -1) return
  const shown = isShown(argv, index) ? `'${shownOf(argv[index] ?? '', words?.[index])}'` : 'other bytes'
  const end = argv.indexOf('--')
  const which = end !== -1 && index > end ? `argument ${index - end} after --` : `argument ${index + 1}`
  throw usage(
    `${which}: expected UTF-8, got ${shown}`,
    'set the terminal and LANG to UTF-8, and rename files that are not',
  )
}

/** Whether Node may have made it of bytes that are no UTF-8: for those it puts U+FFFD, which may also have been meant. */
function mayBeForeign(text: string): boolean {
  return text.includes('\ufffd')
}

/** @param bytesOf - Asked only where the text leaves it open. */
function isForeign(text: string, bytesOf: () => Uint8Array | undefined): boolean {
  if (!mayBeForeign(text)) return false
  const bytes = bytesOf()
  return bytes === undefined || !isUtf8(bytes)
}

/** A payload is no argument, but somebody may have typed one after the name of a secret. */
function isShown(argv: readonly string[], index: number): boolean {
  const set = argv.indexOf('set')
  return set === -1 || argv.slice(set + 1, index).every((word) => word.startsWith('-'))
}

/**
 * A variable of the program's own.
 *
 * @returns `undefined` if it is not there or empty.
 * @throws {Failure} If it is not UTF-8. The message shows no value, which may be a passphrase.
 */
export function variableOf(
  { env, given }: { readonly env: Environment; readonly given?: GivenBytes },
  name: string,
): string | undefined {
  const value = env[name]
  if (!value) return undefined
  if (isForeign(value, () => bytesOf(name, value, given))) throw notUtf8(name)
  return value
}

/** As at the start, unless it was changed since. Of several of one name, the first counts. */
function bytesOf(name: string, value: string, given: GivenBytes | undefined): Uint8Array | undefined {
  const start = Buffer.from(`${name}=`)
  const bytes = given?.variables?.find((variable) => start.equals(variable.subarray(0, start.length)))
  const rest = bytes?.subarray(start.length)
  return rest !== undefined && isTextOf(value, rest) ? rest : undefined
}

/**
 * The variables that a child of ours would get otherwise than we got them: Node makes text of them all.
 *
 * @returns Their names, printable: what is no UTF-8 in one is shown as `\xe8`.
 */
export function changedVariables(env: Environment, given: GivenBytes | undefined): string[] {
  const suspects = Object.keys(env).filter((name) => mayBeForeign(`${name}${env[name] ?? ''}`))
  const variables = suspects.length === 0 ? [] : given?.variables
  if (variables === undefined) return suspects.map(printable)
  const names = variables
    .filter((variable) => !isUtf8(variable))
    .map((variable) => {
      const end = Buffer.from(variable).indexOf('=', 1)
      return variable.subarray(0, end === -1 ? variable.length : end)
    })
  const isThere = (name: Uint8Array): boolean => !isUtf8(name) || env[Buffer.from(name).toString()] !== undefined
  return names.filter(isThere).map((name) => shownOf('', name))
}

function notUtf8(variable: string): Failure {
  return usage(`the variable ${variable}: expected UTF-8, got other bytes`, 'set it again, in UTF-8')
}

/** Text as it is, and each byte that is no UTF-8 as `\xe8`. */
function shownOf(text: string, bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return printable(text)
  let shown = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))
    if (length === undefined) shown += `\\x${(bytes[at] as number).toString(16).padStart(2, '0')}`
    else shown += printable(Buffer.from(bytes.subarray(at, at + length)).toString())
    at += length ?? 1
  }
  return shown
}
