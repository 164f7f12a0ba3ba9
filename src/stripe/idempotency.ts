import { concat, fromUtf8, toBase64url, utf8 } from '../base/bytes'
import type { StoreContext } from '../context'
import { newId } from '../crypto/random'
import { KEPT_REPLIES } from '../format/constants'
import type { Address, Partition, Secret } from '../model'
import type { Operation } from '../storage/commit/transaction'
import { liveRecord } from '../verbs/writes'
import { type ApiErrorBody, keyOfOtherEndpoint, keyOfOtherParameters } from './api-error'

const REPLY_SECONDS: number = 24 * 60 * 60
/** What a kept reply is about, for the size of a commit; a name or an expanded payload in it may be longer. */
const REPLY_BYTES = 2048

/** What came of a request that was executed. */
export interface Outcome {
  readonly status: number
  readonly body: Secret | { readonly error: ApiErrorBody }
}

export interface Reply extends Outcome {
  /** The request that this is the reply of, if it was an earlier one. */
  readonly originalRequest?: string
}

/** A request that is to take effect once, however often it is sent. */
export interface IdempotentRequest {
  readonly partition: Partition
  /** 1 to 255 characters. */
  readonly key: string
  readonly path: string
  /** All that makes it what it is. */
  readonly content: string
  readonly requestId: string
}

interface KeptReply extends Outcome {
  readonly path: string
  /** Keyed, so that nothing of the request can be told from it: base64url. */
  readonly request: string
  readonly requestId: string
}

/**
 * Executes an operation and keeps its reply in the same commit, or finds the reply of the first time. As in the hosted
 * service, the reply of a failure is kept, too; what `operation` throws is not.
 *
 * @throws {ApiError} From the operation: 400 if the key was used for another request.
 */
export function idempotent(
  context: StoreContext,
  request: IdempotentRequest,
  operation: Operation<Outcome>,
): Operation<Reply> {
  const { key, path, requestId } = request
  const address = addressOf(request)
  const rowKey = context.keyspace.record(address)
  const hash = toBase64url(context.keyring.requestHash(concat(utf8(path), Uint8Array.of(0), utf8(request.content))))
  return {
    records: [...operation.records, rowKey],
    payloads: [...operation.payloads, rowKey],
    sizeBytes: operation.sizeBytes + rowKey.bytes.length + REPLY_BYTES,
    apply(transaction) {
      const now = context.nowSeconds()
      if (liveRecord(transaction, rowKey, now) !== undefined) {
        const kept = decodeReply(transaction.payload(rowKey)?.bytes as Uint8Array)
        if (kept.path !== path) throw keyOfOtherEndpoint(key, path, kept.path)
        if (kept.request !== hash) throw keyOfOtherParameters(key)
        return { status: kept.status, body: kept.body, originalRequest: kept.requestId }
      }
      const outcome = operation.apply(transaction)
      const record = { id: newId(context.publicRandom), address, created: now, expires_at: now + REPLY_SECONDS }
      const bytes = encodeReply({ ...outcome, path, request: hash, requestId })
      transaction.put(rowKey, record, { type: 'text', bytes })
      return outcome
    },
  }
}

function addressOf({ partition: { account, livemode }, key }: IdempotentRequest): Address {
  const scope = account === undefined ? ({ type: 'account' } as const) : ({ type: 'user', user: account } as const)
  return { partition: { account: KEPT_REPLIES, livemode }, scope, name: key }
}

function encodeReply(reply: KeptReply): Uint8Array {
  return utf8(JSON.stringify(reply))
}

/** Only ever of what `encodeReply` has made and the seal has vouched for. */
function decodeReply(bytes: Uint8Array): KeptReply {
  return JSON.parse(fromUtf8(bytes))
}
