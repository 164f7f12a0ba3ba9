import { ByteStreamReader } from '../byte-stream'
import { mapKey } from '../bytes'
import { chooseAead } from '../crypto/aeads'
import { Keyring, readKeyringFile, streamKey } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { openChunks } from '../crypto/stream'
import { corrupt } from '../errors'
import { type BackupEntry, decodeBackupEntries, decodeBackupHeader } from '../format/backup'
import { ROW } from '../format/constants'
import type { KeyProvider } from '../keys/provider'
import { unlock } from '../keys/unlock'
import { readPieces } from '../platform/pieces'
import type { Progress } from '../progress'
import { matchKeyring } from '../rekey/match'
import { replacementChanges } from '../storage/changes'
import { CommitQueue } from '../storage/commit-queue'
import { create } from '../storage/creation'
import type { Change, Engine } from '../storage/engine'
import { openHead } from '../storage/head-row'
import { HEAD_ROW, keyspace } from '../storage/keyspace'
import { KnownRecords } from '../storage/known-records'
import { LevelEngine } from '../storage/level'
import { examine } from '../storage/location'
import { getNow, openPayload, openRecord, type SealedRecord } from '../storage/records'
import { alreadyThere, system } from '../storage/system'
import { verify } from '../verify/verify'

/** The path of a backup, or its bytes in pieces: a stream of Node or of the web. */
export type BackupSource = string | AsyncIterable<Uint8Array>

export interface RestorePlan {
  readonly key: KeyProvider
  readonly sodium: boolean
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RestoreReport {
  readonly records: number
  /** Of the file. */
  readonly bytes: number
}

const COMMIT_ROWS = 500
const COMMIT_BYTES: number = 4 * 1024 * 1024

/**
 * Makes a store of a backup. It is built under another name, held against its own head, and renamed: until all of the file
 * has proved right there is nothing at the location.
 */
export async function restore(source: BackupSource, path: string, plan: RestorePlan): Promise<RestoreReport> {
  plan.signal?.throwIfAborted()
  const location = await examine(path)
  if (location.state === 'store') throw alreadyThere('location')
  const stream = new ByteStreamReader(typeof source === 'string' ? readPieces(source) : source, plan.signal)
  try {
    return await system('backup', async () => {
      const { header, bytes: headerBytes } = await decodeBackupHeader(stream)
      const unverified = readKeyringFile(header.keyring)
      const { file, rootKey } = await unlock(unverified, plan.key)
      const keyring = new Keyring(file, rootKey, publicRandom, chooseAead(plan))
      const key = streamKey(rootKey, headerBytes)
      rootKey.fill(0)
      let records = 0
      const build = async (directory: string): Promise<void> => {
        const engine = await LevelEngine.open(directory, { create: true })
        try {
          const entries = decodeBackupEntries(new ByteStreamReader(openChunks(key, stream)))
          records = await fill(engine, keyring, unverified.mac, entries, header.records, plan)
        } finally {
          await engine.close()
        }
      }
      try {
        if (!(await create(location, header.keyring, build, systemRandom))) throw alreadyThere('location')
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
async function fill(
  engine: Engine,
  keyring: Keyring,
  keyringMac: Uint8Array,
  entries: AsyncIterable<BackupEntry>,
  total: number,
  { onProgress, signal }: RestorePlan,
): Promise<number> {
  const writer = new RestoreWriter(engine, keyring)
  let headValue: Uint8Array | undefined
  for await (const entry of entries) {
    signal?.throwIfAborted()
    if (entry.type === 'head') headValue = entry.value
    else if (await writer.take(entry)) onProgress?.({ done: writer.count, total: Math.max(writer.count, total) })
  }
  if (headValue === undefined) throw corrupt('backup: expected a head at its end, got none')
  const head = openHead(keyring, headValue)
  if (matchKeyring(keyring.file, keyringMac, head) !== 'settled') {
    throw corrupt('backup: expected keyring.json and head of one time, got others')
  }
  await writer.end(headValue)
  const names = keyspace(keyring.names, (name) => keyring.nameHash(name))
  const queue = new CommitQueue(engine, keyring, new KnownRecords(0), head, headValue)
  const report = await verify({ engine, keyring, keyspace: names, queue })
  if (!report.ok) throw corrupt(`backup: expected a whole store, got one in which ${report.problems[0]?.message}`)
  if (writer.hasOverwritten) await engine.erase()
  onProgress?.({ done: report.records, total: report.records })
  return report.records
}

/** Entries → rows, with the hints that are not in a backup, in bounded commits. */
class RestoreWriter {
  readonly #engine: Engine
  readonly #keyring: Keyring
  #changes: Change[] = []
  readonly #touched = new Set<string>()
  #bytes = 0
  #count = 0
  /** Something was written that is not part of what it leads to. */
  hasOverwritten = false

  constructor(engine: Engine, keyring: Keyring) {
    this.#engine = engine
    this.#keyring = keyring
  }

  /** How many records there are by now. */
  get count(): number {
    return this.#count
  }

  /** @returns Whether that made a commit. */
  async take(entry: BackupEntry & { readonly type: 'put' | 'delete' }): Promise<boolean> {
    const { rowKey } = entry
    if (rowKey[0] !== ROW.record) throw corrupt('backup: expected the keys of records, got another')
    const key = mapKey(rowKey)
    // What a commit is planned on must be there already.
    const full = this.#touched.has(key) || this.#touched.size >= COMMIT_ROWS || this.#bytes >= COMMIT_BYTES
    if (full) await this.#commit()
    const value = await getNow(this.#engine, rowKey)
    const previous = value && this.#sealed(rowKey, value, undefined)
    const next = entry.type === 'put' ? this.#sealed(rowKey, entry.value, entry.payloadValue) : undefined
    this.#changes.push(...replacementChanges(previous, next))
    this.#touched.add(key)
    if (previous !== undefined) this.hasOverwritten = true
    if (entry.type === 'put') this.#bytes += entry.value.length + entry.payloadValue.length
    this.#count += (next === undefined ? 0 : 1) - (previous === undefined ? 0 : 1)
    return full
  }

  async end(headValue: Uint8Array): Promise<void> {
    this.#changes.push({ type: 'put', key: HEAD_ROW, value: headValue })
    await this.#commit()
  }

  async #commit(): Promise<void> {
    await this.#engine.commit(this.#changes, undefined)
    this.#changes = []
    this.#touched.clear()
    this.#bytes = 0
  }

  /** @param payloadValue - Of a record that is new here: it is opened, too. */
  #sealed(rowKey: Uint8Array, value: Uint8Array, payloadValue: Uint8Array | undefined): SealedRecord {
    const record = openRecord(this.#keyring, rowKey, value)
    if (payloadValue === undefined) return { rowKey, record, value }
    if (!('tag' in record.payload)) {
      if (payloadValue.length > 0) throw corrupt('backup: expected no payload row for a record without, got one')
      return { rowKey, record, value }
    }
    openPayload(this.#keyring, rowKey, record, payloadValue)
    return { rowKey, record, value, payloadValue }
  }
}
