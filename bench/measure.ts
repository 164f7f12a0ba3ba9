/** The clocks. A measurement is a warm-up and then calls until its time is up; answers are checked as they come. */

export type MaybePromise<T> = T | Promise<T>

/** Metric → number: `cpu` and `wall` in microseconds an operation; others are `label/cpu`, `label/wall`, `label/bytes`. */
export type Outcome = Readonly<Record<string, number>>

export interface Budget {
  readonly warmMs: number
  readonly runMs: number
}

/** What is done over and over. What `next` does is not on the clock. */
export interface Calls<Input, Answer> {
  next(): Input
  act(input: Input): MaybePromise<Answer>
  /** Must cost next to nothing: it is on the clock, the same for all. @throws If the answer is wrong. */
  check(answer: Answer, input: Input): void
  /** So many calls between two looks at the clock. */
  readonly chunk: number
  /** So many operations is one call. @defaultValue `1` */
  readonly operations?: number
}

/** CPU time is that of all threads of the process. */
export class Clock {
  #cpuMicros = 0
  #wallMicros = 0
  #calls = 0

  async run<Input, Answer>(inputs: readonly Input[], { act, check }: Calls<Input, Answer>): Promise<void> {
    const cpu = process.cpuUsage()
    const started = performance.now()
    for (const input of inputs) {
      const answer = act(input)
      check(answer instanceof Promise ? await answer : answer, input)
    }
    this.#wallMicros += (performance.now() - started) * 1000
    const spent = process.cpuUsage(cpu)
    this.#cpuMicros += spent.user + spent.system
    this.#calls += inputs.length
  }

  per(operationsPerCall: number): Outcome {
    const operations = this.#calls * operationsPerCall
    return { cpu: this.#cpuMicros / operations, wall: this.#wallMicros / operations, operations }
  }
}

/** Over and over, without a pause. */
export async function steady<Input, Answer>(calls: Calls<Input, Answer>, budget: Budget): Promise<Outcome> {
  await runFor(budget.warmMs, new Clock(), calls)
  const clock = new Clock()
  await runFor(budget.runMs, clock, calls)
  return clock.per(calls.operations ?? 1)
}

/** Once. */
export async function once<Answer>(
  act: () => MaybePromise<Answer>,
  check: (answer: Answer) => void,
  operations = 1,
): Promise<Outcome> {
  const clock = new Clock()
  await clock.run([undefined], { act, check, next: () => undefined, chunk: 1 })
  return clock.per(operations)
}

/**
 * A chunk of calls right after the opening, and again after the next opening: the store's own caches know nothing, the
 * code is warm. Opening and closing are not on the clock.
 */
export async function reopened<Store extends { close(): MaybePromise<void> }, Input, Answer>(
  open: () => MaybePromise<Store>,
  callsOf: (store: Store) => Calls<Input, Answer>,
  budget: Budget,
): Promise<Outcome> {
  const started = performance.now()
  let clock = new Clock()
  let warm = false
  let operations = 1
  for (let runs = 0; runs < 2 || performance.now() - started < budget.warmMs + budget.runMs; runs++) {
    if (!warm && runs > 0 && performance.now() - started >= budget.warmMs) {
      warm = true
      clock = new Clock()
    }
    const store = await open()
    const calls = callsOf(store)
    operations = calls.operations ?? 1
    await clock.run(inputsOf(calls), calls)
    await store.close()
  }
  return clock.per(operations)
}

async function runFor<Input, Answer>(ms: number, clock: Clock, calls: Calls<Input, Answer>): Promise<void> {
  const started = performance.now()
  do await clock.run(inputsOf(calls), calls)
  while (performance.now() - started < ms)
}

function inputsOf<Input>({ next, chunk }: Pick<Calls<Input, unknown>, 'next' | 'chunk'>): Input[] {
  return Array.from({ length: chunk }, next)
}
