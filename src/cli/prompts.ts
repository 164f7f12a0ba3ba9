import { setTimeout } from 'node:timers/promises'
import { type Failure, Interrupted, usage } from './failure'
import type { Io, Terminal } from './io'
import { strengthHint } from './strength'

/**
 * Asks for one line that must not be seen.
 *
 * @throws {Failure} If there is nobody to ask, saying `otherwise`, or if several lines are pasted.
 * @throws {Interrupted} On Ctrl-C and Ctrl-D.
 */
export async function askHidden(io: Io, message: string, otherwise: string, hint?: string): Promise<string> {
  const input = io.terminal()
  if (input === undefined) throw usage(otherwise, hint)
  const { isCancel, password } = await import('@clack/prompts')
  const stop = new AbortController()
  const watch = (chunk: Uint8Array | string): void => {
    const typed = chunk.toString()
    // Enter is a carriage return; text that comes at once with more after it is pasted.
    if (/\n|\r[^\r\n]/.test(typed)) stop.abort(severalLines(message))
    else if (typed.includes(CTRL_D)) stop.abort(new Interrupted())
  }
  input.on('data', watch)
  const release = holdRawMode(input)
  try {
    const answer = await password({
      message,
      // Not even how long it is.
      mask: '',
      input,
      output: io.stderr,
      signal: AbortSignal.any([io.signal, stop.signal]),
      validate: (value) => (value ? undefined : 'Type something, or Ctrl-C to stop.'),
    })
    if (stop.signal.aborted) {
      await discardTyped(input)
      throw stop.signal.reason
    }
    if (isCancel(answer)) throw new Interrupted()
    return answer
  } finally {
    input.off('data', watch)
    release()
    if (input !== io.stdin) input.destroy()
  }
}

const CTRL_D = '\u0004'

function severalLines(message: string): Failure {
  const hint = 'read several lines from a file or a pipe'
  return usage(`${message}: expected one line, got several; nothing was kept`, hint)
}

/** Keeps the terminal from echoing until it is released: the rest of a paste arrives after the prompt has ended. */
function holdRawMode(input: Terminal): () => void {
  if (input.setRawMode === undefined) return () => {}
  const setRawMode = input.setRawMode.bind(input)
  setRawMode(true)
  input.setRawMode = (raw) => (raw ? setRawMode(true) : input)
  return () => {
    input.setRawMode = setRawMode
    setRawMode(false)
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
  input.off('data', postpone).pause()
}

const TICK_MS = 25
const QUIET_TICKS = 5

/** Asks for a new passphrase, says how strong it is, and asks again until both are the same. */
export async function askNewPassphrase(io: Io, otherwise: string, hint: string): Promise<string> {
  for (;;) {
    const first = await askHidden(io, 'New passphrase', otherwise, hint)
    io.stderr.write(`${strengthHint(first)}\n`)
    if ((await askHidden(io, 'The same again', otherwise, hint)) === first) return first
    io.stderr.write('These were not the same. Once more.\n')
  }
}
