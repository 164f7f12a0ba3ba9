import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import {
  linearize,
  type SecretAnswer,
  type SecretOperation,
  type Secrets,
  type Shown,
  secretsModel,
} from './linearizable'
import { startChild } from './programs'
import { FIXED_MS, type Order, type Said, type Sharer } from './programs/sharer'

const SECONDS = FIXED_MS / 1000

/** A process of test/support/programs/sharer.ts, and all that it has said. */
export class SharerProcess {
  readonly number: number
  readonly child: ChildProcess
  /** Resolves when all of it is read; `true` if it closed its store. */
  readonly ended: Promise<boolean>
  readonly #waiting = new Map<string, () => void>()
  readonly #said = new Set<string>()
  /** Calls of the present round, by their ids. */
  readonly #operations = new Map<number, SecretOperation>()
  /** Secrets of its own: how many it has tried to set, and of which it knows that they are there. */
  tried = 0
  readonly acknowledged: number[] = []
  /** Events about everybody's own secrets, and gaps, in order. */
  readonly heard: string[] = []
  readonly refusals: string[] = []
  unknown = 0
  isReady = false
  isOver = false

  constructor(job: Sharer) {
    this.number = job.sharer
    this.child = startChild('sharer', ['share', JSON.stringify(job)])
    const lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      // Killed in the middle of a line, it had not said it.
      if (line.endsWith('}')) this.#hear(JSON.parse(line) as Said)
    })
    this.ended = new Promise((resolve) => {
      lines.once('close', () => {
        this.isOver = true
        for (const done of this.#waiting.values()) done()
        resolve(this.#said.has('closed'))
      })
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  order(order: Order): void {
    if (this.child.connected) this.child.send(order, () => {})
  }

  /** Resolves when it has said so, or has ended. */
  async until(what: string): Promise<void> {
    if (this.isOver || this.#said.has(what)) return
    await new Promise<void>((resolve) => this.#waiting.set(what, resolve))
  }

  /** The calls since it was asked last. */
  takeOperations(): SecretOperation[] {
    const taken = [...this.#operations.values()]
    this.#operations.clear()
    return taken
  }

  #hear(said: Said): void {
    if ('ready' in said) {
      this.isReady = true
      this.#tell('ready')
    } else if ('call' in said) {
      const { call, at } = said
      const operation = {
        call,
        invoked: at,
        answered: Infinity,
        outcome: undefined,
        calledAt: SECONDS,
        answeredAt: SECONDS,
      }
      this.#operations.set(said.id, operation)
    } else if ('answer' in said) {
      const operation = this.#operations.get(said.id) as SecretOperation
      const outcome = { value: answerOf(said.answer) }
      this.#operations.set(said.id, { ...operation, answered: said.at, outcome })
    } else if ('refused' in said) {
      // Nothing was done.
      this.#operations.delete(said.id)
      this.refusals.push(`${said.refused} ${said.message}`)
    } else if ('unknown' in said) this.unknown++
    else if ('tried' in said) this.tried = said.tried
    else if ('acknowledged' in said) this.acknowledged.push(said.acknowledged)
    else if ('heard' in said) this.heard.push(said.heard)
    else if ('done' in said) this.#tell(`done ${said.done}`)
    else if ('counted' in said) this.#tell('counted')
    else this.#tell('closed')
  }

  #tell(what: string): void {
    this.#said.add(what)
    this.#waiting.get(what)?.()
    this.#waiting.delete(what)
  }
}

/** JSON has no maps, and no `undefined`. */
function answerOf(answer: unknown): SecretAnswer {
  const { page, value } = answer as { page?: [string, Shown][]; value?: unknown }
  if (page !== undefined) return new Map(page)
  return (Array.isArray(value) ? value.map((one) => one ?? undefined) : (value ?? undefined)) as SecretAnswer
}

/** @throws {Error} No order of the calls explains the answers. */
export function expectLinearizable(initial: Secrets, operations: readonly SecretOperation[], what: string): void {
  const verdict = linearize(secretsModel, initial, operations)
  if ('order' in verdict) return
  const stuck = (verdict.stuck as readonly SecretOperation[]).map(told).join('\n')
  throw new Error(
    `${what}: no order of these explains the answers, from ${JSON.stringify([...initial.entries])}:\n` +
      `${operations.map(told).join('\n')}\nafter ${verdict.longest.length} of them one of\n${stuck}`,
  )
}

function told({ call, invoked, answered, outcome }: SecretOperation): string {
  const value = outcome && 'value' in outcome && outcome.value instanceof Map ? [...outcome.value] : outcome
  return JSON.stringify([invoked, answered, call, value]).replaceAll(/\.{9,}/g, '…')
}

/** What the last look of all has found. */
export function stateOf(operations: readonly SecretOperation[]): Secrets {
  const inTime = [...operations].sort((one, other) => one.invoked - other.invoked)
  const look = inTime.findLast(({ call, outcome }) => call.verb === 'list' && outcome !== undefined)
  if (look?.outcome === undefined || !('value' in look.outcome)) throw new Error('look: expected a page, got none')
  const page = look.outcome.value as ReadonlyMap<string, Shown>
  const entries = [...page].map(([name, { payload, ...shown }]) => [name, { ...shown, payload: `${payload}` }] as const)
  return { now: SECONDS, entries: new Map(entries) }
}

export const NOTHING: Secrets = { now: SECONDS, entries: new Map() }

/**
 * Holds what listeners heard against what was acknowledged: nobody hears a thing twice, or two things in another order
 * than somebody else, and whoever misses something was told of a gap.
 *
 * @returns What is wrong.
 */
export function wrongEvents(sharers: readonly Pick<SharerProcess, 'number' | 'heard' | 'acknowledged'>[]): string[] {
  const wrong: string[] = []
  const acknowledged = new Set(sharers.flatMap(({ number, acknowledged: all }) => all.map((n) => `${number}:${n}`)))
  for (const { number, heard } of sharers) {
    const names = heard.filter((name) => name !== 'gap')
    if (new Set(names).size !== names.length) wrong.push(`sharer ${number} heard something twice`)
    const last = new Map<string, number>()
    for (const name of heard) {
      if (name === 'gap') {
        last.clear()
        continue
      }
      const [writer, count] = name.split(':') as [string, string]
      const before = last.get(writer)
      last.set(writer, Number(count))
      for (let n = (before ?? Number(count)) + 1; n < Number(count); n++) {
        if (acknowledged.has(`${writer}:${n}`)) wrong.push(`sharer ${number} missed ${writer}:${n} without a gap`)
      }
      if (before !== undefined && before >= Number(count)) wrong.push(`sharer ${number} heard ${name} after ${before}`)
    }
  }
  for (const [index, one] of sharers.entries()) {
    const places = new Map(one.heard.map((name, place) => [name, place]))
    for (const other of sharers.slice(index + 1)) {
      let place = -1
      for (const name of other.heard) {
        const next = name === 'gap' ? undefined : places.get(name)
        if (next === undefined) continue
        if (next < place) wrong.push(`sharers ${one.number} and ${other.number} heard ${name} in different order`)
        place = next
      }
    }
  }
  return wrong
}
