import { orAborted } from '../../base/waiting'
import type { StoreContext } from '../../context'
import { withActiveDataKeyAlone, withNewDataKey, withRootKey } from '../../crypto/data-keys'
import { corrupt } from '../../errors'
import { KEY_BYTES, MAX_DATA_KEYS, SLOT_ID_BYTES } from '../../format/constants'
import { decodeEnvelope } from '../../format/envelope'
import type { KeySlot } from '../../format/keyring-file'
import type { Progress } from '../../input/options'
import type { KeyProvider } from '../../keys/provider'
import { type KeySlotInfo, slotInfo } from '../../keys/slot-info'
import { findSlot } from '../../keys/unlock'
import { checkWork, fillSlot } from '../../keys/wrap'
import { isExpired } from '../../model'
import type { Operation } from '../../storage/commit/transaction'
import type { Row } from '../../storage/engine'
import { payloadRow, RECORD_ROWS } from '../../storage/keyspace'
import { openRecord } from '../../storage/records'
import { RecordTally } from '../../storage/tally'
import { walkRows } from '../../storage/walk'
import { changeKeyring, type NextKeyring } from './change'

export interface RotationPlan {
  /** Replaces the root key as well, and keeps the slots of these providers alone. */
  readonly rootFor?: readonly KeyProvider[]
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a rotation did. */
export interface RotationReport {
  /** The data key that seals everything now; it is the only one. */
  readonly dataKey: number
  /** How many records were found under it at the end, one by one; none was under another. */
  readonly records: number
  /** How many of them this call sealed anew; the others were written since, or by a call before it. */
  readonly resealed: number
  /** The slots that were not kept when the root key was replaced. */
  readonly dropped: readonly KeySlotInfo[]
}

/** Bounds one write: writers wait for no more than that. */
const RESEAL_ROWS = 8
const RESEAL_BYTES: number = 1024 * 1024
const WALK_ROWS = 256
const PROOF_ROWS = 64

/**
 * Puts everything under a new data key, and destroys the old ones. Done at a turn of `rotations`.
 *
 * New key → keyring.json; every record sealed anew, in bounded writes among the others; every record looked at; old keys
 * out of keyring.json. Whatever stops it in between, all keys are still there, and the next call goes on from there.
 */
export async function rotate(context: StoreContext, plan: RotationPlan): Promise<RotationReport> {
  context.checkOpen()
  const dropped = await context.keyChanges.take(() => begin(context, plan), plan.signal)
  const { walked, resealed } = await resealAll(context, plan)
  const records = await proveAllResealed(context, plan.signal)
  const done = Math.max(walked, records)
  plan.onProgress?.({ done, total: done })
  await context.keyChanges.take(
    () =>
      context.keyring.lendRootKey((rootKey) =>
        changeKeyring(context, { file: withActiveDataKeyAlone(context.keyring.file), rootKey }),
      ),
    plan.signal,
  )
  return { dataKey: context.keyring.activeKeyId, records, resealed, dropped }
}

/** Makes the new key, unless there is one that an earlier call has not brought to its end. @returns Slots dropped. */
async function begin(context: StoreContext, { rootFor, signal }: RotationPlan): Promise<KeySlotInfo[]> {
  const { keyring, random } = context
  const created = context.nowSeconds()
  if (keyring.file.keys.length >= MAX_DATA_KEYS) {
    throw new RangeError(`rotate: expected at most ${MAX_DATA_KEYS} data keys, got one more; end a rotation first`)
  }
  return keyring.lendRootKey(async (rootKey) => {
    if (rootFor === undefined) {
      if (keyring.file.keys.length > 1) return []
      await changeKeyring(context, { file: withNewDataKey(keyring.file, rootKey, created, random), rootKey })
      return []
    }
    const newRootKey = random(KEY_BYTES)
    try {
      const planned = planNewRoot(context, rootKey, newRootKey, rootFor)
      const { next, dropped } = await orAborted(signal, orAborted(context.closing, planned))
      await changeKeyring(context, { ...next, file: withNewDataKey(next.file, newRootKey, created, random) })
      return dropped
    } finally {
      newRootKey.fill(0)
    }
  })
}

async function planNewRoot(
  { keyring, random }: StoreContext,
  rootKey: Uint8Array,
  newRootKey: Uint8Array,
  providers: readonly KeyProvider[],
): Promise<{ next: NextKeyring; dropped: KeySlotInfo[] }> {
  const { file } = keyring
  const found = new Map<KeySlot, KeyProvider>()
  for (const provider of providers) {
    const { slot, rootKey: held } = await findSlot(file, provider)
    held.fill(0)
    found.set(slot, provider)
  }
  const kept = new Map<KeySlot, KeySlot>()
  for (const [slot, provider] of found) {
    // Under an id of its own: a provider that keeps things by slot must not lose the old before the new counts.
    const next = { ...slot, id: random(SLOT_ID_BYTES) }
    kept.set(slot, await fillSlot(next, provider, newRootKey, file.storeId))
  }
  const slots = file.slots.flatMap((slot) => kept.get(slot) ?? [])
  for (const provider of providers) checkWork(provider, slots)
  const dropped = file.slots.filter((slot) => !kept.has(slot)).map(slotInfo)
  return { next: { file: withRootKey(file, rootKey, newRootKey, slots, random), rootKey: newRootKey }, dropped }
}

/** One walk over all records. What is written during it is under the new key by itself. */
async function resealAll(
  context: StoreContext,
  { onProgress, signal }: RotationPlan,
): Promise<{ readonly walked: number; readonly resealed: number }> {
  let walked = 0
  let resealed = 0
  let failure: unknown
  for await (const rows of walkRows(context.engine, RECORD_ROWS, WALK_ROWS)) {
    for (const batch of batchesToReseal(context, rows, (error) => (failure ??= error))) {
      context.checkOpen()
      signal?.throwIfAborted()
      const outcome = await context.queue.submit(resealOperation(context, batch))
      resealed += outcome.resealed
      failure ??= outcome.failure
    }
    walked += rows.length
    onProgress?.({ done: walked, total: Math.max(walked, context.queue.head.count) })
    signal?.throwIfAborted()
  }
  if (failure !== undefined) throw failure
  return { walked, resealed }
}

interface Batch {
  readonly rowKeys: readonly Uint8Array[]
  readonly sizeBytes: number
}

/** The rows under other keys than the one that seals now, a bounded number at a time. */
function* batchesToReseal(
  { keyring }: StoreContext,
  rows: readonly Row[],
  onDamage: (error: unknown) => void,
): Generator<Batch, void> {
  let rowKeys: Uint8Array[] = []
  let sizeBytes = 0
  for (const { key, value } of rows) {
    try {
      if (decodeEnvelope(value).keyId === keyring.activeKeyId) continue
      const { payload } = openRecord(keyring, key, value)
      sizeBytes += value.length + ('tag' in payload ? payload.lengthBytes : 0)
      rowKeys.push(key)
    } catch (error) {
      // The others are seen to first.
      onDamage(error)
    }
    if (rowKeys.length < RESEAL_ROWS && sizeBytes < RESEAL_BYTES) continue
    yield { rowKeys, sizeBytes }
    rowKeys = []
    sizeBytes = 0
  }
  if (rowKeys.length > 0) yield { rowKeys, sizeBytes }
}

/** What has expired is not sealed anew but deleted; what is damaged does not keep the others from it. */
function resealOperation(
  context: StoreContext,
  { rowKeys, sizeBytes }: Batch,
): Operation<{ readonly resealed: number; readonly failure: unknown }> {
  return {
    rows: rowKeys.flatMap((rowKey) => [rowKey, payloadRow(rowKey)]),
    records: [],
    sizeBytes,
    apply(transaction) {
      let resealed = 0
      let failure: unknown
      for (const rowKey of rowKeys) {
        try {
          const record = transaction.record(rowKey)
          if (record === undefined) continue
          if (isExpired(record, context.nowSeconds())) transaction.delete(rowKey, 'expire')
          else if (transaction.reseal(rowKey)) resealed++
        } catch (error) {
          failure ??= error
        }
      }
      return { resealed, failure }
    },
  }
}

/**
 * Opens every record, and holds all of them against the head. Writes go on between the steps; none of them puts a record
 * under an old key.
 *
 * @returns How many there are.
 * @throws {SecretStoreError} `ERR_CORRUPT` if one is not under the new key, whatever its envelope says, or is missing.
 */
async function proveAllResealed(
  { engine, keyring, queue }: StoreContext,
  signal: AbortSignal | undefined,
): Promise<number> {
  const tally = new RecordTally(keyring, queue)
  try {
    for (let more = true; more; ) {
      signal?.throwIfAborted()
      more = await queue.exclusive(async () => {
        const rows = await engine.scan({ ...tally.ahead, limit: PROOF_ROWS })
        for (const row of rows) {
          openRecord(keyring, row.key, row.value)
          if (decodeEnvelope(row.value).keyId !== keyring.activeKeyId) {
            throw corrupt(`rotation: expected all records under key ${keyring.activeKeyId}, got another (see verify)`)
          }
          tally.meet(row)
        }
        if (rows.length > 0) return true
        tally.meetEnd()
        if (!tally.isComplete()) {
          throw corrupt('rotation: expected the records of the head, got others; the old key is kept (see verify)')
        }
        return false
      })
    }
    return tally.count
  } finally {
    tally.stop()
  }
}
