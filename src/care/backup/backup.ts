import { equal } from '../../base/bytes'
import { orAborted } from '../../base/waiting'
import type { StoreContext } from '../../context'
import { streamKey } from '../../crypto/keyring'
import { ChunkSealer } from '../../crypto/stream'
import { type BackupEntry, encodeBackupEntry, encodeBackupHeader } from '../../format/backup'
import { BACKUP_NONCE_BYTES, SLOT_KIND } from '../../format/constants'
import type { LongOptions } from '../../input/call-options'
import { newFile } from '../../platform/new-files'
import { system } from '../../storage/directory/system-errors'
import { changedMeanwhile, isOf } from '../rekey/change'
import { StoreCopy } from './copy'
import { type NodeWritable, type Sink, sinkOf } from './sink'

/** The path of a file that does not exist yet, or a stream. */
export type BackupTarget = string | WritableStream<Uint8Array> | NodeWritable

const LABEL = 'backup'

/** What a backup holds. */
export interface BackupReport {
  /** How many records the backup has, expired ones included. */
  readonly records: number
  /** Of the file. */
  readonly bytes: number
}

/**
 * Writes the store into one file, sealed as a whole: as it is at the end of the call, all of it read and authenticated.
 * Done at a turn of `keyChanges`: reads and writes go on meanwhile; changes of keyring.json wait.
 */
export async function backup(context: StoreContext, target: BackupTarget, plan: LongOptions): Promise<BackupReport> {
  context.checkOpen()
  plan.signal?.throwIfAborted()
  if (context.keyring.file.slots.every(({ kind }) => kind === SLOT_KIND.memory)) {
    throw new TypeError('backup: expected a key that can open it, got a store in memory without one (see addKey)')
  }
  const sink = typeof target === 'string' ? await system(LABEL, () => newFile(target)) : sinkOf(target)
  const end = plan.signal === undefined ? context.closing : AbortSignal.any([context.closing, plan.signal])
  const stop = (): void => void sink.abort(end.reason).catch(() => {})
  end.addEventListener('abort', stop, { once: true })
  try {
    const report = await orAborted(plan.signal, write(context, sink, plan))
    end.throwIfAborted()
    await system(LABEL, () => sink.close())
    return report
  } catch (error) {
    await sink.abort(error).catch(() => {})
    end.throwIfAborted()
    throw error
  } finally {
    end.removeEventListener('abort', stop)
  }
}

async function write(context: StoreContext, sink: Sink, { onProgress, signal }: LongOptions): Promise<BackupReport> {
  const { keyring, keyringStorage, queue, random } = context
  const records = queue.head.count
  const { bytes: keyringFile } = keyringStorage
  if (!isOf(keyring.file, keyringFile)) throw changedMeanwhile()
  const header = encodeBackupHeader({ keyring: keyringFile, records, nonce: random(BACKUP_NONCE_BYTES) })
  const sealer = new ChunkSealer(await keyring.lendRootKey((rootKey) => streamKey(rootKey, header)))
  let bytes = 0
  const put = async (piece: Uint8Array): Promise<void> => {
    if (piece.length === 0) return
    bytes += piece.length
    await system(LABEL, () => sink.write(piece))
  }
  const emit = async (entries: readonly BackupEntry[]): Promise<void> => {
    for (const entry of entries) await put(sealer.push(encodeBackupEntry(entry)))
  }
  try {
    await put(header)
    const copy = new StoreCopy(context, emit)
    await copy.run(() => {
      signal?.throwIfAborted()
      onProgress?.({ done: copy.count, total: Math.max(copy.count, queue.head.count) })
    })
    // A process that was stopped loses its lock to others, and what they have written since may be under keys of theirs.
    if (!equal(keyringFile, keyringStorage.bytes)) throw changedMeanwhile()
    await put(sealer.end())
    return { records: copy.count, bytes }
  } finally {
    sealer.wipe()
  }
}
