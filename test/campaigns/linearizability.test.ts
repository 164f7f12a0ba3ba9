import { expect, test, vi } from 'vitest'
import {
  account,
  type BatchOperation,
  type OpenOptions,
  type Secret,
  SecretStore,
  SecretStoreError,
} from '../../src/index'
import { LevelEngine } from '../../src/storage/level/engine'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import {
  linearize,
  type Outcome,
  type SecretAnswer,
  type SecretCall,
  type SecretOperation,
  type Secrets,
  type SetStep,
  type Shown,
  secretsModel,
} from '../support/linearizable'
import { newLocation, openStore, TestClock } from '../support/stores'

/** Few, so that callers meet. */
const NAMES = ['a', 'a\0', 'b', 'c'] as const
const CALLERS = 6
const CALLS = 7
const ROUNDS: number = times(40, 5000)
const LARGE_BYTES = 1500
/** A page is of the moment of its scan, and is held against the clock a little later. */
const expiresByAnswer = true
/** Not text, so that a set that wants it back as such is refused, after it has put it. */
const NO_TEXT = Uint8Array.of(0xff)

type Step = Extract<SecretCall, { verb: 'set' | 'delete' }>

/** Keeps what is called and answered, by a clock of its own that no two events share. */
class Recorder {
  readonly operations: SecretOperation[] = []
  readonly #clock: TestClock
  #time = 0

  constructor(clock: TestClock) {
    this.#clock = clock
  }

  /** What the store refuses is an answer; anything that it may not throw is thrown on. */
  async record(
    calls: readonly SecretCall[],
    work: () => Promise<readonly SecretAnswer[] | undefined>,
    mayRefuse = false,
  ): Promise<void> {
    const [invoked, calledAt] = [this.#time++, this.#clock.seconds]
    const outcomes = await work().then(
      (answers) => answers?.map((value): Outcome<SecretAnswer> => ({ value })),
      (error: Error): readonly Outcome<SecretAnswer>[] => {
        if (!mayRefuse || !(error instanceof TypeError)) throw error
        return calls.map(() => ({ refused: 'TypeError' }))
      },
    )
    const [answered, answeredAt] = [this.#time++, this.#clock.seconds]
    for (const [index, call] of calls.entries()) {
      const outcome = outcomes?.[index]
      if (outcome !== undefined) this.operations.push({ call, invoked, answered, outcome, calledAt, answeredAt })
    }
  }

  tick(): void {
    this.#clock.advanceSeconds(1)
    const [at, now] = [this.#time++, this.#clock.seconds]
    const outcome = { value: undefined }
    this.operations.push({
      call: { verb: 'tick', now },
      invoked: at,
      answered: at,
      outcome,
      calledAt: now,
      answeredAt: now,
    })
  }
}

function shownOf<S extends Secret | undefined>(secret: S): Shown | (S & undefined) {
  if (secret === undefined) return undefined as Shown | (S & undefined)
  const { id, created, expires_at, payload } = secret
  return { id, created, expires_at, ...(payload === undefined ? {} : { payload }) }
}

function operationOf(step: Step): BatchOperation {
  const target = { scope: account, name: step.name }
  if (step.verb === 'delete') return { type: 'delete', ...target }
  const { payload, expires_at, isRefused } = step
  return isRefused
    ? { type: 'set', ...target, payload: NO_TEXT, expires_at, expand: ['payload'] }
    : { type: 'set', ...target, payload, expires_at }
}

/** Callers of one store: what each does is drawn, what the others do meanwhile is up to them. */
class Callers {
  readonly recorder: Recorder
  readonly #store: SecretStore
  readonly #draws: Draws
  readonly #clock: TestClock
  readonly #nextPayload: () => string

  constructor(store: SecretStore, draws: Draws, clock: TestClock, nextPayload: () => string) {
    this.#store = store
    this.#draws = draws
    this.#clock = clock
    this.#nextPayload = nextPayload
    this.recorder = new Recorder(clock)
  }

  /** One after the other, with pauses here and there. */
  async caller(): Promise<void> {
    for (let call = 0; call < CALLS; call++) {
      for (let pause = this.#draws.below(3); pause > 0; pause--) await new Promise(setImmediate)
      await this.#callOnce()
    }
  }

  /** What goes on behind the callers, and may not show. */
  async keeper(): Promise<void> {
    for (let turn = this.#draws.below(4); turn > 0; turn--) {
      const work = this.#draws.below(12)
      if (work < 6) await this.#store.sweep()
      else if (work < 8) await this.#store.compact()
      else if (work < 9) await this.#store.rotate()
      else if (work < 10) await this.#store.verify()
      else await new Promise(setImmediate)
    }
  }

  /** With nobody else about. What is there, as the next round finds it. */
  async lookAtAll(): Promise<Secrets> {
    const list: SecretCall = { verb: 'list' }
    let page = new Map<string, Shown>()
    await this.recorder.record([list], async () => {
      page = await this.#page(true)
      return [page]
    })
    for (const name of NAMES) await this.#get(name)
    const entries = [...page].map(
      ([name, { payload, ...shown }]) => [name, { ...shown, payload: `${payload}` }] as const,
    )
    return { now: this.#clock.seconds, entries: new Map(entries) }
  }

  async #callOnce(): Promise<void> {
    const { recorder } = this
    const name = this.#draws.pick(NAMES)
    const target = { scope: account, name }
    const kind = this.#draws.below(100)
    if (kind < 6) return recorder.tick()
    if (kind < 30) {
      const call = this.#set(name)
      return recorder.record([call], async () => [shownOf(await this.#submit(call))], true)
    }
    if (kind < 42) {
      const call: SecretCall = { verb: 'delete', name }
      return recorder.record([call], async () => [shownOf(await this.#submit(call))])
    }
    if (kind < 52) {
      const steps = Array.from({ length: 1 + this.#draws.below(3) }, () => this.#step())
      const work = async (): Promise<SecretAnswer[]> => [
        (await this.#store.batch(steps.map(operationOf))).map((secret) => shownOf(secret)),
      ]
      return recorder.record([{ verb: 'batch', steps }], work, true)
    }
    if (kind < 66) return this.#get(name)
    if (kind < 76)
      return recorder.record([{ verb: 'find', name }], async () => [shownOf(await this.#store.find(target))])
    if (kind < 80) {
      const work = async (): Promise<SecretAnswer[]> => [
        shownOf(await this.#store.find({ ...target, expand: ['payload'] })),
      ]
      return recorder.record([{ verb: 'find', name }], work)
    }
    if (kind < 86) return this.#findNow(name)
    if (kind < 97) {
      return recorder.record([{ verb: 'list', expiresByAnswer }], async () => [await this.#page(false)])
    }
    // With payloads it reads one secret after the other, so each by itself is as it was at some time during the call.
    const finds = NAMES.map((each): SecretCall => ({ verb: 'find', name: each, expiresByAnswer }))
    return recorder.record(finds, async () => {
      const page = await this.#page(true)
      return NAMES.map((each) => page.get(each))
    })
  }

  #submit(step: Step): Promise<Secret | undefined> {
    const operation = operationOf(step)
    if (operation.type === 'delete') return this.#store.delete({ scope: account, name: step.name })
    const { type: _, ...params } = operation
    return this.#store.set(params)
  }

  #step(): Step {
    const name = this.#draws.pick(NAMES)
    return this.#draws.below(3) === 0 ? { verb: 'delete', name } : this.#set(name)
  }

  #set(name: string): SetStep {
    const payload = this.#nextPayload().padEnd(this.#draws.below(3) === 0 ? LARGE_BYTES : 0, '.')
    const expires_at = this.#draws.below(3) === 0 ? this.#clock.seconds + 1 + this.#draws.below(3) : null
    const step = { verb: 'set', name, payload, expires_at } as const
    return this.#draws.below(12) === 0 ? { ...step, isRefused: true } : step
  }

  #get(name: string): Promise<void> {
    return this.recorder.record([{ verb: 'get', name }], async () => [await this.#store.get({ scope: account, name })])
  }

  /** Without a promise; there is no answer while the files are closed for a moment. */
  #findNow(name: string): Promise<void> {
    return this.recorder.record([{ verb: 'find', name }], async () => {
      try {
        return [shownOf(this.#store.findSync({ scope: account, name }))]
      } catch (error) {
        if (error instanceof SecretStoreError && error.code === 'ERR_BUSY') return undefined
        throw error
      }
    })
  }

  async #page(expand: boolean): Promise<Map<string, Shown>> {
    const { data } = await this.#store.list({
      scope: account,
      limit: 100,
      ...(expand ? { expand: ['data.payload'] as const } : {}),
    })
    return new Map(data.map((secret) => [secret.name, shownOf(secret)]))
  }
}

interface Round {
  readonly initial: Secrets
  readonly operations: readonly SecretOperation[]
}

function told(operations: readonly SecretOperation[]): string {
  return operations
    .map(({ call, invoked, answered, outcome, calledAt }) => {
      const value = outcome && 'value' in outcome && outcome.value instanceof Map ? [...outcome.value] : outcome
      return JSON.stringify([invoked, answered, calledAt, call, value]).replaceAll(/\.{9,}/g, '…')
    })
    .join('\n')
}

function expectLinearizable({ initial, operations }: Round, what: string): void {
  const verdict = linearize(secretsModel, initial, operations)
  if ('order' in verdict) return
  const from = JSON.stringify([...initial.entries]).replaceAll(/\.{9,}/g, '…')
  throw new Error(
    `${what}: no order of these explains the answers, from ${from}:\n` +
      `${told(verdict.longest as readonly SecretOperation[])}\nand next one of\n` +
      `${told(verdict.stuck as readonly SecretOperation[])}\nof all\n${told(operations)}`,
  )
}

/** Histories that are wrong, made of one that is right: each says of one answer what cannot be. */
function* wrongOnes({ operations }: Round, draws: Draws): Generator<readonly SecretOperation[]> {
  const changed = (at: SecretOperation, by: Partial<SecretOperation>): readonly SecretOperation[] =>
    operations.map((operation) => (operation === at ? { ...operation, ...by } : operation))
  const reads = operations.filter(({ call, outcome }) => call.verb === 'get' && outcome && 'value' in outcome)
  if (reads.length === 0) return
  const read = draws.pick(reads)
  yield changed(read, { outcome: { value: 'never set' } })
  // The last reads of all have nothing beside them, and a list of everything before them.
  const last = operations.at(-1) as SecretOperation
  yield changed(last, {
    outcome: { value: last.outcome && 'value' in last.outcome && last.outcome.value ? undefined : '1' },
  })
  for (const { call, outcome, invoked } of operations) {
    if (call.verb !== 'set' || call.isRefused || outcome === undefined) continue
    const reader = reads.find(({ outcome }) => outcome && 'value' in outcome && outcome.value === call.payload)
    if (reader === undefined) continue
    yield operations.filter(({ call: other }) => other !== call) // it was read, but never set
    yield changed(reader, { invoked: invoked - 0.8, answered: invoked - 0.6 }) // it was read before it was set
    break
  }
}

const SUBJECTS: readonly {
  readonly of: string
  readonly engine: 'LevelDB' | 'memory'
  readonly options: Partial<OpenOptions>
}[] = [
  { of: 'LevelDB', engine: 'LevelDB', options: {} },
  { of: 'LevelDB with sealed names', engine: 'LevelDB', options: { names: 'sealed' } },
  // So little is known of records that most is forgotten while it is used.
  { of: 'LevelDB with a small index', engine: 'LevelDB', options: { indexBytes: 1200 } },
  { of: 'memory', engine: 'memory', options: {} },
]

test.each(SUBJECTS)(
  'what callers of $of are answered at once is what one after the other could be',
  {
    timeout: 3 * 3_600_000,
  },
  async ({ of, engine, options: given }) => {
    await campaign('campaigns/linearizability.test.ts', async (draws, seed) => {
      const clock = new TestClock()
      const errors: unknown[] = []
      const options = {
        now: clock.now,
        onError: (error: unknown): void => void errors.push(error),
        ...given,
      }
      const store =
        engine === 'LevelDB'
          ? await openStore(await newLocation(), options)
          : SecretStore.memory({ ...options, sweepIntervalMs: 0, compactIntervalMs: 0 })
      let payloads = 0
      let checked = 0
      let rejected = 0
      let initial: Secrets = { now: clock.seconds, entries: new Map() }
      const progress = progressOf(`linearizability of ${of}`)
      for (let number = 0; number < ROUNDS; number++) {
        const callers = new Callers(store, draws, clock, () => `p${payloads++}`)
        await Promise.all([callers.keeper(), ...Array.from({ length: CALLERS }, () => callers.caller())])
        const next = await callers.lookAtAll()
        const round = { initial, operations: callers.recorder.operations }
        expectLinearizable(round, `seed ${seed}, round ${number}`)
        checked += round.operations.length
        if (number % 10 === 0) {
          for (const wrong of wrongOnes(round, draws)) {
            expect('order' in linearize(secretsModel, initial, wrong), `a wrong history of round ${number}`).toBe(false)
            rejected++
          }
        }
        initial = next
        progress(number, ROUNDS)
      }
      expect(errors).toEqual([])
      expect((await store.verify()).ok).toBe(true)
      await store.close()
      conclude(`linearizability of ${of}`, {
        rounds: ROUNDS,
        'operations checked': checked,
        'wrong histories rejected': rejected,
      })
    })
  },
)

test('a secret that is replaced before its time is on a page that is being read when that time comes', async () => {
  const clock = new TestClock()
  const store = await openStore(await newLocation(), { now: clock.now, indexBytes: 0 })
  const target = { scope: account, name: 'renewed' }
  await store.set({ ...target, payload: 'old', expires_at: clock.seconds + 1 })
  const { scan } = LevelEngine.prototype
  vi.spyOn(LevelEngine.prototype, 'scan').mockImplementationOnce(async function (this: LevelEngine, range) {
    const rows = await scan.call(this, range)
    await store.set({ ...target, payload: 'new' })
    clock.advanceSeconds(1)
    return rows
  })
  const { data } = await store.list({ scope: account })
  expect(data.map(({ name }) => name)).toEqual(['renewed'])
})
