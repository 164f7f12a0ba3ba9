import { concat } from '../bytes'
import type { StoreContext } from '../context'
import { ROW } from '../format/constants'
import { decodeEnvelope } from '../format/envelope'
import type { NameMode } from '../format/keyring-file'
import { prefixRange } from '../storage/keyspace'
import { type KeySlotInfo, slots } from './slots'

/** A data key and what it seals. */
export interface DataKeyStatus {
  /** 1 for the first; each rotation makes the next. */
  readonly id: number
  /** Unix seconds. */
  readonly created: number
  /** Whether it seals what is written now. */
  readonly active: boolean
  /** How many records are sealed under it, expired ones included. */
  readonly records: number
}

export interface StoreStatus {
  /** How many records there are, expired ones included. */
  readonly records: number
  /** How names are written to disk. */
  readonly names: NameMode
  readonly slots: readonly KeySlotInfo[]
  /** More than one while a rotation is under way, or waits to be taken up again. */
  readonly dataKeys: readonly DataKeyStatus[]
}

const COUNT_ROWS = 500

/** Looks at the envelope of every record, and opens none. */
export async function status(context: StoreContext): Promise<StoreStatus> {
  const counts = await countByKey(context)
  const { keyring, queue } = context
  return {
    records: queue.head.count,
    names: keyring.names,
    slots: slots(context),
    dataKeys: keyring.file.keys.map(({ id, created }) => ({
      id,
      created,
      active: id === keyring.activeKeyId,
      records: counts.get(id) ?? 0,
    })),
  }
}

/**
 * How many records are sealed under each data key; under 0, which is no key, what is no envelope. Writes go on meanwhile: what is counted under a key that no longer
 * seals may become less, never more.
 */
export async function countByKey(context: StoreContext, signal?: AbortSignal): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  let { gte, lt } = prefixRange(Uint8Array.of(ROW.record))
  for (;;) {
    context.checkOpen()
    signal?.throwIfAborted()
    const rows = await context.engine.scan({ gte, lt, limit: COUNT_ROWS })
    for (const { value } of rows) {
      const keyId = keyIdOf(value)
      counts.set(keyId, (counts.get(keyId) ?? 0) + 1)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < COUNT_ROWS) return counts
    gte = concat(last.key, Uint8Array.of(0))
  }
}

function keyIdOf(value: Uint8Array): number {
  try {
    return decodeEnvelope(value).keyId
  } catch {
    return 0 // for `verify` to report
  }
}
