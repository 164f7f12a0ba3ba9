import type { StoreContext } from '../context'
import type { KnownRecord } from '../format/record'
import { isExpired } from '../model'
import type { RowKey } from '../storage/keyspace'
import { type FoundPayload, type Lookup, lookUpPayload, lookUpRecord, lookUpStored } from '../storage/lookup'

/** The record of a secret that has not expired. */
export function* findRecord(context: StoreContext, rowKey: RowKey): Lookup<KnownRecord | undefined> {
  return yield* unlessExpired(context, rowKey, yield* lookUpRecord(context, rowKey), lookUpRecord)
}

/** The record and the payload of a secret that has not expired. The payload of an expired one is not read. */
export function* findPayload(context: StoreContext, rowKey: RowKey): Lookup<FoundPayload | undefined> {
  for (;;) {
    const record = yield* unlessExpired(context, rowKey, yield* lookUpStored(context, rowKey), lookUpStored)
    const found = record && (yield* lookUpPayload(context, rowKey, record))
    // It may have expired while its payload was read.
    if (found === undefined || !isExpired(found.record, context.nowSeconds())) return found
  }
}

/**
 * A record that was read, unless it has expired: expired is gone, and the read that meets it has it deleted. One that
 * expires after it was read and before it is looked at here may have been replaced as well. So it is read again, until
 * there is none, or one that has not expired, or the same.
 *
 * @param lookUp - How it was read.
 * @param onExpired - Told of one that has expired.
 */
export function* unlessExpired<R extends KnownRecord>(
  context: StoreContext,
  rowKey: RowKey,
  record: R | undefined,
  lookUp: (context: StoreContext, rowKey: RowKey) => Lookup<R | undefined>,
  onExpired: (record: R) => void = (expired) => context.expireLazily(rowKey, expired),
): Lookup<R | undefined> {
  for (let seen = record; seen !== undefined; ) {
    if (!isExpired(seen, context.nowSeconds())) return seen
    const again: R | undefined = yield* lookUp(context, rowKey)
    if (again?.revision === seen.revision) {
      onExpired(seen)
      return undefined
    }
    seen = again
  }
  return undefined
}
