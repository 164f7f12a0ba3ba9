import { ByteReader, ByteWriter } from '../base/byte-codec'
import type { ByteStreamReader } from '../base/byte-stream'
import { concat, equal, utf8 } from '../base/bytes'
import { corrupt, SecretStoreError } from '../errors'
import {
  BACKUP_ENTRY,
  BACKUP_MAGIC,
  BACKUP_NONCE_BYTES,
  BACKUP_VERSION,
  MAX_BACKUP_VALUE_BYTES,
  MAX_KEYRING_BYTES,
  MAX_ROW_KEY_BYTES,
} from './constants'

/** What stands at the beginning of a backup, in the clear (docs/format.md §14). */
export interface BackupHeader {
  /** keyring.json, byte for byte. */
  readonly keyring: Uint8Array
  /** How many records there were when it was begun: for those who show progress. */
  readonly records: number
  readonly nonce: Uint8Array
}

/** One step of what is sealed after the header. The last is the head, and what the steps make goes with it. */
export type BackupEntry =
  | {
      readonly type: 'put'
      readonly rowKey: Uint8Array
      readonly value: Uint8Array
      /** The payload row; empty if the record has none. */
      readonly payloadValue: Uint8Array
    }
  | { readonly type: 'delete'; readonly rowKey: Uint8Array }
  | { readonly type: 'head'; readonly value: Uint8Array }

const MAGIC: Uint8Array = utf8(BACKUP_MAGIC)

export function encodeBackupHeader({ keyring, records, nonce }: BackupHeader): Uint8Array {
  return new ByteWriter().raw(MAGIC).u8(BACKUP_VERSION).u32(keyring.length).raw(keyring).u64(records).raw(nonce).bytes()
}

/** @throws {SecretStoreError} `ERR_NOT_A_STORE`, `ERR_UNSUPPORTED_VERSION`, `ERR_CORRUPT`. */
export async function decodeBackupHeader(
  source: ByteStreamReader,
): Promise<{ readonly header: BackupHeader; readonly bytes: Uint8Array }> {
  if (!equal(await source.readUpTo(MAGIC.length), MAGIC)) {
    throw new SecretStoreError('ERR_NOT_A_STORE', 'backup: expected one of secret-store, got something else')
  }
  try {
    const version = (await source.read(1))[0]
    if (version !== BACKUP_VERSION) {
      const message = `backup: expected version ${BACKUP_VERSION}, got ${version}`
      throw new SecretStoreError('ERR_UNSUPPORTED_VERSION', message)
    }
    const length = await source.read(4)
    const keyringBytes = new ByteReader(length).u32()
    if (keyringBytes > MAX_KEYRING_BYTES) {
      throw corrupt(`backup: expected a keyring.json of at most ${MAX_KEYRING_BYTES} bytes, got ${keyringBytes}`)
    }
    const keyring = await source.read(keyringBytes)
    const records = await source.read(8)
    const nonce = await source.read(BACKUP_NONCE_BYTES)
    return {
      header: { keyring, records: new ByteReader(records).u64(), nonce },
      bytes: concat(MAGIC, Uint8Array.of(version), length, keyring, records, nonce),
    }
  } catch (error) {
    throw cutOff(error)
  }
}

export function encodeBackupEntry(entry: BackupEntry): Uint8Array {
  const writer = new ByteWriter().u8(BACKUP_ENTRY[entry.type])
  if (entry.type !== 'head') writer.u32(entry.rowKey.length).raw(entry.rowKey)
  if (entry.type !== 'delete') writer.u32(entry.value.length).raw(entry.value)
  if (entry.type === 'put') writer.u32(entry.payloadValue.length).raw(entry.payloadValue)
  return writer.bytes()
}

/** Every entry up to the head, after which nothing may come. @throws {SecretStoreError} `ERR_CORRUPT`. */
export async function* decodeBackupEntries(source: ByteStreamReader): AsyncGenerator<BackupEntry, void> {
  try {
    for (let ended = false; !ended; ) {
      const type = (await source.read(1))[0]
      if (type === BACKUP_ENTRY.put) {
        const rowKey = await readField(source, MAX_ROW_KEY_BYTES)
        const value = await readField(source, MAX_BACKUP_VALUE_BYTES)
        yield { type: 'put', rowKey, value, payloadValue: await readField(source, MAX_BACKUP_VALUE_BYTES) }
      } else if (type === BACKUP_ENTRY.delete) {
        yield { type: 'delete', rowKey: await readField(source, MAX_ROW_KEY_BYTES) }
      } else if (type === BACKUP_ENTRY.head) {
        const value = await readField(source, MAX_BACKUP_VALUE_BYTES)
        if (!(await source.atEnd())) throw corrupt('backup: expected its end after the head, got more')
        ended = true
        yield { type: 'head', value }
      } else {
        throw corrupt(`backup: expected an entry of type 1 to 3, got ${type}`)
      }
    }
  } catch (error) {
    throw cutOff(error)
  }
}

async function readField(source: ByteStreamReader, most: number): Promise<Uint8Array> {
  const length = new ByteReader(await source.read(4)).u32()
  if (length > most) throw corrupt(`backup: expected at most ${most} bytes, got ${length}`)
  return (await source.read(length)).slice()
}

function cutOff(error: unknown): unknown {
  return error instanceof RangeError
    ? corrupt('backup: expected whole fields, got its end or an integer above 2^53 - 1', error)
    : error
}
