import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import type { Progress } from 'app-secret-store'
import { BrokenPipe, type Failure, refused } from './failure'
import type { Io } from './io'
import { jsonText } from './json'
import { printable } from './printable'
import type { Cell, TableLayout, TableOptions } from './table'

/** Results on stdout, everything else on stderr. */
export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly #io: Io

  constructor(io: Io, { json, quiet }: Pick<Output, 'json' | 'quiet'>) {
    this.#io = io
    this.json = json
    this.quiet = quiet
  }

  /** What was asked for: as JSON if that is wanted, else as lines of text. */
  async result(value: object, text: () => string | Promise<string>): Promise<void> {
    await this.write(this.json ? `${jsonText(value, 2)}\n` : await text())
  }

  /** What was done: the same, but not worth a line to `--quiet`. */
  async done(value: object, text: string): Promise<void> {
    if (this.json || !this.quiet) await this.result(value, () => `${text}\n`)
  }

  /** @throws {BrokenPipe} */
  async write(bytes: string | Uint8Array): Promise<void> {
    await writeAll(this.#io.stdout, bytes)
  }

  /** Worth knowing, and not what was asked for. With `--json` there are none: a program reads stderr. */
  async note(text: string): Promise<void> {
    if (!this.json) await this.log(text)
  }

  /** A line of what goes on. */
  async log(line: string): Promise<void> {
    if (!this.quiet) await writeAll(this.#io.stderr, `${line}\n`)
  }

  async failure({ message, hint, code, exitCode, problems }: Failure): Promise<void> {
    const several = problems && { problems: problems.listed, unlisted: problems.unlisted }
    const error = { code: code ?? null, message, hint: hint ?? null, exit_code: exitCode, ...several }
    if (this.json) return writeAll(this.#io.stderr, `${jsonText({ error }, 2)}\n`)
    const lines = [`${this.#styled('red', 'error:')} ${printable(message)}`]
    for (const { line, message } of problems?.listed ?? []) {
      lines.push(`  ${line === undefined ? '' : `line ${line}: `}${printable(message)}`)
    }
    if (problems !== undefined && problems.unlisted > 0) lines.push(`  and ${problems.unlisted} more`)
    for (const line of hint?.split('\n') ?? []) lines.push(`${this.#styled('cyan', 'hint:')} ${printable(line)}`)
    await writeAll(this.#io.stderr, `${lines.join('\n')}\n`)
  }

  /** Rows under headings, as wide as the terminal allows. */
  async table(headings: readonly string[], rows: readonly (readonly Cell[])[]): Promise<string> {
    const { tableOf } = await import('./table')
    return tableOf(headings, rows, this.#tableOptions())
  }

  /** The same for rows of which these are the first ones. */
  async tableLayout(headings: readonly string[], first: readonly (readonly Cell[])[]): Promise<TableLayout> {
    const { TableLayout } = await import('./table')
    return new TableLayout(headings, first, this.#tableOptions())
  }

  #tableOptions(): TableOptions {
    const { stdout } = this.#io
    return {
      columns: (stdout.isTTY && stdout.columns) || 0,
      styled: (heading) =>
        isColoured(stdout, this.#io) ? styleText('bold', heading, { validateStream: false }) : heading,
    }
  }

  /** A bar that says how far something long has come; nothing where stderr is no terminal. */
  async progress(label: string): Promise<Bar> {
    const { stderr } = this.#io
    if (this.quiet || !stderr.isTTY) return NO_BAR
    if (isPlain(this.#io)) {
      await this.log(`${label}: under way`)
      return NO_BAR
    }
    const { default: progress } = await import('cli-progress')
    const bar = new progress.SingleBar({
      stream: stderr as NodeJS.WritableStream,
      format: `${label} [{bar}] {percentage}% {value}/{total} {rate}/s, {eta_formatted} left`,
      hideCursor: true,
      clearOnComplete: true,
    })
    const { now } = this.#io
    const start = now()
    let state: 'waiting' | 'shown' | 'hidden' | 'ended' = 'waiting'
    // It hides the cursor and has the terminal not wrap lines.
    const hide = (): void => {
      if (state === 'shown') bar.stop()
      state = 'hidden'
    }
    const left = this.#io.useTerminal({
      leave: hide,
      resume() {
        if (state === 'hidden') state = 'waiting'
      },
    })
    return {
      update({ done, total }) {
        if (state === 'hidden' || state === 'ended') return
        const seconds = (now() - start) / 1000
        const rate = seconds > 0 ? Math.round(done / seconds) : 0
        if (state === 'shown') bar.setTotal(total)
        else bar.start(total, done, { rate })
        state = 'shown'
        bar.update(done, { rate })
      },
      stop() {
        left()
        state = 'ended'
      },
    }
  }

  #styled(style: 'red' | 'cyan', text: string): string {
    return isColoured(this.#io.stderr, this.#io) ? styleText(style, text, { validateStream: false }) : text
  }
}

export interface Bar {
  update(progress: Progress): void
  stop(): void
}

const NO_BAR: Bar = { update() {}, stop() {} }

/** Whether lines of text are wanted, and nothing that is drawn over: for dumb terminals and screen readers. */
function isPlain({ env }: Io): boolean {
  return env['TERM'] === 'dumb' || Boolean(env['SECRET_STORE_PLAIN'])
}

/** https://no-color.org: any value but the empty one. */
function isColoured(stream: { readonly isTTY?: boolean }, io: Io): boolean {
  return stream.isTTY === true && !io.env['NO_COLOR'] && !isPlain(io)
}

function writeAll(stream: Writable, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (!error) return resolve()
      const { code } = error as NodeJS.ErrnoException
      reject(code === 'EPIPE' ? new BrokenPipe() : refused(`the output cannot be written (${code})`))
    })
  })
}
