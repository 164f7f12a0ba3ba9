import type { Fault, Hit } from './control'

/** What is known to go wrong. None of it can be helped above LevelDB (docs/testing.md). Each has a test of its own, in nth-syscall.test.ts, which fails
 * if it is mended one day. */
interface Flaw {
  readonly name: string
  readonly explains: (problem: Problem) => boolean
}

export interface Problem {
  readonly message: string
  readonly operation: string
  /** `undefined` where it was no call that was made to fail. */
  readonly fault?: Fault | undefined
  readonly hit?: Hit | undefined
}

const OPENING: ReadonlySet<string> = new Set(['open', 'create', 'create in an empty directory', 'recover'])

const FLAWS: readonly Flaw[] = [
  {
    name: 'LevelDB deletes a log that it could not read',
    explains: ({ operation, hit }) =>
      OPENING.has(operation) &&
      hit?.file.endsWith('.log') === true &&
      (hit.call === 'fopen to read' || hit.call === 'read'),
  },
  {
    name: 'LevelDB deletes the manifest that CURRENT has got, if it hears of a failure',
    explains: ({ fault, hit }) =>
      fault?.action === 'late error' && hit?.call === 'rename' && hit.file.endsWith('/CURRENT'),
  },
]

/** The name of the flaw that a problem comes from, if it is known. */
export function flawOf(problem: Problem): string | undefined {
  return FLAWS.find(({ explains }) => explains(problem))?.name
}
