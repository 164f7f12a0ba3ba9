import { equal } from '../../base/bytes'
import { Shortlist } from '../../base/shortlist'
import { orAborted } from '../../base/waiting'
import type { StoreContext } from '../../context'
import { corrupt, SecretStoreError } from '../../errors'
import type { LongOptions } from '../../input/call-options'
import { isUnchanged } from '../../storage/directory/keyring-json'
import { HEAD_ROW } from '../../storage/keyspace'
import { RecordCheck } from './records'
import { codeOfProblems, messageOf, type Verifiable, type VerifyProblem, type VerifyReport } from './report'
import { keyWalk, type Steps } from './strays'

/**
 * Reads and authenticates everything: each record and payload, each secondary row in both directions, and all records
 * together against the head. Each step is a turn of the commit queue. Reads and writes go on in between; their changes
 * of passed rows are counted. Memory holds one step, the listed problems, and the keys of records that do not open.
 *
 * @throws {SecretStoreError} `ERR_CLOSED`, `ERR_FAILED`, `ERR_IO`.
 * @throws What `signal` was aborted with, or `onProgress` throws.
 */
export function verify(context: Verifiable, options: LongOptions = {}): Promise<VerifyReport> {
  return orAborted(options.signal, verifyAll(context, options))
}

async function verifyAll(context: Verifiable, { onProgress, signal }: LongOptions): Promise<VerifyReport> {
  const { queue } = context
  const problems = new Shortlist<VerifyProblem>()
  const records = new RecordCheck(context, problems)
  const keys = keyWalk(context, problems)
  const tell = (): void => {
    signal?.throwIfAborted()
    onProgress?.({ done: records.seen, total: Math.max(records.seen, queue.head.count) })
  }
  try {
    signal?.throwIfAborted()
    for (const look of [keyringProblem, headProblem]) {
      const problem = await queue.exclusive(() => look(context))
      if (problem !== undefined) problems.add(problem)
    }
    tell()
    if (await walk(context, records, problems, tell)) {
      await walk(context, keys, problems, () => signal?.throwIfAborted())
      const surplus = await queue.exclusive(async () => keys.surplus(records.expected, records.absent))
      for (const strays of surplus) await walk(context, strays, problems, () => signal?.throwIfAborted())
    }
  } finally {
    records.stop()
    keys.stop()
  }
  const { listed, unlisted } = problems
  const report = { ok: listed.length === 0, records: records.authentic, problems: listed }
  return unlisted === 0 ? report : { ...report, unlisted }
}

/**
 * Verifies a store that was opened just now.
 *
 * @param passedOver - How many bytes of its files could not be read, as far as it is known.
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`; the store is closed then.
 */
export async function expectWhole(store: StoreContext & { close(): Promise<void> }, passedOver: number): Promise<void> {
  try {
    const { problems } = await verify(store)
    const [first] = problems
    const message = `store: expected a whole one, got one in which ${first?.message}`
    if (first !== undefined) throw new SecretStoreError(codeOfProblems(problems), message, { cause: problems })
  } catch (error) {
    await store.close()
    throw error
  }
  if (passedOver === 0) return
  const passed = `data: expected whole files, got damaged ones: passed over ${passedOver} bytes`
  store.report(corrupt(`${passed}; what is left is whole, but may be older than it was`))
}

/** @returns Whether it came to its end. */
async function walk(
  { queue }: Verifiable,
  steps: Steps,
  problems: Shortlist<VerifyProblem>,
  onStep: () => void,
): Promise<boolean> {
  for (let more = true; more; onStep()) {
    try {
      more = await queue.exclusive(() => steps.step())
    } catch (error) {
      // The engine itself met damage, and could not say where.
      problems.add({ kind: 'altered', what: 'records', message: messageOf(error) })
      return false
    }
  }
  return true
}

/** The file is what the store will be opened with next time. */
async function keyringProblem({ keyringStorage }: Verifiable): Promise<VerifyProblem | undefined> {
  if (keyringStorage === undefined) return undefined
  try {
    if (await isUnchanged(keyringStorage)) return undefined
    const message = 'keyring.json: expected it as it was last written, got another'
    return { kind: 'altered', what: 'keyring', message }
  } catch (error) {
    return { kind: 'missing', what: 'keyring', message: messageOf(error) }
  }
}

async function headProblem({ engine, queue }: Verifiable): Promise<VerifyProblem | undefined> {
  const stored = await engine.get(HEAD_ROW)
  if (stored !== undefined && equal(stored, queue.headValue)) return undefined
  const kind = stored === undefined ? 'missing' : 'altered'
  return { kind, what: 'head', message: 'head: expected the one of the last write, got another or none' }
}
