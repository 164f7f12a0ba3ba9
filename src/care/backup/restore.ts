import { ByteStreamReader } from '../../base/byte-stream'
import { streamKey } from '../../crypto/keyring'
import { openChunks } from '../../crypto/stream'
import { corrupt } from '../../errors'
import { type BackupEntry, decodeBackupEntries, decodeBackupHeader } from '../../format/backup'
import { envelopeKeyId } from '../../format/envelope'
import type { RestoreSettings } from '../../input/restore-options'
import { type Unlocked, unlockKeyring } from '../../keys/unlock'
import { namedPieces } from '../../platform/pipes'
import { checkNotOlder } from '../../storage/checkpoint'
import { buildStore } from '../../storage/directory/build'
import { examine } from '../../storage/directory/location'
import { alreadyThere, system } from '../../storage/directory/system-errors'
import type { Engine } from '../../storage/engine'
import { openHead } from '../../storage/head'
import { matchKeyring } from '../../storage/match-keyring'
import { StoreWriter } from '../store-writer'

/** The path of a backup, or its bytes in pieces: a stream of Node or of the web. */
export type BackupSource = string | AsyncIterable<Uint8Array>

/** What a restore put back. */
export interface RestoreReport {
  /** How many records the new store has, expired ones included. */
  readonly records: number
  /** Of the file. */
  readonly bytes: number
}

/** Makes a store of a backup: built under another name, held against its own head, and renamed at the very end. */
export async function restore(source: BackupSource, path: string, plan: RestoreSettings): Promise<RestoreReport> {
  plan.signal?.throwIfAborted()
  const location = await examine(path, plan.allowUnsafeLocation)
  if (location.state === 'store') throw alreadyThere('location')
  const stream = new ByteStreamReader(typeof source === 'string' ? namedPieces(source) : source, plan.signal)
  try {
    return await system('backup', async () => {
      const { header, bytes: headerBytes } = await decodeBackupHeader(stream)
      const unlocked = await unlockKeyring(header.keyring, plan.key, plan)
      const { keyring } = unlocked
      const key = await keyring.lendRootKey((rootKey) => streamKey(rootKey, headerBytes))
      let records = 0
      const fill = async (engine: Engine): Promise<void> => {
        const entries = decodeBackupEntries(new ByteStreamReader(openChunks(key, stream)))
        records = await copyEntries(engine, unlocked, entries, header.records, plan)
      }
      try {
        if (!(await buildStore(location, unlocked.bytes, fill))) throw alreadyThere('location')
        return { records, bytes: stream.offset }
      } finally {
        key.fill(0)
        keyring.wipe()
      }
    })
  } finally {
    await stream.close()
  }
}

/** @returns How many records there are, all of them verified. */
async function copyEntries(
  engine: Engine,
  { keyring, mac }: Unlocked,
  entries: AsyncIterable<BackupEntry>,
  total: number,
  { minimum, onProgress, signal }: RestoreSettings,
): Promise<number> {
  const writer = new StoreWriter(engine, keyring, 'backup')
  let headValue: Uint8Array | undefined
  for await (const entry of entries) {
    signal?.throwIfAborted()
    if (entry.type === 'head') headValue = entry.value
    else if (await writer.take(entry)) onProgress?.({ done: writer.count, total: Math.max(writer.count, total) })
  }
  if (headValue === undefined) throw corrupt('backup: expected a head at its end, got none')
  const head = openHead(keyring, headValue)
  if (matchKeyring(keyring.file, mac, head, envelopeKeyId(headValue)) !== 'settled') {
    throw corrupt('backup: expected keyring.json and head of one time, got others')
  }
  if (minimum !== undefined) checkNotOlder(minimum, keyring, head)
  await writer.finish(head, headValue)
  onProgress?.({ done: head.count, total: head.count })
  return head.count
}
