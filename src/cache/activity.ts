import type { Target } from '../input/params'
import type { Flight } from './flight'
import { keyOf } from './kept-entries'

/** What goes on for one secret now. */
export interface Activity {
  readonly target: Target
  /** Callers, loads and invalidations that are under way. */
  users: number
  /** Goes up when what is kept may have become another. */
  changes: number
  flight: Flight | undefined
  /** Never rejects. */
  invalidation: Promise<void> | undefined
}

/** For as long as something goes on, and no longer: names that are asked for once leave nothing in memory. */
export class Activities {
  readonly #activities = new Map<string, Activity>()

  enter(target: Target): Activity {
    const key = keyOf(target)
    const activity = this.#activities.get(key) ?? {
      target,
      users: 0,
      changes: 0,
      flight: undefined,
      invalidation: undefined,
    }
    activity.users++
    this.#activities.set(key, activity)
    return activity
  }

  leave(activity: Activity): void {
    activity.users--
    if (activity.users === 0) this.#activities.delete(keyOf(activity.target))
  }

  [Symbol.iterator](): Iterator<Activity> {
    return this.#activities.values()
  }
}
