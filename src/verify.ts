import { concat, equal, toBase64url } from './bytes'
import type { StoreContext } from './context'
import { addElement } from './crypto/set-hash'
import { SecretStoreError } from './errors'
import { ROW } from './format/constants'
import type { Head } from './format/head'
import type { StoredRecord } from './format/record'
import type { Scope } from './model'
import type { Progress } from './progress'
import type { Row } from './storage/engine'
import { isUnchanged, type KeyringStorage } from './storage/keyring-storage'
import { expiryRow, HEAD_ROW, idRow, payloadRow, prefixRange } from './storage/keyspace'
import { getNow, openPayload, openRecord } from './storage/records'
import { walkKeys, walkRows } from './storage/walk'

/** What can be wrong with a store. */
export interface VerifyProblem {
  /**
   * - `missing`: something that should be there is not.
   * - `altered`: something is there that was not written that way, or is older than it should be.
   * - `stray`: something is there that nothing leads to.
   */
  readonly kind: 'missing' | 'altered' | 'stray'
  /** What it is about. `records` is all of them together: the head counts them and sums their hashes. */
  readonly what: 'record' | 'records' | 'payload' | 'id' | 'expiry' | 'head' | 'row' | 'keyring'
  /** For people. Never a payload. */
  readonly message: string
  /** The row's key, in base64url. */
  readonly rowKey?: string
  /** The secret, where it is known. */
  readonly id?: string
  readonly name?: string
  readonly scope?: Scope
}

export interface VerifyReport {
  readonly ok: boolean
  /** How many records were read and found authentic. */
  readonly records: number
  readonly problems: readonly VerifyProblem[]
}

export interface VerifyPlan {
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is looked at, and what it is held against. */
export type Verifiable = Pick<StoreContext, 'engine' | 'keyring' | 'keyspace'> & {
  readonly queue: { readonly head: Head; readonly headValue: Uint8Array }
  /** Left out where it has been seen to. */
  readonly keyringStorage?: KeyringStorage
}

const VERIFY_ROWS = 500
const PROGRESS_ROWS = 100
/** Above every key that LevelDB would hold here: ours are shorter. */
const HIGHEST_KEY: Uint8Array = new Uint8Array(32 * 1024).fill(0xff)
const RECORDS = prefixRange(Uint8Array.of(ROW.record))
const WHOLE_KEYSPACE = { gte: Uint8Array.of(0), lt: HIGHEST_KEY }
const VERIFY_KEYS = 5000
const SECONDARY: Readonly<Record<number, Secondary>> = {
  [ROW.id]: 'id',
  [ROW.expiry]: 'expiry',
  [ROW.payload]: 'payload',
}

/**
 * Reads and authenticates everything: each record and payload, each hint in both directions, and all records together
 * against the head. No write may happen meanwhile.
 */
export async function verify(context: Verifiable, plan: VerifyPlan = {}): Promise<VerifyReport> {
  plan.signal?.throwIfAborted()
  const problems: VerifyProblem[] = []
  problems.push(...(await keyringProblems(context)))
  const { headValue } = context.queue
  const storedHead = await context.engine.get(HEAD_ROW)
  if (storedHead === undefined || !equal(storedHead, headValue)) {
    const kind = storedHead === undefined ? 'missing' : 'altered'
    problems.push({ kind, what: 'head', message: 'head: expected the one of the last write, got another or none' })
  }
  let records = 0
  try {
    const found = await verifyRecords(context, plan, problems)
    records = found.records
    problems.push(...(await strayProblems(context, found)))
  } catch (error) {
    if (error instanceof Stopped) throw error.reason
    // The engine itself met damage, and could not say where.
    problems.push({ kind: 'altered', what: 'records', message: messageOf(error) })
  }
  return { ok: problems.length === 0, records, problems }
}

/** The file is what the store will be opened with next time. */
async function keyringProblems({ keyringStorage }: Verifiable): Promise<VerifyProblem[]> {
  try {
    if (keyringStorage === undefined || (await isUnchanged(keyringStorage))) return []
    const message = 'keyring.json: expected it as it was last written, got another'
    return [{ kind: 'altered', what: 'keyring', message }]
  } catch (error) {
    return [{ kind: 'missing', what: 'keyring', message: messageOf(error) }]
  }
}

/** What was found authentic and in its place: records, and the rows that belong to them. */
type Found = { records: number } & Record<Secondary, number>
type Secondary = 'id' | 'expiry' | 'payload'

async function verifyRecords(context: Verifiable, plan: VerifyPlan, problems: VerifyProblem[]): Promise<Found> {
  const found: Found = { records: 0, id: 0, expiry: 0, payload: 0 }
  let unreadable = 0
  let setHash = 0n
  const report = (): void => tell(plan, found.records + unreadable, context.queue.head.count)
  for await (const row of each(walkRows(context.engine, RECORDS, VERIFY_ROWS))) {
    if ((found.records + unreadable) % PROGRESS_ROWS === 0) report()
    try {
      const record = openRecord(context.keyring, row.key, row.value)
      found.records++
      setHash = addElement(setHash, context.keyring.elementHash(row.key, row.value))
      problems.push(...(await recordProblems(context, row, record, found)))
    } catch (error) {
      unreadable++
      problems.push({ kind: 'altered', what: 'record', message: messageOf(error), rowKey: toBase64url(row.key) })
    }
  }
  report()
  problems.push(...setProblems(context.queue.head, found.records, unreadable, setHash))
  return found
}

/** Every record is found where it is, and has its payload, its id row and its expiry row. */
async function recordProblems(
  context: Verifiable,
  { key: rowKey, value: rowValue }: Row,
  record: StoredRecord,
  found: Found,
): Promise<VerifyProblem[]> {
  const problems: VerifyProblem[] = []
  const about = { id: record.id, name: record.address.name, scope: record.address.scope, rowKey: toBase64url(rowKey) }
  const hints = [{ what: 'id', key: idRow(record.id) } as const]
  const expiry =
    record.expires_at === null ? [] : [{ what: 'expiry', key: expiryRow(record.expires_at, record.id) } as const]
  for (const { what, key } of [...hints, ...expiry]) {
    const value = await getNow(context.engine, key)
    if (value !== undefined && equal(value, rowKey)) {
      found[what]++
      continue
    }
    const kind = value === undefined ? 'missing' : 'altered'
    problems.push({
      kind,
      what,
      message: `${what} row: expected one that leads to its secret, got another or none`,
      ...about,
    })
  }
  // A damaged index of a table, or its filter, can hide from a look-up what a walk meets.
  const lookedUp = await getNow(context.engine, rowKey)
  if (lookedUp === undefined || !equal(lookedUp, rowValue)) {
    const message = 'record: expected to find it by its key, too, got another or none'
    problems.push({ kind: 'altered', what: 'record', message, ...about })
  }
  if (!equal(context.keyspace.record(record.address), rowKey)) {
    problems.push({
      kind: 'altered',
      what: 'record',
      message: 'record: expected it at its own address, got another',
      ...about,
    })
  }
  if ('tag' in record.payload) {
    const value = await getNow(context.engine, payloadRow(rowKey))
    try {
      openPayload(context.keyring, rowKey, record, value)
      found.payload++
    } catch (error) {
      const kind = value === undefined ? 'missing' : 'altered'
      problems.push({ kind, what: 'payload', message: messageOf(error), ...about })
    }
  }
  return problems
}

/** All records together are the ones the head was sealed over. */
function setProblems(
  head: { readonly count: number; readonly setHash: bigint },
  authentic: number,
  unreadable: number,
  setHash: bigint,
): VerifyProblem[] {
  const found = authentic + unreadable
  const message = `records: expected ${head.count}, got ${found}`
  if (found < head.count) return [{ kind: 'missing', what: 'records', message }]
  if (found > head.count) return [{ kind: 'stray', what: 'records', message }]
  if (unreadable > 0 || setHash === head.setHash) return []
  return [
    {
      kind: 'altered',
      what: 'records',
      message: 'records: expected the last version of each, got an older one of at least one',
    },
  ]
}

/**
 * Every row is of a known sort, and every secondary row belongs to a record. Where there are as many as were found right,
 * none is another: only where there are more is each looked at.
 */
async function strayProblems(context: Verifiable, found: Found): Promise<VerifyProblem[]> {
  const problems: VerifyProblem[] = []
  const counts: Record<Secondary, number> = { id: 0, expiry: 0, payload: 0 }
  for await (const key of each(walkKeys(context.engine, WHOLE_KEYSPACE, VERIFY_KEYS))) {
    const what = SECONDARY[key[0] as number]
    if (what !== undefined) counts[what]++
    else if (key[0] !== ROW.record && !equal(key, HEAD_ROW)) {
      const message = 'row: expected a known sort, got another'
      problems.push({ kind: 'stray', what: 'row', message, rowKey: toBase64url(key) })
    }
  }
  for (const kind of [ROW.id, ROW.expiry, ROW.payload]) {
    const what = SECONDARY[kind] as Secondary
    if (counts[what] <= found[what]) continue
    for await (const key of each(walkKeys(context.engine, prefixRange(Uint8Array.of(kind)), VERIFY_KEYS))) {
      const problem = await strayProblem(context, what, key)
      if (problem !== undefined) problems.push(problem)
    }
  }
  return problems
}

async function strayProblem(context: Verifiable, what: Secondary, key: Uint8Array): Promise<VerifyProblem | undefined> {
  const target =
    what === 'payload' ? concat(Uint8Array.of(ROW.record), key.subarray(1)) : await getNow(context.engine, key)
  const recordValue = target && (await getNow(context.engine, target))
  const message = `${what} row: expected a record it belongs to, got none`
  const stray = { kind: 'stray', what, message, rowKey: toBase64url(key) } as const
  if (target === undefined || recordValue === undefined) return stray
  let record: StoredRecord
  try {
    record = openRecord(context.keyring, target, recordValue)
  } catch {
    return undefined // reported already, as an altered record
  }
  return belongs(what, key, record) ? undefined : stray
}

function belongs(what: Secondary, key: Uint8Array, record: StoredRecord): boolean {
  if (what === 'payload') return 'tag' in record.payload
  if (what === 'id') return equal(idRow(record.id), key)
  return record.expires_at !== null && equal(expiryRow(record.expires_at, record.id), key)
}

/** What the caller ended the work with: no damage of the store's. */
class Stopped extends Error {
  readonly reason: unknown

  constructor(reason: unknown) {
    super()
    this.reason = reason
  }
}

/** @throws {Stopped} */
function tell({ onProgress, signal }: VerifyPlan, done: number, count: number): void {
  if (signal?.aborted) throw new Stopped(signal.reason)
  try {
    onProgress?.({ done, total: Math.max(done, count) })
  } catch (error) {
    throw new Stopped(error)
  }
}

async function* each<T>(pages: AsyncIterable<readonly T[]>): AsyncGenerator<T, void> {
  for await (const page of pages) yield* page
}

function messageOf(error: unknown): string {
  if (error instanceof SecretStoreError && error.code !== 'ERR_CLOSED') return error.message
  throw error
}
