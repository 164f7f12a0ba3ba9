/** The outcome of `work`, or what `signal` is aborted with, whichever comes first. */
export function orAborted<T>(signal: AbortSignal | undefined, work: PromiseLike<T>): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    const forget = signal.aborted ? abort() : onAbort(signal, abort)
    work.then(resolve, reject).then(() => forget?.())
  })
}

interface Listening {
  readonly listeners: Set<() => void>
  readonly listener: () => void
}

/** Of each signal by which somebody waits. */
const listening = new WeakMap<AbortSignal, Listening>()

/** One listener of a signal for all who wait by it: Node warns of a leak where there are many. @returns Ends it. */
function onAbort(signal: AbortSignal, tell: () => void): () => void {
  const { listeners, listener } = listening.get(signal) ?? listenTo(signal)
  listeners.add(tell)
  return () => {
    listeners.delete(tell)
    if (listeners.size > 0 || listening.get(signal)?.listener !== listener) return
    listening.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function listenTo(signal: AbortSignal): Listening {
  const listeners = new Set<() => void>()
  const listener = (): void => {
    for (const tell of listeners) tell()
  }
  const made = { listeners, listener }
  listening.set(signal, made)
  signal.addEventListener('abort', listener, { once: true })
  return made
}

/** The same, as long as the work `hasBegun` not. What has begun ends itself. */
export function orAbortedBefore<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  hasBegun: () => boolean,
): Promise<T> {
  if (signal === undefined) return work
  return orAborted(signal, work).catch((error) => (hasBegun() ? work : Promise.reject(error)))
}

/** Lets everything else that waits for the event loop have its turn. */
export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** The outcome of `work`, which no handle stands for: the process does not end before it. */
export async function keptAlive<T>(work: PromiseLike<T>): Promise<T> {
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    return await work
  } finally {
    clearInterval(alive)
  }
}

/** One piece of work at a time, in the order of asking. */
export class Turns {
  readonly #lock: ((signal: AbortSignal | undefined) => Promise<() => void> | undefined) | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** @param lock - Of all processes; taken at each turn, and given back at its end. */
  constructor(lock?: (signal: AbortSignal | undefined) => Promise<() => void> | undefined) {
    this.#lock = lock
  }

  /** Resolves when whatever was asked for by now is over. */
  async ended(): Promise<void> {
    await this.#last
  }

  /** @param signal - Ends the waiting for a turn; work that has begun ends itself. */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let begun = false
    const turn = this.#last.then(async () => {
      signal?.throwIfAborted()
      const release = await this.#lock?.(signal)
      try {
        begun = true
        return await work()
      } finally {
        release?.()
      }
    })
    this.#last = turn.then(
      () => {},
      () => {},
    )
    return orAbortedBefore(signal, turn, () => begun)
  }
}
