import { isCancel, password } from '@clack/prompts'
import { Interrupted, usage } from './failure'
import type { Io } from './io'

/** Asks for something that must not be seen. @throws {Failure} If there is nobody to ask, saying `otherwise`. @throws {Interrupted} */
export async function askHidden(io: Io, message: string, otherwise: string, hint?: string): Promise<string> {
  const input = io.terminal()
  if (input === undefined) throw usage(otherwise, hint)
  try {
    const answer = await password({
      message,
      // Not even how long it is.
      mask: '',
      input,
      output: io.stderr,
      signal: io.signal,
      validate: (value) => (value ? undefined : 'Type something, or Ctrl-C to stop.'),
    })
    if (isCancel(answer)) throw new Interrupted()
    return answer
  } finally {
    if (input !== io.stdin) input.destroy()
  }
}

/** Asks for a new passphrase, says how strong it is, and asks again until both are the same. */
export async function askNewPassphrase(io: Io, otherwise: string, hint: string): Promise<string> {
  // Loaded first: between two questions the terminal echoes, so nothing there may take time.
  const strength = await strengthMeter()
  for (;;) {
    const first = await askHidden(io, 'New passphrase', otherwise, hint)
    io.stderr.write(`${strength(first)}\n`)
    if ((await askHidden(io, 'The same again', otherwise, hint)) === first) return first
    io.stderr.write('These were not the same. Once more.\n')
  }
}

const STRENGTHS = ['very weak', 'weak', 'fair', 'good', 'strong']

/** Says how strong a passphrase is, by the pattern matching of zxcvbn (Wheeler, USENIX Security 2016); nothing is refused for it. */
async function strengthMeter(): Promise<(passphrase: string) => string> {
  const [{ ZxcvbnFactory }, common] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ])
  const checker = new ZxcvbnFactory({ dictionary: common.dictionary, graphs: common.adjacencyGraphs })
  return (passphrase) => {
    // The rest of a long one only makes it slower to judge.
    const { score } = checker.check(passphrase.slice(0, 100))
    const advice = score < 3 ? '; a few unrelated words are better' : ''
    return `Strength: ${STRENGTHS[score]}${advice}.`
  }
}
