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
