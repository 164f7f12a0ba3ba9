import { Sorted } from '../../base/sorted'
import { type KnownRecord, withoutPayload } from '../../format/record'
import { type Address, samePartition, sameScope } from '../../model'
import type { Replacement } from '../records'
import { type Moment, RecentCommits } from './recent-commits'

/** What is known of a record without reading it. */
export interface Known {
  readonly record: KnownRecord
  /** Its summand in the set hash, if this process has written it. */
  readonly element: bigint | undefined
}

/** A known record and its row, by the row key's `mapKey`. */
export interface KnownRow {
  readonly key: string
  readonly record: KnownRecord
}

/** As a range of the engine, by `mapKey`. */
export interface KnownRange {
  readonly gte: string
  readonly lt: string
  readonly limit: number
  readonly reverse: boolean
}

interface Entry {
  readonly key: string
  /** None at a fence: a place that is no record, from which on, or up to which, something is known. */
  record: KnownRecord | undefined
  element: bigint | undefined
  /** Whether there is no record between this entry and the next. */
  gapAfter: boolean
  /** Since it was last looked at by the eviction. */
  used: boolean
  /** Its neighbours in the line that the eviction goes along. */
  older: Entry | undefined
  newer: Entry | undefined
}

/** How many entries one eviction passes over at the most. */
const MOST_CHANCES = 64

/** Measured (docs/performance.md, "Memory"): an entry without its texts, of which the key is one byte a character. */
const ENTRY_BYTES = 400

/**
 * Records that were opened or written, without their payloads, in the order of their rows, and the gaps between them that
 * are known to be empty: a page that lies in it whole needs neither LevelDB nor decryption.
 *
 * It says what the last acknowledged commit left. While a commit is on its way, nobody can say on which side of it a
 * row is, and what it touches is not answered from here. What a read has found is taken in only if no commit that began
 * since has touched it.
 */
export class KnownRecords {
  readonly #maxBytes: number
  readonly #entries = new Map<string, Entry>()
  readonly #sorted = new Sorted<Entry>()
  #oldest: Entry | undefined
  #newest: Entry | undefined
  #bytes = 0
  /** Of the record that came last: most have the same partition and scope, which then are kept once. */
  #address: Address | undefined
  readonly #commits = new RecentCommits()
  /** Where several write: the head row of the commit that what is known is of. */
  head: Uint8Array | undefined

  /** @param maxBytes - Roughly; 0 to know nothing. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @returns `undefined` if it is not known, or being written. */
  get(key: string): Known | undefined {
    const entry = this.#entries.get(key)
    if (entry?.record === undefined || this.#commits.isUnderWay(key)) return undefined
    entry.used = true
    return entry as Known
  }

  /** The records of a range, or `undefined` if it is not certain that these are all. */
  scan({ gte, lt, limit, reverse }: KnownRange): readonly KnownRow[] | undefined {
    if (this.#commits.haveTouched(this.#commits.moment, gte, lt)) return undefined
    const found: KnownRow[] = []
    const cursor = this.#sorted.seek(reverse ? lt : gte)
    const before = reverse || cursor.item?.key !== gte ? cursor.previous() : undefined
    // Going forward, `before` is outside the range, and vouches for what lies between it and the first inside.
    if (!reverse && before !== undefined) {
      if (!before.gapAfter) return undefined
      cursor.next()
    }
    for (let entry = cursor.item; entry !== undefined; ) {
      if (reverse ? entry.key < gte && entry.gapAfter : entry.key >= lt) return found
      if (reverse && !entry.gapAfter) return undefined
      if (entry.key >= gte && entry.record !== undefined) {
        entry.used = true
        found.push(entry as KnownRow)
        if (found.length === limit) return found
      }
      if (reverse && entry.key === gte) return found
      if (!reverse && !entry.gapAfter) return undefined
      entry = reverse ? cursor.previous() : cursor.next()
    }
    return undefined
  }

  /** To be taken before reading what is to be learned. */
  moment(): Moment {
    return this.#commits.moment
  }

  /** Takes in a record that was read since `moment`. */
  learn(moment: Moment, key: string, record: KnownRecord): void {
    if (this.#maxBytes === 0 || this.#isKnown(key) || this.#commits.haveTouched(moment, key, key)) return
    this.#put(key, record, undefined)
    this.#evict()
  }

  /** Takes in what a range holds, read since `moment`: all its records, or the first `limit` of them. */
  learnRange(moment: Moment, { gte, lt, limit, reverse }: KnownRange, rows: readonly KnownRow[]): void {
    if (this.#maxBytes === 0 || this.#commits.haveTouched(moment, gte, lt)) return
    const isWhole = rows.length < limit
    const [first, last] = reverse ? [rows.at(-1), rows[0]] : [rows[0], rows.at(-1)]
    const from = !reverse || isWhole ? this.#startOf(gte) : (first as KnownRow).key
    const to = reverse || isWhole ? lt : (last as KnownRow).key
    const read = new Set(rows.map(({ key }) => key))
    for (const cursor = this.#sorted.seek(from); cursor.item !== undefined && cursor.item.key < to; cursor.next()) {
      const { key, record } = cursor.item
      // It was not found where it should be. `verify` says what is the matter; nothing is to be built on it.
      if (record !== undefined && key >= gte && !read.has(key)) return
    }
    for (const { key, record } of rows) if (!this.#isKnown(key)) this.#put(key, record, undefined)
    this.#fence(from)
    this.#fence(to)
    for (const cursor = this.#sorted.seek(from); cursor.item !== undefined && cursor.item.key < to; cursor.next()) {
      cursor.item.gapAfter = true
    }
    this.#evict()
  }

  /** A commit that leads to these replacements is on its way. */
  begin(replacements: readonly Replacement[]): void {
    if (this.#maxBytes > 0) this.#commits.begin(replacements.map(({ rowKey }) => rowKey.text))
  }

  /**
   * It is durable. What it has written is known: who sets a secret once often does so again, and need not read it then.
   */
  settle(replacements: readonly Replacement[]): void {
    if (this.#maxBytes === 0) return
    this.#commits.settle()
    for (const { rowKey, next } of replacements) {
      if (next === undefined) this.#remove(rowKey.text)
      else this.#put(rowKey.text, next.record, next.element)
    }
    this.#evict()
  }

  /** Another writer has committed: what it has touched is not known any more, nor what lies beside it. */
  overtake(keys: readonly string[]): void {
    if (this.#maxBytes === 0) return
    this.#commits.begin(keys)
    this.#commits.settle()
    for (const key of keys) {
      const before = this.#sorted.seek(key).previous()
      if (before !== undefined) before.gapAfter = false
      const entry = this.#entries.get(key)
      if (entry !== undefined) this.#drop(entry)
    }
  }

  /** Forgets everything; what a commit that never settled has touched stays untold. */
  clear(): void {
    this.#entries.clear()
    this.#sorted.clear()
    this.#oldest = undefined
    this.#newest = undefined
    this.#address = undefined
    this.#bytes = 0
  }

  /** Forgets everything, and takes in nothing that was read before: another writer has committed, or the store is closed. */
  forget(): void {
    this.clear()
    this.#commits.overtake()
  }

  #isKnown(key: string): boolean {
    return this.#entries.get(key)?.record !== undefined
  }

  #put(key: string, read: KnownRecord, element: bigint | undefined): void {
    const record = withoutPayload(read, this.#shared(read.address))
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#add(key, record, element)
      return
    }
    this.#bytes -= entryBytes(entry)
    entry.record = record
    entry.element = element
    entry.used = true
    this.#bytes += entryBytes(entry)
  }

  /** The same address, of which partition and scope are those of the one before it if they are alike. */
  #shared(address: Address): Address {
    const before = this.#address
    if (
      before !== undefined &&
      samePartition(before.partition, address.partition) &&
      sameScope(before.scope, address.scope)
    )
      return { ...before, name: address.name }
    this.#address = address
    return address
  }

  #fence(key: string): void {
    if (!this.#entries.has(key)) this.#add(key, undefined, undefined)
  }

  /** The entry from which on a range is to be known: the one right before it, if nothing fits between the two. */
  #startOf(gte: string): string {
    const before = gte.slice(0, -1)
    return gte.endsWith('\0') && this.#isKnown(before) ? before : gte
  }

  /** Whatever stands in an empty gap leaves two empty ones. */
  #add(key: string, record: KnownRecord | undefined, element: bigint | undefined): void {
    const gapAfter = this.#sorted.seek(key).previous()?.gapAfter ?? false
    const entry: Entry = { key, record, element, gapAfter, used: true, older: undefined, newer: undefined }
    this.#entries.set(key, entry)
    this.#sorted.insert(entry)
    this.#queue(entry)
    this.#bytes += entryBytes(entry)
  }

  /** The record is gone: where both gaps beside it were known to be empty, so is the one that is left. */
  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const before = this.#sorted.seek(key).previous()
    if (before !== undefined) before.gapAfter = before.gapAfter && entry.gapAfter
    this.#drop(entry)
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.key)
    this.#sorted.delete(entry.key)
    this.#unqueue(entry)
    this.#bytes -= entryBytes(entry)
  }

  /** Second chance: what was used since it was last looked at goes to the end of the line, but not without end. */
  #evict(): void {
    let chances = MOST_CHANCES
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined) {
      const entry = this.#oldest
      if (entry.used && chances-- > 0) {
        entry.used = false
        this.#unqueue(entry)
        this.#queue(entry)
        continue
      }
      // It may still be there: nobody knows any more.
      const before = this.#sorted.seek(entry.key).previous()
      if (before !== undefined) before.gapAfter = false
      this.#drop(entry)
    }
  }

  #queue(entry: Entry): void {
    entry.older = this.#newest
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  #unqueue(entry: Entry): void {
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    entry.older = undefined
    entry.newer = undefined
  }
}

function entryBytes({ key, record }: Entry): number {
  return ENTRY_BYTES + key.length + (record === undefined ? 0 : textBytes(record))
}

function textBytes({ address: { name, scope, partition } }: KnownRecord): number {
  const user = scope.type === 'user' ? scope.user.length : 0
  return 2 * (name.length + user + (partition.account?.length ?? 0))
}
