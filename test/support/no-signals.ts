import type { Signals } from '../../src/cli/signals'

/** Signals of a program that gets none. */
export function noSignals(): Signals {
  return { signal: new AbortController().signal, takeSignals: () => () => {}, useTerminal: () => () => {} }
}
