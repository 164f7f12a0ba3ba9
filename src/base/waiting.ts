/** The outcome of `work`, or what `signal` is aborted with, whichever comes first. */
export function orAborted<T>(signal: AbortSignal | undefined, work: PromiseLike<T>): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    const settled = (): void => signal.removeEventListener('abort', abort)
    work.then(resolve, reject).then(settled)
  })
}

/** Lets everything else that waits for the event loop have its turn. */
export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

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
