import { EXIT, Failure } from './failure'

/** One of several things that are in the way of a command. */
export interface Problem {
  /** A sentence, with the names that it is about. */
  readonly message: string
  readonly name?: string
  /** Of the file, from 1. */
  readonly line?: number
  /** What to do about it. */
  readonly hint: string
  /** @defaultValue 1, refused */
  readonly exitCode?: number
}

interface Frame {
  readonly label?: string
  readonly outcome?: string
}

const MOST_LISTED = 20

/** Everything that is in the way, told of at once: nobody has to find it out one by one. */
export class Problems {
  readonly #listed: Problem[] = []
  #count = 0

  add(problem: Problem): void {
    this.#count++
    if (this.#listed.length < MOST_LISTED) this.#listed.push(problem)
  }

  /**
   * @param summary - For several of them; one says enough of itself.
   * @param frame - What stands before and after the only one.
   * @throws {Failure} If there is any.
   */
  check(summary: (count: number) => string, frame: Frame = {}): void {
    const [first] = this.#listed
    if (first === undefined) return
    if (this.#count === 1) throw failureOfOne(first, frame)
    const hints = [...new Set(this.#listed.map(({ hint }) => hint))]
    const inOrder = this.#listed.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0))
    const listed = inOrder.map(({ hint: _, exitCode: __, ...problem }) => problem)
    throw new Failure(Math.max(...this.#listed.map(exitCodeOf)), summary(this.#count), {
      hint: hints.slice(0, MOST_HINTS).join('\n'),
      problems: { listed, unlisted: this.#count - listed.length },
    })
  }
}

/** A line each. */
const MOST_HINTS = 4

function failureOfOne(problem: Problem, { label = '', outcome = '' }: Frame): Failure {
  const { message, line, hint } = problem
  const at = line === undefined ? '' : `line ${line}: `
  return new Failure(exitCodeOf(problem), `${label}${at}${message}${outcome}`, { hint })
}

function exitCodeOf({ exitCode = EXIT.refused }: Problem): number {
  return exitCode
}
