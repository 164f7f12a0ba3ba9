import { ByteReader, ByteWriter } from '../../base/byte-codec'
import { concat, equal } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { SecretStoreError } from '../../errors'
import { ROW } from '../../format/constants'
import { envelopeTag, IDENTITY_BYTES } from '../../format/envelope'
import { decodeSetHash, encodeSetHash, type Head } from '../../format/head'
import type { StoredRecord } from '../../format/record'
import type { Change, Engine } from '../../storage/engine'
import { openHead } from '../../storage/head'
import { HEAD_ROW, type Keyspace, prefixRange } from '../../storage/keyspace'
import { openRecord } from '../../storage/records'
import { walkRows } from '../../storage/walk'
import type { FoundRow } from './level-files/found'

/** Where something was found: in a file that belongs to the database, in another one, or nobody can say. */
export type Standing = 'live' | 'unknown' | 'abandoned'

/** A version of a record that is authentic. */
export interface Version {
  readonly revision: number
  readonly standing: Standing
  /** LevelDB's number of the write; `undefined` where the bytes around it are damaged. */
  readonly sequence: number | undefined
}

/** What was found of one record row. */
export interface Traces {
  readonly rowKey: Uint8Array
  /** The newest first. */
  readonly versions: readonly Version[]
  /** The last deletion of it that is beyond doubt. */
  readonly deletedAt: number | undefined
  /** Whether it was deleted at a time that nobody can say. */
  readonly hasUndatedDeletion: boolean
  /** The last write of it of which nothing can be opened, and that is beyond doubt. */
  readonly unreadableAt: number | undefined
  /** Whether something that does not open bears its key, at a time that nobody can say. */
  readonly hasUndatedTrace: boolean
  /** What those that do not open would be in the set hash, if they are the ones that were written. */
  readonly unreadableElements: readonly bigint[]
  /** Ids that lead to it, as their hints say. */
  readonly ids: readonly string[]
  /** When the last of those hints was written, as far as that is beyond doubt of any of them. */
  readonly hintedAt: number | undefined
}

const COMMIT_ROWS = 500
const COMMIT_BYTES: number = 4 * 1024 * 1024
const PAGE_ROWS = 200

/** The first byte of a key: what belongs to a record row comes first, by row key. */
const PART = { row: 0x01, payload: 0x02, deletedId: 0x03 } as const
/** Behind the row key. */
const KIND = { version: 1, deletion: 2, unreadable: 3, hint: 4 } as const
const STANDINGS: readonly Standing[] = ['abandoned', 'unknown', 'live']
const NO_BYTES: Uint8Array = new Uint8Array()

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
  #head: Head | undefined
  #lastSequence = 0
  #headAt: number | undefined

  constructor(engine: Engine, keyring: Keyring, keyspace: Keyspace) {
    this.#engine = engine
    this.#keyring = keyring
    this.#keyspace = keyspace
  }

  /** The newest one. */
  get head(): Head | undefined {
    return this.#head
  }

  /** When that was written, by LevelDB's number; `undefined` where that is in doubt. */
  get headAt(): number | undefined {
    return this.#headAt
  }

  /** LevelDB's number of the last write that is beyond doubt. */
  get lastSequence(): number {
    return this.#lastSequence
  }

  async take(row: FoundRow): Promise<void> {
    if (row.sound) this.#lastSequence = Math.max(this.#lastSequence, row.sequence ?? 0)
    const sort = row.key[0]
    if (sort === ROW.record) this.#takeRecord(row)
    else if (sort === ROW.payload) this.#takePayload(row)
    else if (sort === ROW.id) this.#takeHint(row)
    else if (equal(row.key, HEAD_ROW)) this.#takeHead(row)
    if (this.#pending.length >= COMMIT_ROWS || this.#pendingBytes >= COMMIT_BYTES) await this.flush()
  }

  /** Everything taken so far is in order when it resolves. */
  async flush(): Promise<void> {
    await this.#engine.commit(this.#pending, undefined)
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
        addTo(group, kind, rest)
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
    if (record !== undefined && equal(this.#keyspace.record(record.address), key)) {
      const version = { revision: record.revision, standing: standingOf(live), sequence: at }
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
    if (head === undefined || head.sequence < (this.#head?.sequence ?? 0)) return
    // A compaction writes the same one again.
    const before = head.sequence === this.#head?.sequence ? this.#headAt : undefined
    this.#headAt = Math.max(sequence ?? 0, before ?? 0) || undefined
    this.#head = head
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

const NUL: Uint8Array = Uint8Array.of(0)
const NUMBER_BYTES = 8
/** A time that nobody can say: LevelDB's numbers begin with 1. */
const UNDATED = 0

interface Grouped {
  readonly rowKey: Uint8Array
  readonly versions: Version[]
  readonly hints: { readonly id: Uint8Array; readonly sequence: number }[]
  deletedAt: number | undefined
  unreadableAt: number | undefined
  hasUndatedTrace: boolean
  hasUndatedDeletion: boolean
  readonly unreadable: Set<bigint>
}

function newGroup(rowKey: Uint8Array): Grouped {
  return {
    rowKey,
    versions: [],
    hints: [],
    deletedAt: undefined,
    unreadableAt: undefined,
    hasUndatedTrace: false,
    hasUndatedDeletion: false,
    unreadable: new Set(),
  }
}

function addTo(group: Grouped, kind: number, rest: Uint8Array): void {
  const reader = new ByteReader(rest)
  if (kind === KIND.version) {
    const revision = reader.u64()
    const standing = STANDINGS[reader.u8()] as Standing
    const sequence = reader.u64()
    group.versions.push({ revision, standing, sequence: sequence === UNDATED ? undefined : sequence })
    return
  }
  // In the order of the keys: the last one is the greatest.
  const sequence = reader.u64()
  if (kind === KIND.hint) {
    group.hints.push({ sequence, id: rest.slice(NUMBER_BYTES) })
  } else if (kind === KIND.deletion) {
    if (sequence === UNDATED) group.hasUndatedDeletion = true
    else group.deletedAt = sequence
  } else {
    group.unreadable.add(decodeSetHash(reader.rest()))
    if (sequence === UNDATED) group.hasUndatedTrace = true
    else group.unreadableAt = sequence
  }
}

/** The newest first; of one revision, what is surest. */
function compareVersions(one: Version, other: Version): number {
  return (
    other.revision - one.revision ||
    STANDINGS.indexOf(other.standing) - STANDINGS.indexOf(one.standing) ||
    (other.sequence ?? 0) - (one.sequence ?? 0)
  )
}

function standingOf(live: boolean | undefined): Standing {
  if (live === undefined) return 'unknown'
  return live ? 'live' : 'abandoned'
}

function number(value: number): Uint8Array {
  return new ByteWriter().u64(value).bytes()
}

function versionSuffix({ revision, standing, sequence }: Version): Uint8Array {
  return new ByteWriter()
    .u64(revision)
    .u8(STANDINGS.indexOf(standing))
    .u64(sequence ?? UNDATED)
    .bytes()
}

function rowPart(rowKey: Uint8Array, kind: number, suffix: Uint8Array): Uint8Array {
  return new ByteWriter().u8(PART.row).u32(rowKey.length).raw(rowKey).u8(kind).raw(suffix).bytes()
}

function payloadPart(rowKey: Uint8Array, tag: Uint8Array): Uint8Array {
  return new ByteWriter().u8(PART.payload).u32(rowKey.length).raw(rowKey).raw(tag).bytes()
}

function decodeKey(key: Uint8Array): { rowKey: Uint8Array; kind: number; rest: Uint8Array } {
  const reader = new ByteReader(key)
  reader.u8()
  const rowKey = reader.raw(reader.u32()).slice()
  const kind = reader.u8()
  return { rowKey, kind, rest: key.subarray(1 + 4 + rowKey.length + 1) }
}
