import type { ChildProcess } from 'node:child_process'
import type { Workers } from '../workers'
import type { Done, Order } from './member'

/** What a fleet did together. */
export interface Together {
  /** Calls a second, of all processes. */
  readonly rate: number
  /** Of all processes, in microseconds a call. */
  readonly cpu: number
  /** Of that, what a process spends that only serves the others; 0 if there is none. */
  readonly servingCpu: number
  /** How long a call took in the first process that worked, and in the last one: medians, in milliseconds. */
  readonly firstMs: number
  readonly lastMs: number
  /** The slowest call of all. */
  readonly slowestMs: number
}

export interface FleetOptions {
  readonly contender: string
  readonly directory: string
  readonly secrets: number
  /** How many work. */
  readonly processes: number
  /** Whether one more opens first, and does nothing but what the others ask of it. */
  readonly served: boolean
  readonly round: number
}

/** Processes that have one store open, of which the first has opened it first. */
export class Fleet {
  readonly #members: readonly ChildProcess[]

  private constructor(members: readonly ChildProcess[]) {
    this.#members = members
  }

  static async start(workers: Workers, { processes, served, round, ...place }: FleetOptions): Promise<Fleet> {
    const members: ChildProcess[] = []
    for (let number = served ? 0 : 1; number <= processes; number++) {
      const member = workers.member({ ...place, idle: number === 0, seed: 1000 * round + number })
      members.push(member)
      await said(member)
    }
    return new Fleet(members)
  }

  /** All do the same at the same time. */
  async perform(order: Order): Promise<Together> {
    const all = (await Promise.all(
      this.#members.map((member) => {
        const done = said(member)
        member.send(order)
        return done
      }),
    )) as Done[]
    const working = all.filter(({ operations }) => operations > 0)
    const serving = all.filter((done) => done.operations === 0)
    const operations = working.reduce((sum, done) => sum + done.operations, 0)
    // Each is measured for as long as it takes, and pays for calls of the others meanwhile.
    const cpuAMs = all.reduce((sum, { cpuMicros, wallMs }) => sum + cpuMicros / wallMs, 0)
    const callsAMs = working.reduce((sum, done) => sum + done.operations / done.wallMs, 0)
    if (operations === 0) throw new Error('fleet: expected calls, got none')
    return {
      rate: callsAMs * 1000,
      cpu: cpuAMs / callsAMs,
      servingCpu: serving.reduce((sum, { cpuMicros, wallMs }) => sum + cpuMicros / wallMs, 0) / callsAMs,
      firstMs: working[0]?.medianMs ?? 0,
      lastMs: working.at(-1)?.medianMs ?? 0,
      slowestMs: Math.max(...working.map(({ slowestMs }) => slowestMs)),
    }
  }

  /** The last one first: nobody has to take over. */
  async end(): Promise<void> {
    for (const member of [...this.#members].reverse()) {
      if (member.exitCode !== null) continue
      const ended = new Promise((resolve) => member.once('exit', resolve))
      member.send('end')
      await ended
    }
  }
}

/** @throws If the process ends. */
function said(member: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`fleet: expected an answer, got exit code ${code}`))
    member.once('exit', onExit)
    member.once('message', (message) => {
      member.off('exit', onExit)
      resolve(message)
    })
  })
}
