import { usage } from './failure'
import { readHiddenLine, SeveralLines } from './hidden-line'
import type { Io } from './io'
import { strengthHint } from './strength'
import { passphraseText, textOf } from './text'

/**
 * Asks for one line that must not be seen. The question is one line of text on every terminal, with nothing for a terminal
 * to obey: a screen reader reads it once, and it needs no width.
 *
 * @throws {Failure} If there is nobody to ask, saying `otherwise`, or if several lines are pasted.
 * @throws {Interrupted} On Ctrl-C and Ctrl-D.
 */
export async function askHidden(io: Io, message: string, otherwise: string, hint?: string): Promise<string> {
  for (;;) {
    const bytes = await readLine(io, message, otherwise, hint)
    const text = textOf(bytes)
    if (text) return text
    const why = text === undefined ? 'That was not UTF-8: set the terminal to UTF-8' : 'Type something'
    io.stderr.write(`${why}, or Ctrl-C to stop.\n`)
  }
}

async function readLine(io: Io, message: string, otherwise: string, hint?: string): Promise<Uint8Array> {
  const input = io.terminal()
  if (input === undefined) throw usage(otherwise, hint)
  let asked = false
  try {
    return await readHiddenLine(input, io, () => {
      asked = true
      io.stderr.write(`${message}: `)
    })
  } catch (error) {
    if (!(error instanceof SeveralLines)) throw error
    const why = `${message}: expected one line, got several; nothing was kept`
    throw usage(why, 'read several lines from a file or a pipe')
  } finally {
    // Enter was not shown either.
    if (asked) io.stderr.write('\n')
    if (input !== io.stdin) input.destroy()
  }
}

/** Asks for a new passphrase, says how strong it is, and asks again until both are the same. */
export async function askNewPassphrase(io: Io, otherwise: string, hint: string): Promise<string> {
  for (;;) {
    const first = passphraseText(await askHidden(io, 'New passphrase', otherwise, hint))
    if (first === '') continue
    io.stderr.write(`${strengthHint(first)}\n`)
    if (passphraseText(await askHidden(io, 'The same again', otherwise, hint)) === first) return first
    io.stderr.write('These were not the same. Once more.\n')
  }
}
