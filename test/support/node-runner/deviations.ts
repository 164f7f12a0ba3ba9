/** Where a test of behaviour runs without vitest. */
export type Runtime = 'node' | 'bun' | 'deno' | 'windows'

export interface Deviation {
  readonly runtimes: readonly Runtime[]
  readonly file: string
  /** With the groups around it, joined by ` > `. */
  readonly test: string
  /** What fails must go on failing: where it passes, the run fails. What is left out would end or hang the process. */
  readonly how: 'fails' | 'is left out'
  readonly reason: string
}

/** Every test of behaviour that does not pass everywhere. */
export const DEVIATIONS: readonly Deviation[] = [
  {
    runtimes: ['windows'],
    file: 'backup.test.ts',
    test: 'what is there already > is never overwritten by a backup, nor followed, where it is a link that leads nowhere',
    how: 'fails',
    reason: 'Wine 8 says that it made the symbolic link, and makes none',
  },
  {
    runtimes: ['windows'],
    file: 'modules.test.ts',
    test: 'the Stripe-compatible server answers over HTTP',
    how: 'fails',
    reason: 'under Wine 8 no connection over TCP comes about, to a server of node:http alone neither',
  },
  ...['plain', 'sealed'].map(
    (names): Deviation => ({
      runtimes: ['windows'],
      file: 'restore.test.ts',
      test: `a store with ${names} names > is for its owner alone, and so is its backup`,
      how: 'fails',
      reason: 'Windows has access lists in place of modes',
    }),
  ),
]

export function thisRuntime(): Runtime {
  if ('Bun' in globalThis) return 'bun'
  if ('Deno' in globalThis) return 'deno'
  return process.platform === 'win32' ? 'windows' : 'node'
}

export function deviationOf(file: string, test: string): Deviation | undefined {
  return DEVIATIONS.find((one) => one.file === file && one.test === test && one.runtimes.includes(thisRuntime()))
}
