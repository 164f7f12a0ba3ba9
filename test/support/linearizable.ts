/**
 * Whether what concurrent callers were answered could have come from one store that does one thing at a time, each
 * somewhere between its call and its answer: the search of Wing and Gong, with Lowe's memory of where it has been.
 */

/** One call and its answer, as its caller saw them, by a clock that no two events share. */
export interface Operation<Call, Answer> {
  readonly call: Call
  readonly invoked: number
  /** `Infinity` if it never was: it may have happened, at any time since, or not. */
  readonly answered: number
  /** `undefined` as long as it was not answered. */
  readonly outcome: Outcome<Answer> | undefined
}

/** A refusal says that nothing was done. */
export type Outcome<Answer> = { readonly value: Answer } | { readonly refused: string }

/** One that does one thing at a time. */
export interface Model<State, Call, Answer> {
  /**
   * The state afterwards, the same one if it is unchanged, or `undefined` if it could not give this answer in this
   * state.
   */
  apply(state: State, operation: Operation<Call, Answer>): State | undefined
  /** The same text for states that nothing can tell apart. */
  describe(state: State): string
}

export type Verdict<Call, Answer> =
  /** In an order that explains every answer. */
  | { readonly order: readonly Operation<Call, Answer>[] }
  /** No order does; the longest part of one that does, and what could come next by time but not by its answer. */
  | { readonly longest: readonly Operation<Call, Answer>[]; readonly stuck: readonly Operation<Call, Answer>[] }

export function linearize<State, Call, Answer>(
  model: Model<State, Call, Answer>,
  initial: State,
  history: readonly Operation<Call, Answer>[],
): Verdict<Call, Answer> {
  const seen = new Set<string>()
  const isDone = history.map(() => false)
  const order: Operation<Call, Answer>[] = []
  let longest: readonly Operation<Call, Answer>[] = []
  let stuck: readonly Operation<Call, Answer>[] = []

  const search = (state: State): boolean => {
    const left = history.flatMap((operation, index) => (isDone[index] ? [] : [{ operation, index }]))
    if (left.every(({ operation }) => operation.outcome === undefined)) return true
    const here = `${isDone.map(Number).join('')} ${model.describe(state)}`
    if (seen.has(here)) return false
    seen.add(here)
    // Whatever was called after another was answered comes after that.
    const firstAnswer = Math.min(...left.map(({ operation }) => operation.answered))
    const next = left.filter(({ operation }) => operation.invoked <= firstAnswer)
    if (order.length > longest.length || longest.length === 0) {
      longest = [...order]
      stuck = next.map(({ operation }) => operation)
    }
    const take = (operation: Operation<Call, Answer>, index: number, after: State): boolean => {
      isDone[index] = true
      order.push(operation)
      if (search(after)) return true
      order.pop()
      isDone[index] = false
      return false
    }
    const possible: { readonly operation: Operation<Call, Answer>; readonly index: number; readonly after: State }[] =
      []
    for (const { operation, index } of next.sort((a, b) => a.operation.answered - b.operation.answered)) {
      const after = model.apply(state, operation)
      // What is answered and changes nothing may as well come first: nothing that is left has to come before it.
      if (after === state && operation.outcome !== undefined) return take(operation, index, state)
      if (after !== undefined) possible.push({ operation, index, after })
    }
    return possible.some(({ operation, index, after }) => take(operation, index, after))
  }

  return search(initial) ? { order } : { longest, stuck }
}

/** A secret as a verb shows it; `payload` where it does. */
export interface Shown {
  readonly id: string
  readonly created: number
  readonly expires_at: number | null
  readonly payload?: string
}

export interface SetStep {
  readonly verb: 'set'
  readonly name: string
  readonly payload: string
  readonly expires_at: number | null
  /** It asks for its payload back, as text, which this one is not: it is refused when its turn has come. */
  readonly isRefused?: boolean
}

export interface DeleteStep {
  readonly verb: 'delete'
  readonly name: string
}

interface ReadManner {
  /** What it shows is of one moment, but for what has expired by the moment of its answer. */
  readonly expiresByAnswer?: boolean
}

type Step = SetStep | DeleteStep

/** What was asked of a store with a scope of few names. */
export type SecretCall =
  | Step
  | { readonly verb: 'batch'; readonly steps: readonly Step[] }
  | ({ readonly verb: 'get' | 'find'; readonly name: string } & ReadManner)
  | ({ readonly verb: 'list' } & ReadManner)
  /** The clock is put forward. */
  | { readonly verb: 'tick'; readonly now: number }

export type SecretAnswer =
  | Shown
  | string
  | undefined
  | readonly (Shown | undefined)[]
  /** Of `list`. */
  | ReadonlyMap<string, Shown>

/**
 * What there is, expired or not; `id` and `created` are not known of what was set by a call that was never answered.
 */
interface Entry {
  readonly id: string | undefined
  readonly created: number | undefined
  readonly expires_at: number | null
  readonly payload: string
}

export interface Secrets {
  /** Unix seconds. */
  readonly now: number
  readonly entries: ReadonlyMap<string, Entry>
}

export type SecretOperation = Operation<SecretCall, SecretAnswer> & {
  /** The clock at the call. */
  readonly calledAt: number
  /** The clock at the answer. */
  readonly answeredAt: number
}

/**
 * What a read says is gone must be gone at a moment at which everything else is as it says. A write looks at the clock
 * at its turn, and is seen by others only when it is durable: so by its clock it may be anywhere since its call.
 */
export const secretsModel: Model<Secrets, SecretCall, SecretAnswer> = {
  describe: ({ now, entries }) =>
    JSON.stringify([now, [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, entry]) => [name, entry])]),

  apply(state, operation) {
    const { call, outcome } = operation
    const { calledAt, answeredAt } = operation as SecretOperation
    if (call.verb === 'tick') return { ...state, now: call.now }
    if (call.verb === 'set' || call.verb === 'delete' || call.verb === 'batch') {
      const steps = call.verb === 'batch' ? call.steps : [call]
      const mustFail = steps.some((step) => step.verb === 'set' && step.isRefused)
      if (outcome !== undefined && 'refused' in outcome) return mustFail ? state : undefined
      if (mustFail) return outcome === undefined ? state : undefined
      const answer = outcome && (call.verb === 'batch' ? outcome.value : [outcome.value])
      return write(state, steps, answer as readonly (Shown | undefined)[] | undefined, calledAt)
    }
    if (outcome === undefined) return state
    return 'value' in outcome && isRight(state, call, outcome.value, answeredAt) ? state : undefined
  },
}

function write(
  state: Secrets,
  steps: readonly Step[],
  answer: readonly (Shown | undefined)[] | undefined,
  calledAt: number,
): Secrets | undefined {
  if (answer !== undefined && answer.length !== steps.length) return undefined
  const entries = new Map(state.entries)
  for (const [index, step] of steps.entries()) {
    const previous = entries.get(step.name)
    const shown = answer?.[index]
    // Either may be so for one that has expired since the call.
    const mayLive = previous !== undefined && !isExpired(previous, calledAt)
    const mayBeGone = previous === undefined || isExpired(previous, state.now)
    if (step.verb === 'delete') {
      const isPossible = shown === undefined ? mayBeGone : mayLive && isShown(previous, shown)
      if (answer !== undefined && !isPossible) return undefined
      entries.delete(step.name)
      continue
    }
    const { payload, expires_at } = step
    if (answer === undefined) {
      const { id, created } = mayLive ? previous : { id: undefined, created: undefined }
      entries.set(step.name, mayLive && mayBeGone ? unknown(step) : { id, created, expires_at, payload })
      continue
    }
    if (shown === undefined || shown.expires_at !== expires_at) return undefined
    const { id, created } = shown
    const isKept = mayLive && isShown({ ...previous, expires_at }, shown)
    const isNew = [...entries.values()].every((other) => other.id !== id)
    if (!isKept && !(mayBeGone && isNew && created >= calledAt && created <= state.now)) return undefined
    entries.set(step.name, { id, created, expires_at, payload })
  }
  return { ...state, entries }
}

function unknown({ payload, expires_at }: SetStep): Entry {
  return { id: undefined, created: undefined, expires_at, payload }
}

type Read = Extract<SecretCall, { verb: 'get' | 'find' | 'list' }>

function isRight({ now, entries }: Secrets, call: Read, answer: SecretAnswer, answeredAt: number): boolean {
  const live = (name: string): Entry | undefined => {
    const entry = entries.get(name)
    return entry === undefined || isExpired(entry, now) ? undefined : entry
  }
  if (call.verb === 'get') return live(call.name)?.payload === answer
  const page = call.verb === 'list' ? (answer as ReadonlyMap<string, Shown>) : new Map([[call.name, answer as Shown]])
  const names = call.verb === 'list' ? new Set([...entries.keys(), ...page.keys()]) : new Set([call.name])
  return [...names].every((name) => {
    const [entry, shown] = [live(name), page.get(name)]
    if (entry === undefined || shown !== undefined) return isSame(entry, shown)
    return call.expiresByAnswer === true && isExpired(entry, answeredAt)
  })
}

function isSame(entry: Entry | undefined, shown: Shown | undefined): boolean {
  return entry === undefined || shown === undefined ? (entry as unknown) === shown : isShown(entry, shown)
}

function isShown(entry: Entry, shown: Shown): boolean {
  return (
    (entry.id === undefined || entry.id === shown.id) &&
    (entry.created === undefined || entry.created === shown.created) &&
    entry.expires_at === shown.expires_at &&
    (shown.payload === undefined || entry.payload === shown.payload)
  )
}

function isExpired({ expires_at }: Entry, now: number): boolean {
  return expires_at !== null && expires_at <= now
}
