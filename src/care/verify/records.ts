import { equal, toBase64url } from '../../base/bytes'
import type { Shortlist } from '../../base/shortlist'
import type { Head } from '../../format/head'
import type { StoredRecord } from '../../format/record'
import type { Row } from '../../storage/engine'
import { payloadRow } from '../../storage/keyspace'
import { getNow, openPayload, openRecord } from '../../storage/records'
import { RecordTally } from '../../storage/tally'
import { type Counts, count, hintRows, noCounts } from './hints'
import { messageOf, type VerifyProblem } from './report'
import type { Verifiable } from './verifiable'

/** Bound how long writers wait for one step, and what is held in memory. */
const STEP_ROWS = 64
const STEP_BYTES: number = 1024 * 1024

/** Goes over all records, some at a time; between the steps writes go on, of which it is told. */
export class RecordWalk {
  /** The secondary rows that the authentic records should have. */
  readonly expected: Counts = noCounts()
  /** Of how many of them it is known that they are not there, or not right. */
  readonly absent: Counts = noCounts()
  readonly #context: Verifiable
  readonly #problems: Shortlist<VerifyProblem>
  readonly #tally: RecordTally

  constructor(context: Verifiable, problems: Shortlist<VerifyProblem>) {
    this.#context = context
    this.#problems = problems
    this.#tally = new RecordTally(context.keyring, context.queue, ({ previous, next }) => {
      if (previous !== undefined) count(this.expected, previous.record, -1)
      if (next !== undefined) count(this.expected, next.record, 1)
    })
  }

  /** How many records were found authentic. */
  get authentic(): number {
    return this.#tally.count
  }

  /** How many were seen. */
  get seen(): number {
    return this.#tally.count + this.#tally.passed
  }

  stop(): void {
    this.#tally.stop()
  }

  /** One step, at a turn of the queue. @returns Whether there is more. */
  async step(): Promise<boolean> {
    const rows = await this.#context.engine.scan({ ...this.#tally.ahead, limit: STEP_ROWS })
    let bytes = 0
    for (const row of rows) {
      bytes += await this.#check(row)
      if (bytes >= STEP_BYTES) return true
    }
    if (rows.length === STEP_ROWS) return true
    this.#tally.meetEnd()
    const problem = setProblem(this.#context.queue.head, this.#tally)
    if (problem !== undefined) this.#problems.add(problem)
    return false
  }

  /** @returns How many bytes were read. */
  async #check(row: Row): Promise<number> {
    let record: StoredRecord
    try {
      record = openRecord(this.#context.keyring, row.key, row.value)
    } catch (error) {
      const rowKey = toBase64url(row.key)
      this.#problems.add({ kind: 'altered', what: 'record', message: messageOf(error), rowKey })
      this.#tally.pass(row)
      return row.value.length
    }
    this.#tally.meet(row)
    count(this.expected, record, 1)
    await this.#checkHints(row, record)
    await this.#checkPlace(row, record)
    return row.value.length + (await this.#checkPayload(row, record))
  }

  /** Every record has its id row and its expiry row. */
  async #checkHints(row: Row, record: StoredRecord): Promise<void> {
    for (const { what, key } of hintRows(record)) {
      const value = await getNow(this.#context.engine, key)
      if (value !== undefined && equal(value, row.key)) continue
      this.absent[what]++
      const message = `${what} row: expected one that leads to its secret, got another or none`
      this.#add(row, record, { kind: value === undefined ? 'missing' : 'altered', what, message })
    }
  }

  /** It is found where it is, belongs there, and is none of the future. */
  async #checkPlace(row: Row, record: StoredRecord): Promise<void> {
    const altered = (message: string): void => this.#add(row, record, { kind: 'altered', what: 'record', message })
    // A damaged index of a table, or its filter, can hide from a look-up what a walk meets.
    const lookedUp = await getNow(this.#context.engine, row.key)
    if (lookedUp === undefined || !equal(lookedUp, row.value)) {
      altered('record: expected to find it by its key, too, got another or none')
    }
    if (!equal(this.#context.keyspace.record(record.address), row.key)) {
      altered('record: expected it at its own address, got another')
    }
    if (record.revision > this.#context.queue.head.sequence) {
      altered('record: expected a revision that the head has come to, got a later one')
    }
  }

  /** @returns How many bytes were read. */
  async #checkPayload(row: Row, record: StoredRecord): Promise<number> {
    if (!('tag' in record.payload)) return 0
    const value = await getNow(this.#context.engine, payloadRow(row.key))
    try {
      openPayload(this.#context.keyring, row.key, record, value)
    } catch (error) {
      this.absent.payload++
      const kind = value === undefined ? 'missing' : 'altered'
      this.#add(row, record, { kind, what: 'payload', message: messageOf(error) })
    }
    return value?.length ?? 0
  }

  #add(row: Row, { id, address }: StoredRecord, problem: VerifyProblem): void {
    this.#problems.add({ ...problem, id, name: address.name, scope: address.scope, rowKey: toBase64url(row.key) })
  }
}

/** All records together are the ones the head was sealed over. */
function setProblem(head: Head, tally: RecordTally): VerifyProblem | undefined {
  const found = tally.count + tally.passed
  const message = `records: expected ${head.count}, got ${found}`
  if (found < head.count) return { kind: 'missing', what: 'records', message }
  if (found > head.count) return { kind: 'stray', what: 'records', message }
  if (tally.passed > 0 || tally.isComplete()) return undefined
  return {
    kind: 'altered',
    what: 'records',
    message: 'records: expected the last version of each, got an older one of at least one',
  }
}
