import type { StoreContext } from '../context'
import type { AeadUse } from '../crypto/aead/aead'
import { decodeEnvelope } from '../format/envelope'
import type { NameMode } from '../format/keyring-file'
import { type KeySlotInfo, slotInfo } from '../keys/slot-info'
import { processFacts } from '../platform/locks-of-others'
import { RECORD_ROWS } from '../storage/keyspace'
import type { OtherWriters } from '../storage/other-writers'
import { walkRows } from '../storage/walk'

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

/** What `status` tells of a store. */
export interface StoreStatus {
  /** How many records there are, expired ones included. */
  readonly records: number
  /** How names are written to disk. */
  readonly names: NameMode
  /** Each key that opens the store, in order of creation. */
  readonly slots: readonly KeySlotInfo[]
  /** More than one while a rotation is under way, or waits to be taken up again. */
  readonly dataKeys: readonly DataKeyStatus[]
  /** Which library seals and opens rows, by the length of the plaintext. */
  readonly aead: readonly AeadUse[]
  /** Where the store is shared. */
  readonly sharing?: StoreSharing
}

/** The processes that share a store. */
export interface StoreSharing {
  /** What this process is: the owner holds the files, the followers reach them through it. */
  readonly role: 'owner' | 'follower'
  /** Every process that has the store open. */
  readonly processes: readonly SharingProcess[]
}

/** A process that shares a store. */
export interface SharingProcess {
  /** As it has told the owner. */
  readonly pid: number
  /** It holds the files. */
  readonly owner: boolean
  /** The program, and the script that a runtime runs: `node server.js`. Absent where the system does not tell (Linux does). */
  readonly program?: string
  /** Since when the process runs, in Unix seconds. Absent where the system does not tell. */
  readonly since?: number
}

const COUNT_ROWS = 500

/** Looks at the envelope of every record, and opens none. */
export async function status(context: StoreContext): Promise<StoreStatus> {
  context.checkOpen()
  const counts = await countByKey(context)
  const { keyring, queue } = context
  const { others } = context.engine
  return {
    records: queue.head.count,
    names: keyring.names,
    slots: keyring.file.slots.map(slotInfo),
    dataKeys: keyring.file.keys.map(({ id, created }) => ({
      id,
      created,
      active: id === keyring.activeKeyId,
      records: counts.get(id) ?? 0,
    })),
    aead: keyring.aead.uses,
    ...(others && { sharing: { role: others.isOwner ? 'owner' : 'follower', processes: await processesOf(others) } }),
  }
}

async function processesOf(others: OtherWriters): Promise<readonly SharingProcess[]> {
  return (await others.peers()).map((peer) => ({ ...peer, ...processFacts(peer.pid) }))
}

/** How many records say that they are sealed under each data key; under 0, which is no key, what is no envelope. */
async function countByKey(context: StoreContext): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  for await (const rows of walkRows(context.engine, RECORD_ROWS, COUNT_ROWS)) {
    context.checkOpen()
    for (const { value } of rows) {
      const keyId = keyIdOf(value)
      counts.set(keyId, (counts.get(keyId) ?? 0) + 1)
    }
  }
  return counts
}

function keyIdOf(value: Uint8Array): number {
  try {
    return decodeEnvelope(value).keyId
  } catch {
    return 0 // for `verify` to report
  }
}
