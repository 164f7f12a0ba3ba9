import { orAborted } from './abort'

/** One piece of work at a time, in the order of asking. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** @param signal - Ends the waiting for a turn; work that has begun ends itself. */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let begun = false
    const turn = this.#last.then(() => {
      signal?.throwIfAborted()
      begun = true
      return work()
    })
    this.#last = turn.then(
      () => {},
      () => {},
    )
    const early = orAborted(signal, turn)
    return early.catch((error) => (begun ? turn : Promise.reject(error)))
  }
}
