import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { Io } from '../../../src/cli/io'
import { main } from '../../../src/cli/main'
import { noSignals } from '../../support/no-signals'

/**
 * A transcript is a text of commands and what came of them, run in order in one directory:
 *
 *     # words about what follows
 *     = NAME=value        an environment variable, from here on
 *     + FILE text         a file with this text, `\n` for line ends and `\xff` for a byte
 *     @ SECONDS           moves the clock
 *     $ secret-store …    a command; DIR is the directory; quotes as in a shell
 *     < text              its stdin, with a line end; `<< text` without one; `\xff` is a byte
 *     > text              what it wrote to stdout; `>> text` without a line end
 *     ! text              what it wrote to stderr
 *     ? 1                 its exit code, if it is not 0
 *
 * What differs each time, ids and the like, is shown as `xxx`, as long as it is.
 */
export interface Step {
  readonly before: readonly string[]
  readonly command: string
  readonly stdin: string
  /** What the text says, to the letter. */
  readonly expected: string
}

export function parseTranscript(text: string): Step[] {
  const steps: Step[] = []
  let before: string[] = []
  for (const line of text.split('\n')) {
    const last = steps.at(-1)
    if (line.startsWith('$ ')) {
      steps.push({ before, command: line.slice(2), stdin: '', expected: '' })
      before = []
    } else if (/^<</.test(line) && last) steps[steps.length - 1] = { ...last, stdin: last.stdin + line.slice(3) }
    else if (/^</.test(line) && last) steps[steps.length - 1] = { ...last, stdin: `${last.stdin}${line.slice(2)}\n` }
    else if (/^(?:>|!|\?)/.test(line) && last)
      steps[steps.length - 1] = { ...last, expected: `${last.expected}${line}\n` }
    else if (/^[=+@] /.test(line)) before.push(line)
  }
  return steps
}

export class Machine {
  readonly directory: string
  readonly #env: Record<string, string> = { TERM: 'dumb' }
  #nowMs = Date.UTC(2026, 10, 24, 12, 0, 0)

  constructor(directory: string) {
    this.directory = directory
  }

  async prepare(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      const given = this.#here(line.slice(2))
      if (line.startsWith('@')) this.#nowMs += 1000 * Number(given)
      else if (line.startsWith('=')) {
        const [name = '', value = ''] = given.split(/=(.*)/s)
        this.#env[name] = value
      } else {
        const [name = '', text = ''] = given.split(/ (.*)/)
        const path = join(this.directory, name)
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, bytesOf(text.replaceAll('\\n', '\n')), { mode: 0o600 })
      }
    }
  }

  /** Runs a step in this process. @returns What came of it, as a transcript says it. */
  async run({ command, stdin }: Step): Promise<string> {
    const [, ...argv] = words(this.#here(command))
    const [stdout, stderr] = [new Collected(), new Collected()]
    const io: Io = {
      stdin: Readable.from(stdin === '' ? [] : [bytesOf(stdin)]),
      stdout,
      stderr,
      env: this.#env,
      now: () => this.#nowMs,
      ...noSignals(),
      terminal: () => undefined,
    }
    const exitCode = await main(argv, io)
    const shown = this.#shown(lines('>', stdout.text()) + lines('!', stderr.text()))
    return `${shown}${exitCode === 0 ? '' : `? ${exitCode}\n`}`
  }

  #here(text: string): string {
    // A word of its own: a token of base64url may have the letters in it.
    return text.replace(/(?<![\w-])DIR(?![\w-])/g, () => this.directory)
  }

  #shown(text: string): string {
    return text
      .replaceAll(this.directory, 'DIR')
      .replace(/appsecret_\w{24}/g, `appsecret_${'x'.repeat(24)}`)
      .replace(/(?<=slot |"id": ")[\w-]{11}(?=[ ,"])/g, 'x'.repeat(11))
      .replace(/^(>) [\w-]{11}(?= {2,}(?:passphrase|raw-key|recovery-code))/gm, `$1 ${'x'.repeat(11)}`)
      .replace(/(?<=^> *"aead": \[\n)(?:> {3,}.*\n)*/gm, '>     <which libraries>\n')
      .replace(/(?<=^> sealed by +)\S.*/gm, '<which libraries>')
      .replace(/\b(?:[A-Z0-9]{5}-){7}[A-Z0-9]{5}\b/g, '<recovery code>')
  }
}

/** Text as it is, but for `\xff`, which is one byte. */
function bytesOf(text: string): Buffer {
  const parts = text.split(/\\x([\da-f]{2})/)
  return Buffer.concat(parts.map((part, index) => Buffer.from(part, index % 2 === 0 ? 'utf8' : 'hex')))
}

function lines(sign: string, text: string): string {
  if (text === '') return ''
  const whole = text.endsWith('\n')
  const parts = (whole ? text.slice(0, -1) : text).split('\n')
  return parts
    .map((line, index) => `${sign}${!whole && index === parts.length - 1 ? sign : ''} ${line}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('')
}

/** A command line without a shell: words, with single or double quotes around what has spaces. */
function words(command: string): string[] {
  return [...command.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  )
}

export class Collected extends Writable {
  readonly #parts: Buffer[] = []

  override _write(part: Buffer, _: unknown, done: () => void): void {
    this.#parts.push(Buffer.from(part))
    done()
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  text(): string {
    return this.bytes().toString()
  }
}

/** The same text, with what came of each command in the place of what it says. */
export async function rewrite(path: string, outcomes: readonly string[]): Promise<void> {
  const kept: string[] = []
  let step = 0
  let pending = ''
  for (const line of (await readFile(path, 'utf8')).trimEnd().split('\n')) {
    if (/^(?:>|!|\?)/.test(line)) continue
    if (!line.startsWith('<')) {
      kept.push(pending)
      pending = ''
    }
    kept.push(`${line}\n`)
    if (line.startsWith('$ ')) pending = outcomes[step++] as string
  }
  await writeFile(path, kept.join('') + pending)
}
