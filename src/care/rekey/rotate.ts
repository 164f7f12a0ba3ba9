import { orAborted } from '../../base/waiting'
import type { StoreContext } from '../../context'
import { withActiveDataKeyAlone, withNewDataKey, withRootKey } from '../../crypto/next-keyring'
import { newSlotId } from '../../crypto/slot'
import { corrupt } from '../../errors'
import { KEY_BYTES, MAX_DATA_KEYS } from '../../format/constants'
import { decodeEnvelope } from '../../format/envelope'
import type { KeySlot } from '../../format/keyring-file'
import type { StoredRecord } from '../../format/record'
import type { KeyExchange, RotateSettings } from '../../input/call-options'
import { type KeySlotInfo, slotInfo } from '../../keys/slot-info'
import { findSlot } from '../../keys/unlock'
import { checkWork, fillSlot, makeSlot } from '../../keys/wrap'
import { isExpired } from '../../model'
import type { Operation, SeenRecord } from '../../storage/commit/transaction'
import type { Row } from '../../storage/engine'
import { RECORD_ROWS, RowKey } from '../../storage/keyspace'
import { openKnown, openRecord } from '../../storage/records'
import { RecordTally, type StepLimits } from '../../storage/tally'
import { walkRows } from '../../storage/walk'
import { changedMeanwhile, changeKeyring, type NextKeyring } from './change'

/** With `keys`, the root key is replaced as well, and the slots of those keys alone are kept. */
export type RotationPlan = RotateSettings

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
  /**
   * With `root`: whether `checkpoints` has saved a state after it. Without a checkpoint kept elsewhere, an old copy of the
   * whole store still opens with a key that was kept, and a former holder of the root key can write into that copy.
   */
  readonly checkpointSaved?: boolean
}

/** Bounds one write: writers wait for no more than that. */
const RESEAL: StepLimits = { rows: 12, bytes: 1024 * 1024 }
const PROOF: StepLimits = { rows: 64, bytes: 1024 * 1024 }
const WALK_ROWS = 256

/**
 * Puts everything under a new data key, and destroys the old ones. Done at a turn of `rotations`.
 *
 * New key → keyring.json; every record sealed anew, in bounded writes among the others; every record opened once more;
 * old keys out of keyring.json. After a stop in between all keys are still there, and the next call goes on.
 */
export async function rotate(context: StoreContext, plan: RotationPlan): Promise<RotationReport> {
  context.checkOpen()
  const dropped = await context.keyChanges.take(() => begin(context, plan), plan.signal)
  const dataKey = context.keyring.activeKeyId
  const { walked, resealed } = await resealAll(context, dataKey, plan)
  const records = await proveAllResealed(context, dataKey, plan.signal)
  const done = Math.max(walked, records)
  plan.onProgress?.({ done, total: done })
  await context.keyChanges.take(() => dropOthers(context, dataKey), plan.signal)
  const report = { dataKey, records, resealed, dropped }
  if (plan.keys === undefined) return report
  const saved = context.hasSavedCheckpoint()
  return { ...report, checkpointSaved: await orAborted(plan.signal, orAborted(context.closing, saved)) }
}

/** Destroys all data keys but the one under which everything was found. */
async function dropOthers(context: StoreContext, dataKey: number): Promise<void> {
  checkActive(context, dataKey)
  const { keyring, keyringStorage } = context
  const [plannedOn, file] = [keyringStorage.bytes, withActiveDataKeyAlone(keyring.file)]
  await keyring.lendRootKey((rootKey) => changeKeyring(context, { plannedOn, file, rootKey }))
}

/** @throws {SecretStoreError} `ERR_BUSY` if another rotation has made another key since: records may be under any. */
function checkActive({ keyring }: StoreContext, dataKey: number): void {
  if (keyring.activeKeyId !== dataKey) throw changedMeanwhile()
}

/** Makes the new key, unless there is one that an earlier call has not brought to its end. @returns Slots dropped. */
async function begin(context: StoreContext, { keys, signal }: RotationPlan): Promise<KeySlotInfo[]> {
  const { keyring, random } = context
  const plannedOn = context.keyringStorage.bytes
  const created = context.nowSeconds()
  if (keyring.file.keys.length >= MAX_DATA_KEYS) {
    throw new RangeError(`rotate: expected at most ${MAX_DATA_KEYS} data keys, got one more; end a rotation first`)
  }
  return keyring.lendRootKey(async (rootKey) => {
    if (keys === undefined) {
      if (keyring.file.keys.length > 1) return []
      await changeKeyring(
        context,
        { plannedOn, file: withNewDataKey(keyring.file, rootKey, created, random), rootKey },
        { signal },
      )
      return []
    }
    const newRootKey = random(KEY_BYTES)
    try {
      const planned = planNewRoot(context, rootKey, newRootKey, keys, created)
      const { next, dropped } = await orAborted(signal, orAborted(context.closing, planned))
      await changeKeyring(
        context,
        { ...next, plannedOn, file: withNewDataKey(next.file, newRootKey, created, random) },
        { signal },
      )
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
  keys: readonly KeyExchange[],
  created: number,
): Promise<{ next: Omit<NextKeyring, 'plannedOn'>; dropped: KeySlotInfo[] }> {
  const { file } = keyring
  const found = new Map<KeySlot, KeyExchange>()
  for (const exchange of keys) {
    const { slot, rootKey: held } = await findSlot(file, exchange.from)
    held.fill(0)
    const other = found.get(slot) ?? exchange
    if (other.to !== exchange.to && (other.from !== other.to || exchange.from !== exchange.to)) {
      throw new TypeError('rotate keys: expected one key in the place of another, got two for the same slot')
    }
    found.set(slot, exchange)
  }
  const next = new Map<KeySlot, KeySlot>()
  for (const [slot, { from, to }] of found) {
    // Under an id of its own: a provider that keeps things by slot must not lose the old before the new counts.
    const refilled = { ...slot, id: newSlotId(random) }
    const filling =
      from === to
        ? fillSlot(refilled, to, newRootKey, file.storeId)
        : makeSlot(to, newRootKey, file.storeId, created, random)
    next.set(slot, await filling)
  }
  const slots = file.slots.flatMap((slot) => next.get(slot) ?? [])
  for (const { to } of keys) checkWork(to, slots)
  const kept = [...found].flatMap(([slot, { from, to }]) => (from === to ? slot : []))
  const dropped = file.slots.filter((slot) => !kept.includes(slot))
  const changed = withRootKey(file, rootKey, newRootKey, slots, random)
  return { next: { file: changed, rootKey: newRootKey }, dropped: dropped.map(slotInfo) }
}

/** One walk over all records. Whatever is written during it is under the new key by itself. */
async function resealAll(
  context: StoreContext,
  dataKey: number,
  { onProgress, signal }: RotationPlan,
): Promise<{ readonly walked: number; readonly resealed: number }> {
  let walked = 0
  let resealed = 0
  let failure: unknown
  for await (const rows of walkRows(context.engine, RECORD_ROWS, WALK_ROWS, signal)) {
    for (const seen of recordsToReseal(context, rows, (error) => (failure ??= error))) {
      context.checkOpen()
      checkActive(context, dataKey)
      signal?.throwIfAborted()
      const outcome = await context.queue.submit(resealOperation(context, seen))
      resealed += outcome.resealed
      failure ??= outcome.failure
    }
    walked += rows.length
    onProgress?.({ done: walked, total: Math.max(walked, context.queue.head.count) })
    signal?.throwIfAborted()
  }
  checkActive(context, dataKey)
  if (failure !== undefined) throw failure
  return { walked, resealed }
}

/** The records under other keys than the one that seals now, opened, a bounded number at a time. */
function* recordsToReseal(
  { keyring }: StoreContext,
  rows: readonly Row[],
  onDamage: (error: unknown) => void,
): Generator<readonly SeenRecord[], void> {
  let seen: SeenRecord[] = []
  let bytes = 0
  for (const { key, value } of rows) {
    try {
      const { keyId } = decodeEnvelope(value)
      // Whoever has taken a key out since has sealed what was under it anew; the proof looks at what is there.
      if (keyId === keyring.activeKeyId || !keyring.file.keys.some(({ id }) => id === keyId)) continue
      const record = openRecord(keyring, key, value)
      seen.push({ rowKey: RowKey.of(key), value, record })
      bytes += sizeBytes(record, value)
    } catch (error) {
      // The others are seen to first.
      onDamage(error)
    }
    if (seen.length < RESEAL.rows && bytes < RESEAL.bytes) continue
    yield seen
    seen = []
    bytes = 0
  }
  if (seen.length > 0) yield seen
}

function sizeBytes({ payload }: StoredRecord, value: Uint8Array): number {
  return value.length + ('tag' in payload ? payload.lengthBytes : 0)
}

/** What has expired is not sealed anew but deleted; what is damaged does not keep the others from it. */
function resealOperation(
  context: StoreContext,
  seen: readonly SeenRecord[],
): Operation<{ readonly resealed: number; readonly failure: unknown }> {
  return {
    records: seen.map(({ rowKey }) => rowKey),
    payloads: seen.flatMap(({ rowKey, record }) => ('tag' in record.payload ? [rowKey] : [])),
    sizeBytes: seen.reduce((sum, { record, value }) => sum + sizeBytes(record, value), 0),
    apply(transaction) {
      let resealed = 0
      let failure: unknown
      for (const one of seen) {
        try {
          const expired = isExpired(one.record, context.nowSeconds())
          if (expired && transaction.record(one.rowKey)?.revision === one.record.revision) {
            transaction.delete(one.rowKey, 'expire')
          } else if (transaction.reseal(one)) resealed++
        } catch (error) {
          failure ??= error
        }
      }
      return { resealed, failure }
    },
  }
}

/**
 * Opens every record, and holds all of them against the head. Writes between the steps use the new key.
 *
 * @returns How many there are.
 * @throws {SecretStoreError} `ERR_CORRUPT` if one is not under the new key, whatever its envelope says, or is missing.
 */
async function proveAllResealed(
  context: StoreContext,
  dataKey: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { keyring, queue } = context
  const tally = new RecordTally(context)
  const prove = ({ key, value }: Row): number => {
    openKnown(keyring, key, value)
    if (decodeEnvelope(value).keyId === dataKey) return 0
    throw corrupt(`rotation: expected all records under key ${dataKey}, got another (see verify)`)
  }
  const isDone = async (): Promise<boolean> => {
    checkActive(context, dataKey)
    const isMore = await tally.step(PROOF, prove).catch((error) => {
      // In a turn that was over, it may have met the records of a later rotation.
      checkActive(context, dataKey)
      throw error
    })
    if (isMore) return false
    if (tally.isComplete()) return true
    throw corrupt('rotation: expected the records of the head, got others; the old key is kept (see verify)')
  }
  try {
    for (let done = false; !done; ) {
      signal?.throwIfAborted()
      done = await queue.exclusive(isDone)
    }
    return tally.count
  } finally {
    tally.stop()
  }
}
