import { orAborted } from '../base/waiting'
import type { Target } from '../input/params'
import type { CacheEntry } from './entry'
import { keyOf } from './kept-entries'

/** Calls, loads and invalidations of one secret that are under way. */
export interface Activity {
  readonly target: Target
  /** How many there are. */
  users: number
  /** Goes up when what is kept may have become another. */
  changes: number
  flight: Flight | undefined
  /** The last one. It never rejects, and stays when it is over. */
  invalidation: Promise<void> | undefined
}

/** One for each secret for as long as something goes on: names that are asked for once leave nothing in memory. */
export class Activities {
  readonly #activities = new Map<string, Activity>()

  /** Keeps the activity of a secret until `work` is done. */
  async during<T>(target: Target, work: (activity: Activity) => Promise<T>): Promise<T> {
    const key = keyOf(target)
    const idle = { target, users: 0, changes: 0, flight: undefined, invalidation: undefined }
    const activity = this.#activities.get(key) ?? idle
    this.#activities.set(key, activity)
    activity.users++
    try {
      return await work(activity)
    } finally {
      activity.users--
      if (activity.users === 0) this.#activities.delete(key)
    }
  }

  /** What goes on for a secret, by its key; `undefined` if nothing does. */
  of(key: string): Activity | undefined {
    return this.#activities.get(key)
  }

  [Symbol.iterator](): Iterator<Activity> {
    return this.#activities.values()
  }
}

/** The end of a load. `dropped`: its answer is not kept, and callers who still wait look again. */
export type Outcome =
  | { readonly type: 'loaded'; readonly entry: CacheEntry }
  | { readonly type: 'failed'; readonly cause: unknown }
  | { readonly type: 'dropped' }

/** One load that is under way, and the callers who wait for it. */
export class Flight {
  readonly #abort = new AbortController()
  readonly #background: boolean
  #waiting = 0
  #dropped = false
  #loading = false
  /** Whether another process has kept an answer meanwhile, which may be a newer one. */
  overtaken = false
  /** Never rejects. It does not wait for a load that was aborted. */
  readonly outcome: Promise<Outcome>

  /** @param background - Whether it goes on when nobody waits for it. */
  constructor(background: boolean, run: (flight: Flight) => Promise<Outcome>) {
    this.#background = background
    this.outcome = run(this).catch((cause) => ({ type: 'failed', cause }))
  }

  get dropped(): boolean {
    return this.#dropped
  }

  /** What `work` comes to, if it does so in time and before the flight is dropped. What comes later is lost. */
  async inTime<T>(timeoutMs: number, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    const { signal } = this.#abort
    const late = (): void => this.#abort.abort(timeoutError(timeoutMs))
    const timer: { unref?(): unknown } = setTimeout(late, timeoutMs)
    timer.unref?.()
    this.#loading = true
    try {
      return await orAborted(signal, (async () => work(signal))())
    } finally {
      this.#loading = false
      clearTimeout(timer as never)
    }
  }

  /** @throws What `signal` is aborted with; when the last one has left, the load is aborted. */
  async join(signal: AbortSignal | undefined): Promise<Outcome> {
    this.#waiting++
    try {
      return await orAborted(signal, this.outcome)
    } finally {
      this.#waiting--
      if (this.#waiting === 0 && !this.#background) this.drop()
    }
  }

  /** Its answer is not to be kept any more, and the load is aborted if it is under way. */
  drop(reason?: unknown): void {
    this.#dropped = true
    if (this.#loading) this.#abort.abort(reason)
  }
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(`load: expected an answer within ${timeoutMs} ms, got none`, 'TimeoutError')
}
