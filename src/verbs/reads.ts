import type { StoreContext } from '../context'
import type { KnownRecord } from '../format/record'
import { isExpired } from '../model'
import type { RowKey } from '../storage/keyspace'
import { type FoundPayload, type Lookup, lookUpPayload, lookUpRecord, lookUpStored } from '../storage/lookup'
import { unlessExpired } from './expiry'

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
