import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SecretStore } from '../../../src/index'
import {
  CREATED,
  type Effect,
  type Event,
  FIRST_KEY,
  FIRST_LABELS,
  FIRST_STATE,
  GIVEN_BACKUP,
  NEW_BACKUP,
  openAt,
  RECOVERED,
  RESTORED,
  type Secrets,
  STORE,
  secretsOf,
} from './operations'

/** What was promised in an attempt, held against what is on disk after it. */

export interface Circumstances {
  /** The process lived to the end of the attempt. */
  readonly survived: boolean
  /** Nothing was to fail: it was late or in pieces at most, or not reached. */
  readonly harmless: boolean
  /** What was begun could be cleared away again: one call failed, and not one that removes. */
  readonly tidy: boolean
}

interface Step {
  readonly what: string
  readonly effect: Effect
  outcome: string
  /** When it began, a failed write had been reported. */
  readonly afterFailure: boolean
}

/** `ERR_` and so on, whatever it is. */
const CODE = /^ERR_[A-Z_]+$/
/** Above it, not every way in which the doubtful steps may have gone is looked at. */
const MOST_DOUBTFUL = 12

/** @returns What is wrong; nothing, as a rule. */
export async function judge(directory: string, events: readonly Event[], how: Circumstances): Promise<string[]> {
  const history = new History(how)
  for (const event of events) history.take(event)
  history.takeEnd()
  const made = [CREATED, RESTORED, RECOVERED, NEW_BACKUP]
  return [
    ...history.complaints,
    ...(await judgeStore(join(directory, STORE), history)),
    ...(await judgeMade(join(directory, CREATED), new Map(), history.isDone(CREATED))),
    ...(await judgeMade(join(directory, RESTORED), FIRST_STATE, history.isDone(RESTORED))),
    ...(await judgeMade(join(directory, RECOVERED), FIRST_STATE, history.isDone(RECOVERED))),
    ...(await judgeBackup(directory, history)),
    ...(how.tidy ? await leftovers(directory, [STORE, GIVEN_BACKUP, ...made]) : []),
  ]
}

class History {
  readonly complaints: string[] = []
  readonly #how: Circumstances
  readonly #steps: Step[] = []

  constructor(how: Circumstances) {
    this.#how = how
  }

  take(event: Event): void {
    if ('begun' in event) {
      const afterFailure = this.#hasFailed()
      this.#steps[event.number] = { what: event.begun, effect: event.effect, outcome: 'pending', afterFailure }
    } else if ('ended' in event) {
      const step = this.#steps[event.ended] as Step
      step.outcome = event.outcome
      this.#checkOutcome(step)
    } else {
      this.#checkAnswers(event.saw)
    }
  }

  takeEnd(): void {
    if (!this.#how.survived) return
    for (const { what, outcome } of this.#steps) {
      if (outcome === 'pending') this.complaints.push(`${what}: expected an end, got none`)
    }
  }

  isDone(what: string): boolean {
    return this.#steps.some((step) => step.what === what && step.outcome === 'done')
  }

  /** Whether these secrets are what some possible course of the steps makes, and whether these keys are. */
  explains(secrets: Secrets, labels?: readonly string[]): boolean {
    const sought = JSON.stringify([...secrets].sort())
    const soughtLabels = labels && JSON.stringify([...labels].sort())
    const doubtful = this.#steps.filter(isDoubtful).slice(-MOST_DOUBTFUL)
    for (let course = 0; course < 2 ** doubtful.length; course++) {
      const state = new Map(FIRST_STATE)
      let keys = FIRST_LABELS
      for (const step of this.#steps) {
        const index = doubtful.indexOf(step)
        if (index < 0 ? step.outcome !== 'done' : (course & (1 << index)) === 0) continue
        apply(state, step.effect)
        keys = step.effect.keys ?? keys
      }
      if (JSON.stringify([...state].sort()) !== sought) continue
      if (soughtLabels === undefined || JSON.stringify([...keys].sort()) === soughtLabels) return true
    }
    return false
  }

  #hasFailed(): boolean {
    return this.#steps.some(({ outcome }) => outcome === 'ERR_FAILED')
  }

  #checkOutcome({ what, outcome, afterFailure, effect }: Step): void {
    if (outcome !== 'done' && !CODE.test(outcome)) this.complaints.push(`${what}: expected a code, got ${outcome}`)
    if (this.#how.harmless && outcome !== 'done') this.complaints.push(`${what}: expected no failure, got ${outcome}`)
    if (afterFailure && Object.keys(effect.secrets ?? {}).length > 0 && outcome !== 'ERR_FAILED') {
      this.complaints.push(`${what}: expected ERR_FAILED after a failed write, got ${outcome}`)
    }
  }

  /** An error is an answer, a payload that cannot be is none. */
  #checkAnswers(saw: Readonly<Record<string, string>>): void {
    const answered = Object.entries(saw).filter(([, answer]) => !CODE.test(answer))
    for (const [name, answer] of answered) {
      if (!this.#possibleAnswers(name).has(answer)) {
        this.complaints.push(`${name}: expected ${[...this.#possibleAnswers(name)].join(' or ')}, got ${answer}`)
      }
    }
  }

  #possibleAnswers(name: string): ReadonlySet<string> {
    let answers = new Set([FIRST_STATE.get(name) ?? 'absent'])
    for (const step of this.#steps) {
      const then = step.effect.secrets?.[name]
      if (then === undefined) continue
      if (step.outcome === 'done') answers = new Set([then ?? 'absent'])
      else if (isDoubtful(step)) answers.add(then ?? 'absent')
    }
    return answers
  }
}

/** Whether it may have taken effect or not. Other codes than `ERR_FAILED` say that it has not. */
function isDoubtful({ outcome, afterFailure, effect }: Step): boolean {
  if (outcome === 'done' || afterFailure) return false
  return outcome === 'pending' || outcome === 'ERR_FAILED' || effect.partly === true
}

function apply(state: Map<string, string>, { secrets }: Effect): void {
  for (const [name, text] of Object.entries(secrets ?? {})) {
    if (text === null) state.delete(name)
    else state.set(name, text)
  }
}

/** The store as it was left opens, holds what it must, and goes on. */
async function judgeStore(location: string, history: History): Promise<string[]> {
  try {
    const store = await openAt(location)
    try {
      const secrets = await secretsOf(store)
      const labels = store.keys().map(({ label }) => label as string)
      const { ok, problems } = await store.verify()
      await store.sweep()
      return [
        ...(history.explains(secrets, labels)
          ? []
          : [`expected what the history makes, got ${listed(secrets, labels)}`]),
        ...(ok ? [] : problems.map(({ message }) => `verify: ${message}`)),
      ]
    } finally {
      await store.close()
    }
  } catch (error) {
    return [`expected the store to open and go on, got ${error} (${(error as Error).cause})`]
  }
}

function listed(secrets: Secrets, labels: readonly string[]): string {
  return `${JSON.stringify(Object.fromEntries([...secrets].sort()))} under keys ${labels}`
}

/** A store that was to be made: there is nothing, or all of it. */
async function judgeMade(location: string, expected: Secrets, done: boolean): Promise<string[]> {
  const entries = await readdir(location).catch(() => [])
  if (entries.length === 0) return done ? [`${location}: expected a store, got none`] : []
  try {
    const store = await openAt(location)
    try {
      const secrets = await secretsOf(store)
      const { ok } = await store.verify()
      const same = JSON.stringify([...secrets].sort()) === JSON.stringify([...expected].sort())
      return ok && same ? [] : [`${location}: expected a whole store, got ${listed(secrets, [])}`]
    } finally {
      await store.close()
    }
  } catch (error) {
    return [`${location}: expected nothing or a whole store, got ${error}`]
  }
}

async function judgeBackup(directory: string, history: History): Promise<string[]> {
  const path = join(directory, NEW_BACKUP)
  const there = await lstat(path).then(
    () => true,
    () => false,
  )
  if (!there) return history.isDone(NEW_BACKUP) ? ['expected a backup, got none'] : []
  const restored = join(directory, `${NEW_BACKUP}-restored`)
  try {
    await SecretStore.restore(path, restored, { key: FIRST_KEY })
    const store = await openAt(restored)
    const secrets = await secretsOf(store)
    await store.close()
    // What was written after it is not in it.
    const same = JSON.stringify([...secrets].sort()) === JSON.stringify([...FIRST_STATE].sort())
    return same ? [] : [`expected a backup of the first state, got ${listed(secrets, [])}`]
  } catch (error) {
    return [`expected no backup or a whole one, got ${error}`]
  }
}

async function leftovers(directory: string, known: readonly string[]): Promise<string[]> {
  const names = await readdir(directory)
  return names
    .filter((name) => !known.includes(name) && name !== `${NEW_BACKUP}-restored`)
    .map((name) => `expected nothing left behind, got ${name}`)
}
