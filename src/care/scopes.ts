import { compare, keyAfter } from '../base/bytes'
import { orAborted } from '../base/waiting'
import type { StoreContext } from '../context'
import { KEPT_REPLIES } from '../format/constants'
import type { Scope } from '../model'
import { prefixRange, RECORD_ROWS, RowKey, type Span } from '../storage/keyspace'
import { lookUpRecord, read } from '../verbs/reads'

/** A scope that holds secrets. */
export interface StoredScope {
  /** The account, or one user. */
  scope: Scope
  /** The connected account that it belongs to; none for the app's own. */
  account?: string
  /** Live mode (`true`) or test mode. */
  livemode: boolean
  /** How many secrets it holds, those included that have expired and are not deleted yet. */
  secrets: number
}

const COUNT_KEYS = 1000

/**
 * Every scope that holds a secret, in the order of the rows. One record of each is opened, and the keys of the others are
 * counted.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT` if that record cannot be opened.
 */
export async function* walkScopes(
  context: StoreContext,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredScope, void, undefined> {
  let rest: Span = RECORD_ROWS
  for (;;) {
    context.checkOpen()
    const [first] = await orAborted(signal, context.engine.scanKeys({ ...rest, limit: 1 }))
    if (first === undefined) return
    const record = await orAborted(signal, read(context.engine, lookUpRecord(context, RowKey.of(first))))
    // It was deleted meanwhile.
    if (record === undefined) {
      rest = { ...rest, gte: keyAfter(first) }
      continue
    }
    const { partition, scope } = record.address
    const rows = prefixRange(context.keyspace.scope(partition, scope))
    rest = { ...rest, gte: rows.lt }
    if (partition.account === KEPT_REPLIES) continue
    const secrets = await countKeys(context, rows, signal)
    const { account, livemode } = partition
    if (secrets > 0) yield { scope: { ...scope }, ...(account !== undefined && { account }), livemode, secrets }
  }
}

async function countKeys(context: StoreContext, { gte, lt }: Span, signal: AbortSignal | undefined): Promise<number> {
  let count = 0
  for (let from = gte; compare(from, lt) < 0; ) {
    context.checkOpen()
    const keys = await orAborted(signal, context.engine.scanKeys({ gte: from, lt, limit: COUNT_KEYS }))
    count += keys.length
    const last = keys.at(-1)
    if (last === undefined || keys.length < COUNT_KEYS) break
    from = keyAfter(last)
  }
  return count
}
