import { onTestFailed } from 'vitest'
import { environment, NODE_ARGS } from './cli-program'
import { turnOfLoop } from './waiting'

const pty = await import('@lydell/node-pty').catch(() => undefined)
if (pty === undefined) console.warn('skipped: no pseudo-terminal for this platform')

/** Whether this platform has pseudo-terminals. */
export const hasTerminals: boolean = pty !== undefined

export interface TerminalOptions {
  /** Added to what every program of a test gets. */
  readonly env?: Readonly<Record<string, string>>
  /** @defaultValue 120 */
  readonly columns?: number
}

/** Reads whatever there is, some turns of the loop long. */
const LAST_READS = 5

/**
 * node-pty lets go of a terminal 200 ms after its program has ended, whether all was read or not. On a busy machine that is
 * too early.
 */
function readToTheEnd(terminal: import('@lydell/node-pty').IPty): void {
  const { _socket: socket } = terminal as unknown as { readonly _socket?: { destroy(error?: Error): unknown } }
  if (socket === undefined) return
  const destroy = socket.destroy.bind(socket)
  socket.destroy = (error) => {
    void (async () => {
      for (let turn = 0; turn < LAST_READS; turn++) await turnOfLoop()
      destroy(error)
    })()
    return socket
  }
}

/** Somebody at a terminal. */
export class Terminal {
  readonly #pty: import('@lydell/node-pty').IPty
  #text = ''
  readonly exitCode: Promise<number>
  #ended = false
  #changed: () => void = () => {}

  constructor(file: string, args: readonly string[], { env = {}, columns = 120 }: TerminalOptions = {}) {
    if (pty === undefined) throw new Error('no pseudo-terminal')
    this.#pty = pty.spawn(file, [...args], { cols: columns, rows: 30, encoding: 'utf8', env: environment(env) })
    readToTheEnd(this.#pty)
    onTestFailed(() => console.error(`the terminal has shown: ${JSON.stringify(this.#text)}`))
    this.#pty.onData((text) => {
      this.#text += text
      this.#changed()
    })
    this.exitCode = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => {
        this.#ended = true
        this.#changed()
        resolve(exitCode)
      })
    })
  }

  /** The program itself, at a terminal. */
  static ofProgram(args: readonly string[], options: TerminalOptions = {}): Terminal {
    return new Terminal(process.execPath, [...NODE_ARGS, ...args], options)
  }

  get pid(): number {
    return this.#pty.pid
  }

  /** All that the terminal was sent. */
  get text(): string {
    return this.#text
  }

  /** Waits until this has appeared so many times. */
  async sees(wanted: string, times = 1): Promise<void> {
    while (this.#text.split(wanted).length <= times) {
      if (this.#ended) throw new Error(`expected '${wanted}', got the end, and before it: ${this.#text}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** @param typed - Text, or bytes as they are. */
  type(typed: string | Uint8Array): void {
    // It is a socket that is written to, which takes bytes, too.
    this.#pty.write((typeof typed === 'string' ? typed : Buffer.from(typed)) as string)
  }

  resize(columns: number, rows = 30): void {
    this.#pty.resize(columns, rows)
  }

  /** As if its window were closed. */
  close(): void {
    this.#pty.kill('SIGHUP')
  }
}

/** Somebody types each answer when its question is there. */
export async function answers(
  terminal: Terminal,
  questions: readonly (readonly [string, string | Uint8Array])[],
): Promise<void> {
  const asked = new Map<string, number>()
  for (const [question, answer] of questions) {
    const times = (asked.get(question) ?? 0) + 1
    asked.set(question, times)
    await terminal.sees(question, times)
    terminal.type(answer)
  }
}
