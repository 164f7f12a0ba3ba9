import type { Target } from '../input/params'
import type { Activities, Activity } from './activity'
import type { Clock, Moment } from './clock'
import { keyOf } from './kept-entries'
import type { OthersListener } from './other-processes'

/** So many entries are remembered that others have written. What is forgotten counts as at least as old as this cache. */
const MOST_HEARD = 10_000

/** What a cache makes of what it hears of the caches of other processes. */
export class HeardOf implements OthersListener {
  readonly #clock: Clock
  readonly #activities: Activities
  readonly #endPause: (key: string) => void
  readonly #written = new Map<string, Moment>()

  /** @param endPause - Lets the source be asked at once. */
  constructor(clock: Clock, activities: Activities, endPause: (key: string) => void) {
    this.#clock = clock
    this.#activities = activities
    this.#endPause = endPause
  }

  /** When another process wrote the entry of a secret; `undefined` if that is not known. */
  of(target: Target): Moment | undefined {
    return this.#written.get(keyOf(target))
  }

  onWritten(key: string): void {
    this.#written.delete(key)
    this.#written.set(key, this.#clock.moment())
    if (this.#written.size > MOST_HEARD) this.#written.delete(this.#written.keys().next().value as string)
    const activity = this.#activities.of(key)
    if (activity === undefined) return
    activity.changes++
    if (activity.flight !== undefined) activity.flight.overtaken = true
  }

  onDropped(key: string): void {
    this.#written.delete(key)
    this.#endPause(key)
    const activity = this.#activities.of(key)
    if (activity !== undefined) drop(activity)
  }

  onGap(): void {
    this.#written.clear()
    for (const activity of this.#activities) drop(activity)
  }
}

/** As an invalidation of this process: what is being loaded was asked for before. */
function drop(activity: Activity): void {
  activity.changes++
  activity.flight?.drop()
}
