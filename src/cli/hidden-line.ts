import { setTimeout } from 'node:timers/promises'
import { Interrupted } from './failure'
import type { Terminal } from './io'
import type { Signals } from './signals'

/** Several lines were pasted where one was asked for. */
export class SeveralLines extends Error {}

/**
 * Reads one line from a terminal that shows none of it, not even how long it is. The terminal sends bytes, and text is made
 * of them by whoever asked: Node's own line editor would make U+FFFD of what is no UTF-8.
 *
 * @param ask - Puts the question; from then on nothing that is typed is shown.
 * @throws {Interrupted} On Ctrl-C, Ctrl-D and Ctrl-\, and when the terminal goes away. What `signal` was aborted with.
 * @throws {SeveralLines} Then what is pasted has been read to its end, and thrown away.
 */
export async function readHiddenLine(
  input: Terminal,
  { signal, useTerminal }: Pick<Signals, 'signal' | 'useTerminal'>,
  ask: () => void,
): Promise<Uint8Array> {
  signal.throwIfAborted()
  const line = new Line()
  const begin = (): void => {
    line.clear()
    input.setRawMode?.(true)
    ask()
  }
  const left = useTerminal({ leave: () => void input.setRawMode?.(false), resume: begin })
  try {
    begin()
    return await lineOf(input, line, signal)
  } catch (error) {
    if (error instanceof SeveralLines) await discardTyped(input)
    throw error
  } finally {
    input.pause()
    left()
  }
}

function lineOf(input: Terminal, line: Line, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const hear = (chunk: Uint8Array | string): void => {
      const bytes = Buffer.from(chunk as Uint8Array)
      // Enter is a carriage return; text that comes at once with more after it is pasted.
      if (/\n|\r[^\r\n]/.test(bytes.toString('latin1'))) {
        end(() => reject(new SeveralLines()))
        return
      }
      // In raw mode the terminal stops nobody.
      if (bytes.includes(CTRL_Z) && process.platform !== 'win32') process.kill(0, 'SIGTSTP')
      const last = bytes.findIndex((byte) => byte === ENTER || ENDS[byte] !== undefined)
      for (const byte of last === -1 ? bytes : bytes.subarray(0, last)) line.type(byte)
      line.rest()
      if (last === -1) return
      const exitCode = ENDS[bytes[last] as number]
      if (exitCode === undefined) end(() => resolve(line.bytes()))
      else end(() => reject(new Interrupted(exitCode)))
    }
    const gone = (): void => end(() => reject(new Interrupted(HUNG_UP)))
    const abort = (): void => end(() => reject(signal.reason))
    const end = (settle: () => void): void => {
      input.off('data', hear).off('end', gone).off('close', gone).off('error', gone)
      signal.removeEventListener('abort', abort)
      settle()
    }
    signal.addEventListener('abort', abort, { once: true })
    input.on('end', gone).on('close', gone).on('error', gone).on('data', hear).resume()
  })
}

const ENTER = 0x0d
const CTRL_Z = 0x1a
const ESCAPE = 0x1b
const HUNG_UP = 129
/** Ctrl-C, Ctrl-D and Ctrl-\, and the exit code of each. */
const ENDS: Readonly<Record<number, number>> = { 3: 130, 4: 130, 28: 131 }

/** What is typed, and edited by the keys that a terminal's own line has: backspace, Ctrl-W and Ctrl-U. */
class Line {
  #bytes: number[] = []
  /** Whether a key such as an arrow is being read, which is several bytes. */
  #sequence: 'none' | 'begun' | 'parameters' = 'none'

  type(byte: number): void {
    if (this.#sequence !== 'none') this.#sequence = this.#next(byte)
    else if (byte === ESCAPE) this.#sequence = 'begun'
    else if (byte === 0x7f || byte === 0x08) this.#erase()
    else if (byte === 0x15) this.clear()
    else if (byte === 0x17) this.#eraseWord()
    else if (byte >= 0x20 || byte === 0x09) this.#bytes.push(byte)
  }

  clear(): void {
    this.#bytes = []
  }

  /** No more has come at once: an escape at the end was the key of that name, and not the beginning of another. */
  rest(): void {
    if (this.#sequence === 'begun') this.#sequence = 'none'
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  /** ECMA-48: `ESC [`, parameters, and a byte from 0x40 on; or `ESC O` and one byte; or one byte. */
  #next(byte: number): 'none' | 'begun' | 'parameters' {
    if (this.#sequence === 'begun') return byte === 0x5b || byte === 0x4f ? 'parameters' : 'none'
    return byte >= 0x40 && byte <= 0x7e ? 'none' : 'parameters'
  }

  /** A whole character of UTF-8. */
  #erase(): void {
    while (((this.#bytes.pop() ?? 0) & 0xc0) === 0x80);
  }

  #eraseWord(): void {
    while (this.#bytes.at(-1) === 0x20) this.#bytes.pop()
    while (this.#bytes.length > 0 && this.#bytes.at(-1) !== 0x20) this.#bytes.pop()
  }
}

/** The rest of what is being pasted is nothing for the shell. */
async function discardTyped(input: Terminal): Promise<void> {
  // Counted, not timed: a process that was not let run for a while has not looked whether there is more.
  let quietTicks = 0
  const postpone = (): void => {
    quietTicks = 0
  }
  input.on('data', postpone).resume()
  for (; quietTicks < QUIET_TICKS; quietTicks++) await setTimeout(TICK_MS)
  input.off('data', postpone)
}

const TICK_MS = 25
const QUIET_TICKS = 5
