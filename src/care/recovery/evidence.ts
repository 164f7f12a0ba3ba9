import { ByteReader } from '../../base/byte-codec'
import { concat, equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { SecretStoreError } from '../../errors'
import { ROW } from '../../format/constants'
import { envelopeKeyId, envelopeTag, IDENTITY_BYTES } from '../../format/envelope'
import { encodeSetHash, type Head } from '../../format/head'
import type { StoredRecord } from '../../format/record'
import type { Change, Engine } from '../../storage/engine'
import { openHead } from '../../storage/head'
import { HEAD_ROW, type Keyspace, prefixRange } from '../../storage/keyspace'
import type { FoundRow } from '../../storage/level/files/found'
import { openRecord } from '../../storage/records'
import { walkRows } from '../../storage/walk'
import { writeAlone } from '../../storage/write-alone'
import {
  addTrace,
  compareVersions,
  decodeKey,
  type Grouped,
  KIND,
  NO_BYTES,
  NUL,
  NUMBER_BYTES,
  newGroup,
  number,
  originOf,
  PART,
  payloadPart,
  rowPart,
  type Traces,
  UNDATED,
  type Version,
  versionSuffix,
} from './traces'

const COMMIT_ROWS = 500
const COMMIT_BYTES: number = 4 * 1024 * 1024
const PAGE_ROWS = 200

/**
 * All that was found in the files of a damaged store, put in order: in an engine of its own, so that memory does not
 * bound it. What is sealed was opened before it was taken in, and stays sealed.
 */
export class Evidence {
  readonly #engine: Engine
  readonly #keyring: Keyring
  readonly #keyspace: Keyspace
  #pending: Change[] = []
  #pendingBytes = 0
  /** The newest one. */
  head: Head | undefined
  /** When that was written, by LevelDB's number; `undefined` where that is in doubt. */
  headAt: number | undefined
  /** The data key that it is sealed under. */
  headKeyId: number | undefined
  /** LevelDB's number of the last write that is beyond doubt. */
  lastSequence = 0

  constructor(engine: Engine, keyring: Keyring, keyspace: Keyspace) {
    this.#engine = engine
    this.#keyring = keyring
    this.#keyspace = keyspace
  }

  async take(row: FoundRow): Promise<void> {
    if (row.sound) this.lastSequence = Math.max(this.lastSequence, row.sequence ?? 0)
    const sort = row.key[0]
    if (sort === ROW.record) this.#takeRecord(row)
    else if (sort === ROW.payload) this.#takePayload(row)
    else if (sort === ROW.id) this.#takeHint(row)
    else if (equal(row.key, HEAD_ROW)) this.#takeHead(row)
    if (this.#pending.length >= COMMIT_ROWS || this.#pendingBytes >= COMMIT_BYTES) await this.flush()
  }

  /** Everything taken so far is in order when it resolves. */
  async flush(): Promise<void> {
    await writeAlone(this.#engine, this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
  }

  /** Row by row, all that was found of each. */
  async *rows(): AsyncGenerator<Traces, void> {
    let group: Grouped | undefined
    for await (const page of walkRows(this.#engine, prefixRange(Uint8Array.of(PART.row)), PAGE_ROWS)) {
      for (const { key } of page) {
        const { rowKey, kind, rest } = decodeKey(key)
        if (group === undefined || !equal(group.rowKey, rowKey)) {
          if (group !== undefined) yield await this.#traces(group)
          group = newGroup(rowKey)
        }
        addTrace(group, kind, rest)
      }
    }
    if (group !== undefined) yield await this.#traces(group)
  }

  /** The sealed record of a version. */
  async record(rowKey: Uint8Array, version: Version): Promise<Uint8Array> {
    const value = await this.#engine.get(rowPart(rowKey, KIND.version, versionSuffix(version)))
    if (value === undefined) throw new Error('evidence: expected the version that was found, got none')
    return value
  }

  /** The sealed payload that a record vouches for; nothing if it has none of its own, `undefined` if it is lost. */
  async payload(rowKey: Uint8Array, { payload }: StoredRecord): Promise<Uint8Array | undefined> {
    return 'tag' in payload ? this.#engine.get(payloadPart(rowKey, payload.tag)) : NO_BYTES
  }

  #takeRecord({ key, value, sequence, sound, live }: FoundRow): void {
    const at = sound ? sequence : undefined
    if (value === undefined) {
      this.#put(rowPart(key, KIND.deletion, number(at ?? UNDATED)))
      return
    }
    const record = this.#opened(() => openRecord(this.#keyring, key, value))
    if (record !== undefined && equal(this.#keyspace.record(record.address).bytes, key)) {
      const version = { revision: record.revision, origin: originOf(live), sequence: at }
      this.#put(rowPart(key, KIND.version, versionSuffix(version)), value)
    } else if (value.length >= IDENTITY_BYTES) {
      const element = encodeSetHash(this.#keyring.elementHash(key, value))
      this.#put(rowPart(key, KIND.unreadable, concat(number(at ?? UNDATED), element)))
    }
  }

  #takePayload({ key, value }: FoundRow): void {
    if (value === undefined) return
    if (this.#opened(() => this.#keyring.openRow(key, value)) === undefined) return
    const rowKey = concat(Uint8Array.of(ROW.record), key.subarray(1))
    this.#put(payloadPart(rowKey, envelopeTag(value)), value)
  }

  /** Hints are not sealed: they are heeded only to give lost secrets a name. */
  #takeHint({ key, value, sequence, sound }: FoundRow): void {
    const at = sound ? sequence : undefined
    const id = key.subarray(1)
    if (value?.[0] === ROW.record) this.#put(rowPart(value, KIND.hint, concat(number(at ?? UNDATED), id)))
    else if (value === undefined && at !== undefined) {
      this.#put(concat(Uint8Array.of(PART.deletedId), id, NUL, number(at)))
    }
  }

  #takeHead({ value, sequence }: FoundRow): void {
    const head = value && this.#opened(() => openHead(this.#keyring, value))
    if (head === undefined || head.sequence < (this.head?.sequence ?? 0)) return
    // A compaction writes the same one again.
    const before = head.sequence === this.head?.sequence ? this.headAt : undefined
    this.headAt = Math.max(sequence ?? 0, before ?? 0) || undefined
    this.head = head
    this.headKeyId = value && envelopeKeyId(value)
  }

  async #traces(group: Grouped): Promise<Traces> {
    const { hints, unreadable, versions, deletedAt, ...more } = group
    const ids: string[] = []
    let hintedAt: number | undefined
    for (const { id, sequence } of hints) {
      if (sequence !== UNDATED && sequence < (deletedAt ?? 0)) continue
      const deleted = await this.#deletedId(id)
      if (deleted !== undefined && deleted > sequence) continue // or of an unknown time, and deleted at some time
      ids.push(new TextDecoder().decode(id))
      if (sequence !== UNDATED) hintedAt = sequence
    }
    const newestFirst = [...versions].sort(compareVersions)
    return { ...more, versions: newestFirst, deletedAt, unreadableElements: [...unreadable], ids, hintedAt }
  }

  /** When the id row was deleted last. */
  async #deletedId(id: Uint8Array): Promise<number | undefined> {
    const span = prefixRange(concat(Uint8Array.of(PART.deletedId), id, NUL))
    const [last] = await this.#engine.scanKeys({ ...span, limit: 1, reverse: true })
    return last === undefined ? undefined : new ByteReader(last.subarray(-NUMBER_BYTES)).u64()
  }

  #put(key: Uint8Array, value: Uint8Array = NO_BYTES): void {
    this.#pending.push({ type: 'put', key, value })
    this.#pendingBytes += key.length + value.length
  }

  /** @returns `undefined` for what does not open. */
  #opened<T>(open: () => T): T | undefined {
    try {
      return open()
    } catch (error) {
      if (error instanceof SecretStoreError && error.code !== 'ERR_CLOSED') return undefined
      throw error
    }
  }
}
