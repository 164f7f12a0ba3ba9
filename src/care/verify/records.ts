import { equal, toBase64url } from '../../base/bytes'
import type { Shortlist } from '../../base/shortlist'
import type { Head } from '../../format/head'
import type { StoredRecord } from '../../format/record'
import type { Row } from '../../storage/engine'
import { payloadRow } from '../../storage/keyspace'
import { openPayload, openRecord } from '../../storage/records'
import { RecordTally, type StepLimits } from '../../storage/tally'
import { kindOfFailure, messageOf, type Verifiable, type VerifyProblem } from './report'
import { type Counts, count, leadingRows, noCounts } from './secondary-rows'

const STEP: StepLimits = { rows: 64, bytes: 1024 * 1024 }

/** Checks all records, some at a time; between the steps writes go on, of which it is told. */
export class RecordCheck {
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
    this.#tally = new RecordTally(context, ({ previous, next }) => {
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
    if (await this.#tally.step(STEP, (row) => this.#check(row))) return true
    const problem = setProblem(this.#context.queue.head, this.#tally)
    if (problem !== undefined) this.#problems.add(problem)
    return false
  }

  /** @returns How many bytes were read besides the row; `undefined` for a record that does not open. */
  async #check(row: Row): Promise<number | undefined> {
    let record: StoredRecord
    try {
      record = openRecord(this.#context.keyring, row.key, row.value)
    } catch (error) {
      const rowKey = toBase64url(row.key)
      this.#problems.add({ kind: kindOfFailure(error), what: 'record', message: messageOf(error), rowKey })
      return undefined
    }
    count(this.expected, record, 1)
    await this.#checkSecondaryRows(row, record)
    await this.#checkPlace(row, record)
    return this.#checkPayload(row, record)
  }

  /** Every record has its id row and its expiry row. */
  async #checkSecondaryRows(row: Row, record: StoredRecord): Promise<void> {
    for (const { what, key } of leadingRows(record)) {
      const value = await this.#context.engine.get(key)
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
    const lookedUp = await this.#context.engine.get(row.key)
    if (lookedUp === undefined || !equal(lookedUp, row.value)) {
      altered('record: expected to find it by its key, too, got another or none')
    }
    if (!equal(this.#context.keyspace.record(record.address).bytes, row.key)) {
      altered('record: expected it at its own address, got another')
    }
    if (record.revision > this.#context.queue.head.sequence) {
      altered('record: expected a revision that the head has come to, got a later one')
    }
  }

  /** @returns How many bytes were read. */
  async #checkPayload(row: Row, record: StoredRecord): Promise<number> {
    if (!('tag' in record.payload)) return 0
    const value = await this.#context.engine.get(payloadRow(row.key))
    try {
      openPayload(this.#context.keyring, row.key, record, value)
    } catch (error) {
      this.absent.payload++
      const kind = value === undefined ? 'missing' : kindOfFailure(error)
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
