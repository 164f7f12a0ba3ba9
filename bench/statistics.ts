import type { Outcome } from './measure'

/** Over the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: readonly number[]
}

export function spreadOf(rounds: readonly number[]): Spread {
  const sorted = [...rounds].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? upper
  return { median: (lower + upper) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN, rounds }
}

export interface Place {
  readonly work: string
  readonly contender: string
  /** Secrets in the store, bytes of an AEAD's plaintext, or processes. */
  readonly size: number
}

/** What was measured in a run, by work, contender, size and metric. */
export class Results {
  readonly #rounds = new Map<string, { readonly place: Place; readonly outcomes: Outcome[] }>()
  /** Why something was not measured that was asked for. */
  readonly #missing = new Map<string, string>()

  add(place: Place, outcome: Outcome): void {
    const key = keyOf(place)
    const found = this.#rounds.get(key)
    if (found === undefined) this.#rounds.set(key, { place, outcomes: [outcome] })
    else found.outcomes.push(outcome)
  }

  miss(place: Place, reason: string): void {
    this.#missing.set(keyOf(place), reason)
  }

  reason(place: Place): string | undefined {
    return this.#missing.get(keyOf(place))
  }

  places(): readonly Place[] {
    return [...this.#rounds.values()].map(({ place }) => place)
  }

  metrics(place: Place): readonly string[] {
    return Object.keys(this.#rounds.get(keyOf(place))?.outcomes[0] ?? {})
  }

  spread(place: Place, metric: string): Spread | undefined {
    const outcomes = this.#rounds.get(keyOf(place))?.outcomes
    const values = outcomes?.map((outcome) => outcome[metric]).filter((value) => value !== undefined)
    return values === undefined || values.length === 0 ? undefined : spreadOf(values)
  }

  median(place: Place, metric: string): number | undefined {
    return this.spread(place, metric)?.median
  }
}

function keyOf({ work, contender, size }: Place): string {
  return `${work}|${contender}|${size}`
}
