import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KnownRecord, StoredRecord } from '../../../../src/format/record'
import { RowKey } from '../../../../src/storage/keyspace'
import { type KnownRange, KnownRecords, type KnownRow } from '../../../../src/storage/known/known-records'
import type { Replacement, WrittenRecord } from '../../../../src/storage/records'
import { Draws } from '../../../support/campaign'
import { atLength } from '../../../support/lengths'

/** Short keys over few letters: many lie right behind one another, and many ranges begin and end at one. */
const LETTERS = ['\0', 'a', 'b', '\xff']
const KEYS: readonly string[] = LETTERS.flatMap((a) => [a, ...LETTERS.flatMap((b) => [a + b, `${a}${b}\0`])]).toSorted()
const BOUNDS: readonly string[] = ['', ...KEYS, '\xff\xff\xff'].toSorted()

const account = { partition: { account: undefined, livemode: false }, scope: { type: 'account' } } as const

function recordOf(key: string, revision: number): StoredRecord {
  return {
    id: `appsecret_${key}`,
    address: { ...account, name: key },
    created: 1,
    expires_at: revision % 3 === 0 ? revision : null,
    revision,
    payload:
      revision % 2 === 0
        ? { type: 'text', inline: Uint8Array.of(revision) }
        : { type: 'bytes', lengthBytes: revision, tag: Uint8Array.of(revision, 1) },
  }
}

/** What may be kept of it. */
function withoutPayload({ payload, ...record }: StoredRecord): KnownRecord {
  const { type } = payload
  return {
    ...record,
    payload: 'tag' in payload ? { type, lengthBytes: payload.lengthBytes, tag: payload.tag } : { type },
  }
}

type Rows = ReadonlyMap<string, StoredRecord>

function rowsOf(rows: Rows, { gte, lt, limit, reverse }: KnownRange): KnownRow[] {
  const inside = [...rows.keys()].filter((key) => key >= gte && key < lt).toSorted()
  return (reverse ? inside.reverse() : inside)
    .slice(0, limit)
    .map((key) => ({ key, record: rows.get(key) as StoredRecord }))
}

const shown = (rows: readonly { readonly key: string; readonly record: KnownRecord | StoredRecord }[]): unknown[] =>
  rows.map(({ key, record }) => ({ key, record: withoutPayload(record as StoredRecord) }))

function summary(rows: readonly { readonly key: string; readonly record: KnownRecord | StoredRecord }[]): string {
  return JSON.stringify(rows.map(({ key, record: { id, revision, expires_at } }) => [key, id, revision, expires_at]))
}

type Step =
  | { readonly type: 'begin'; readonly keys: readonly number[]; readonly deletes: readonly boolean[] }
  /** The rows are there for readers to see, but not acknowledged. */
  | { readonly type: 'write' }
  | { readonly type: 'settle' }
  /** Another writer has committed; what was on its way is not written, and has to be planned anew. */
  | { readonly type: 'overtake'; readonly keys: readonly number[]; readonly deletes: readonly boolean[] }
  | { readonly type: 'scan' | 'read'; readonly range: KnownRange }
  | { readonly type: 'get' | 'look'; readonly key: number }
  /** A reader has its moment, or has its rows, or is done. */
  | { readonly type: 'go on'; readonly reader: number }

const index = fc.nat(KEYS.length - 1)
const range: fc.Arbitrary<KnownRange> = fc
  .record({
    a: fc.constantFrom(...BOUNDS),
    b: fc.constantFrom(...BOUNDS),
    // Where a page ends the next one begins, one way or the other.
    behind: fc.constantFrom('', '\0'),
    ordered: fc.integer({ min: 0, max: 9 }),
    limit: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(1000)),
    reverse: fc.boolean(),
  })
  .map(({ a, b, behind, ordered, limit, reverse }) => {
    const [low, high] = a < b || ordered === 0 ? [a, b] : [b, a]
    return { gte: low + (low.endsWith('\0') ? '' : behind), lt: high, limit, reverse }
  })

const written = {
  keys: fc.uniqueArray(index, { minLength: 1, maxLength: 4 }),
  deletes: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('begin' as const), ...written }) },
  { weight: 4, arbitrary: fc.constant({ type: 'write' as const }) },
  { weight: 6, arbitrary: fc.constant({ type: 'settle' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('overtake' as const), ...written }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constantFrom('scan' as const, 'read' as const), range }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('get' as const, 'look' as const), key: index }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant('go on' as const), reader: fc.nat(3) }) },
)

interface Commit {
  readonly keys: readonly string[]
  readonly after: Map<string, StoredRecord>
  readonly replacements: readonly Replacement[]
}

const writtenOf = (record: StoredRecord | undefined): WrittenRecord | undefined =>
  record && { record, element: BigInt(record.revision) }

function replacementOf(key: string, previous: StoredRecord | undefined, next: StoredRecord | undefined): Replacement {
  return { rowKey: RowKey.ofText(key), previous: writtenOf(previous), next: writtenOf(next) }
}

/** Of commits of which no more counts than which rows they touch. */
const touching = (...keys: readonly string[]): Replacement[] =>
  keys.map((key) => replacementOf(key, undefined, undefined))

const keysAt = (places: readonly number[]): string[] => places.map((place) => KEYS[place] as string)

interface Reader {
  readonly moment: number
  readonly range: KnownRange | string
  rows: readonly KnownRow[] | undefined
}

/** What is known, beside what there is. */
class Run {
  readonly known: KnownRecords
  readonly #maxBytes: number
  /** As readers of the rows see it. */
  #rows: Map<string, StoredRecord> = new Map()
  /** As of the last commit that was acknowledged. */
  #settled: Rows = new Map()
  #commit: Commit | undefined
  #revision = 0
  #readers: Reader[] = []
  answers = 0

  constructor(maxBytes: number) {
    this.known = new KnownRecords(maxBytes)
    this.#maxBytes = maxBytes
  }

  get settled(): Rows {
    return this.#settled
  }

  take(step: Step): void {
    switch (step.type) {
      case 'begin':
        if (this.#commit === undefined) this.#begin(keysAt(step.keys), step.deletes)
        break
      case 'write':
        if (this.#commit !== undefined) this.#rows = new Map(this.#commit.after)
        break
      case 'settle':
        if (this.#commit === undefined) break
        this.#rows = new Map(this.#commit.after)
        this.#settled = this.#rows
        this.known.settle(this.#commit.replacements)
        this.#commit = undefined
        break
      case 'overtake':
        if (this.#commit !== undefined && this.#rows !== this.#settled) break
        this.#rows = this.#plan(keysAt(step.keys), step.deletes).after
        this.#settled = this.#rows
        this.known.forget()
        expect(this.known.bytes).toBe(0)
        this.#commit = undefined
        break
      case 'scan':
        this.checkScan(step.range)
        break
      case 'read':
        this.#readers.push({ moment: this.known.moment(), range: step.range, rows: undefined })
        break
      case 'get':
        this.checkGet(KEYS[step.key] as string)
        break
      case 'look':
        this.#readers.push({ moment: this.known.moment(), range: KEYS[step.key] as string, rows: undefined })
        break
      case 'go on':
        this.#goOn(step.reader % Math.max(1, this.#readers.length))
        break
    }
    this.checkBytes()
  }

  #begin(keys: readonly string[], deletes: readonly boolean[]): void {
    const commit = this.#plan(keys, deletes)
    if (commit.keys.length === 0) return
    this.known.begin(commit.replacements)
    this.#commit = commit
  }

  #plan(keys: readonly string[], deletes: readonly boolean[]): Commit {
    const after = new Map(this.#rows)
    const revision = ++this.#revision
    const touched: string[] = []
    const replacements: Replacement[] = []
    keys.forEach((key, index) => {
      const before = this.#rows.get(key)
      const next = deletes[index] === true ? undefined : recordOf(key, revision)
      if (before === undefined && next === undefined) return
      touched.push(key)
      replacements.push(replacementOf(key, before, next))
      if (next === undefined) after.delete(key)
      else after.set(key, next)
    })
    return { keys: touched, after, replacements }
  }

  #goOn(which: number): void {
    const reader = this.#readers[which]
    if (reader === undefined) return
    const { moment, range } = reader
    if (reader.rows === undefined) {
      reader.rows =
        typeof range === 'string'
          ? rowsOf(this.#rows, { gte: range, lt: `${range}\0`, limit: 1, reverse: false })
          : rowsOf(this.#rows, range)
      return
    }
    this.#readers.splice(which, 1)
    if (typeof range !== 'string') this.known.learnRange(moment, range, reader.rows)
    else for (const { key, record } of reader.rows) this.known.learn(moment, key, record)
  }

  checkScan(range: KnownRange): boolean {
    const answer = this.known.scan(range)
    if (answer === undefined) return false
    this.answers++
    const expected = rowsOf(this.#settled, range)
    // The long way only where the short one says something: there are many.
    if (summary(answer) !== summary(expected)) expect(shown(answer)).toEqual(shown(expected))
    for (const key of this.#commit?.keys ?? []) expect(key >= range.gte && key < range.lt).toBe(false)
    return true
  }

  checkGet(key: string): void {
    const answer = this.known.get(key)
    if (answer === undefined) return
    this.answers++
    expect(answer.record).toEqual(withoutPayload(this.#settled.get(key) as StoredRecord))
    expect([undefined, BigInt(answer.record.revision)]).toContain(answer.element)
    expect(this.#commit?.keys ?? []).not.toContain(key)
  }

  checkBytes(): void {
    let least = 0
    for (const key of KEYS) {
      const record = this.known.get(key)?.record
      if (record !== undefined) least += costOf(key, record)
    }
    expect(this.known.bytes).toBeGreaterThanOrEqual(least)
    // One entry more would not be wrong.
    expect(this.known.bytes).toBeLessThanOrEqual(this.#maxBytes + LARGEST_ENTRY)
  }

  /** Every range between any two bounds, both ways. */
  checkEverything(): void {
    for (const key of KEYS) this.checkGet(key)
    for (const gte of BOUNDS) {
      for (const lt of BOUNDS) {
        this.checkScan({ gte, lt, limit: 1000, reverse: false })
        this.checkScan({ gte, lt, limit: 2, reverse: true })
      }
    }
  }
}

const WHOLE: KnownRange = { gte: '', lt: '\xff\xff\xff', limit: 1000, reverse: false }

/** What one record comes to, by itself. */
function costOf(key: string, record: KnownRecord | StoredRecord): number {
  const alone = new KnownRecords(10_000)
  alone.learn(alone.moment(), key, record as StoredRecord)
  return alone.bytes
}

const LARGEST_ENTRY = Math.max(...KEYS.map((key) => costOf(key, recordOf(key, 1))))

function learnAll(known: KnownRecords, range: KnownRange, rows: Rows): void {
  known.learnRange(known.moment(), range, rowsOf(rows, range))
}

/** A commit that is begun, written and acknowledged. */
function commit(
  known: KnownRecords,
  rows: Map<string, StoredRecord>,
  changes: Record<string, number | undefined>,
): void {
  const replacements = Object.keys(changes).map((key): Replacement => {
    const revision = changes[key]
    const previous = rows.get(key)
    const next = revision === undefined ? undefined : recordOf(key, revision)
    if (next === undefined) rows.delete(key)
    else rows.set(key, next)
    return replacementOf(key, previous, next)
  })
  known.begin(replacements)
  known.settle(replacements)
}

describe('what is known of records', () => {
  test.each([
    ['with room for everything', 1_000_000, atLength(50, 250)],
    ['with room for some ten', 5000, atLength(50, 250)],
    ['with room for some four', 1800, atLength(50, 250)],
    ['with room for hardly one', 500, atLength(30, 150)],
    ['with room for nothing', 0, atLength(20, 100)],
  ])('is what the last acknowledged commit left, %s', (_, maxBytes, numRuns) => {
    let answers = 0
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 140, size: 'max' }), (steps) => {
        const run = new Run(maxBytes)
        for (const one of steps) run.take(one)
        run.checkEverything()
        run.known.clear()
        expect(run.known.bytes).toBe(0)
        const before = run.answers
        run.checkEverything()
        expect(run.answers).toBe(before)
        answers += run.answers
      }),
      { numRuns },
    )
    if (maxBytes === 0) expect(answers).toBe(0)
    else expect(answers).toBeGreaterThan(5 * numRuns)
  })

  test.each([1, 2, 3])('is so in long runs, too, seed %i', (seed) => {
    const draws = new Draws(seed)
    for (const maxBytes of [1_000_000, 8000, 3000, 1200]) {
      const run = new Run(maxBytes)
      for (let n = 0; n < atLength(2000, 6000); n++) {
        const [a, b] = [draws.pick(BOUNDS), draws.pick(BOUNDS)]
        const [low, lt] = a < b ? [a, b] : [b, a]
        const gte = draws.below(3) === 0 ? `${low}\0` : low
        const range = { gte, lt, limit: 1 + draws.below(8), reverse: draws.below(2) === 0 }
        const type = draws.pick([
          'begin',
          'write',
          'settle',
          'settle',
          'scan',
          'read',
          'get',
          'look',
          'go on',
          'go on',
        ] as const)
        const keys = [draws.below(KEYS.length), draws.below(KEYS.length)]
        if (type === 'begin')
          run.take({ type, keys: [...new Set(keys)], deletes: [draws.below(2) === 0, draws.below(2) === 0] })
        else if (type === 'scan' || type === 'read') run.take({ type, range })
        else if (type === 'get' || type === 'look') run.take({ type, key: draws.below(KEYS.length) })
        else if (type === 'go on') run.take({ type, reader: draws.below(4) })
        else run.take({ type })
        if (n % 1000 === 0) run.checkEverything()
      }
      run.checkEverything()
      expect(run.answers).toBeGreaterThan(50)
    }
  })

  test('everything about a range that was read whole is answered, whatever is written there afterwards', () => {
    const draws = new Draws(7)
    const inside = KEYS.filter((key) => key.length > 1)
    for (let round = 0; round < 60; round++) {
      const rows = new Map<string, StoredRecord>()
      const known = new KnownRecords(1_000_000)
      for (const key of inside) if (draws.below(3) === 0) rows.set(key, recordOf(key, 1 + draws.below(5)))
      // In two parts that meet, read from either end.
      learnAll(known, { gte: 'a', lt: 'b', limit: 1000, reverse: draws.below(2) === 0 }, rows)
      learnAll(known, { gte: 'b', lt: '\xff', limit: 1000, reverse: draws.below(2) === 0 }, rows)
      for (let n = 0; n < 40; n++) {
        const key = draws.pick(inside)
        const deleted = rows.has(key) && draws.below(2) === 0
        if (rows.has(key) || !deleted) commit(known, rows, { [key]: deleted ? undefined : 2 + draws.below(50) })
        const bounds = ['a', ...inside.filter((one) => one > 'a' && one < '\xff'), '\xff']
        const [a, b] = [draws.pick(bounds), draws.pick(bounds)].toSorted() as [string, string]
        if (a === b) continue
        const range = { gte: a, lt: b, limit: 1 + draws.below(12), reverse: draws.below(2) === 0 }
        const answer = known.scan(range)
        expect(answer).toBeDefined()
        expect(shown(answer ?? [])).toEqual(shown(rowsOf(rows, range)))
      }
    }
  })

  test('pages that were read one behind the other are known as one range, forward and backward', () => {
    for (const reverse of [false, true]) {
      const rows = new Map(KEYS.map((key) => [key, recordOf(key, 2)] as const))
      const known = new KnownRecords(1_000_000)
      let { gte, lt } = WHOLE
      for (;;) {
        const range = { gte, lt, limit: 5, reverse }
        expect(known.scan(range)).toBeUndefined()
        const page = rowsOf(rows, range)
        known.learnRange(known.moment(), range, page)
        expect(shown(known.scan(range) ?? [])).toEqual(shown(page))
        const last = page.at(-1)
        if (last === undefined || page.length < 5) break
        if (reverse) lt = last.key
        else gte = `${last.key}\0`
      }
      for (const limit of [1, 5, 7, 1000]) {
        for (const backward of [false, true]) {
          const range = { ...WHOLE, limit, reverse: backward }
          expect(shown(known.scan(range) ?? [])).toEqual(shown(rowsOf(rows, range)))
        }
      }
    }
  })

  test('of a page that was not the whole range, nothing is known beyond its last record', () => {
    const rows = new Map(['b', 'd', 'f', 'h'].map((key) => [key, recordOf(key, 2)] as const))
    const forward = new KnownRecords(1_000_000)
    learnAll(forward, { gte: 'a', lt: 'z', limit: 2, reverse: false }, rows)
    expect(forward.scan({ gte: 'a', lt: 'd', limit: 9, reverse: false })).toHaveLength(1)
    expect(forward.scan({ gte: 'a', lt: 'z', limit: 2, reverse: false })).toHaveLength(2)
    expect(forward.scan({ gte: 'a', lt: 'z', limit: 3, reverse: false })).toBeUndefined()
    expect(forward.scan({ gte: 'a', lt: 'e', limit: 9, reverse: false })).toBeUndefined()
    expect(forward.scan({ gte: 'd\0', lt: 'e', limit: 9, reverse: false })).toBeUndefined()
    expect(forward.scan({ gte: 'A', lt: 'd', limit: 9, reverse: false })).toBeUndefined()
    const backward = new KnownRecords(1_000_000)
    learnAll(backward, { gte: 'a', lt: 'z', limit: 2, reverse: true }, rows)
    expect(backward.scan({ gte: 'g', lt: 'z', limit: 9, reverse: true })).toHaveLength(1)
    expect(backward.scan({ gte: 'a', lt: 'z', limit: 2, reverse: true })).toHaveLength(2)
    expect(backward.scan({ gte: 'a', lt: 'z', limit: 3, reverse: true })).toBeUndefined()
    expect(backward.scan({ gte: 'e', lt: 'z', limit: 9, reverse: true })).toBeUndefined()
    expect(backward.scan({ gte: 'f', lt: 'zz', limit: 9, reverse: true })).toBeUndefined()
  })

  /** The place before which a range ended, where a record is that is not known, is no empty place. */
  test('a range that ends right before a record and one that begins right behind it say nothing of that record', () => {
    const rows = new Map(['b', 'd', 'f'].map((key) => [key, recordOf(key, 2)] as const))
    const known = new KnownRecords(1_000_000)
    learnAll(known, { gte: 'a', lt: 'd', limit: 9, reverse: true }, rows)
    learnAll(known, { gte: 'd\0', lt: 'z', limit: 9, reverse: false }, rows)
    const range = { gte: 'a', lt: 'z', limit: 9, reverse: false }
    for (const reverse of [false, true]) expect(known.scan({ ...range, reverse })).toBeUndefined()
    known.learn(known.moment(), 'd', rows.get('d') as StoredRecord)
    expect(known.get('d')?.record.address.name).toBe('d')
    for (const reverse of [false, true]) expect([undefined, 3]).toContain(known.scan({ ...range, reverse })?.length)
  })

  test('a record that is written to the very place where a known range begins is found there', () => {
    const rows = new Map(['b', 'd'].map((key) => [key, recordOf(key, 2)] as const))
    const known = new KnownRecords(1_000_000)
    learnAll(known, { gte: 'a\0', lt: 'z', limit: 9, reverse: false }, rows)
    commit(known, rows, { 'a\0': 4 })
    const range = { gte: 'a\0', lt: 'z', limit: 9, reverse: false }
    expect([undefined, 3]).toContain(known.scan(range)?.length)
    expect([undefined, 3]).toContain(known.scan({ ...range, reverse: true })?.length)
  })

  test('what a read brings is not taken in if a commit that began since its moment touches it', () => {
    const range = { gte: 'a', lt: 'c', limit: 9, reverse: false }
    const old = recordOf('b', 2)
    for (const when of ['begun before', 'begun after', 'begun and settled']) {
      const rows = new Map([['b', old]])
      const known = new KnownRecords(1_000_000)
      const replacement = (next: number | undefined): Replacement =>
        replacementOf('b', old, next === undefined ? undefined : recordOf('b', next))
      if (when === 'begun before') known.begin(touching('b'))
      const moment = known.moment()
      if (when !== 'begun before') known.begin(touching('b'))
      if (when === 'begun and settled') known.settle([replacement(undefined)])
      known.learn(moment, 'b', old)
      known.learnRange(moment, range, rowsOf(rows, range))
      expect(known.get('b')).toBeUndefined()
      expect(known.scan(range)).toBeUndefined()
      if (when !== 'begun and settled') known.settle([replacement(4)])
      expect([undefined, 4]).toContain(known.get('b')?.record.revision)
      expect([undefined, 0]).toContain(when === 'begun and settled' ? known.scan(range)?.length : undefined)
      // Of other records it says what it has seen.
      known.learn(moment, 'bb', recordOf('bb', 6))
      expect(known.get('bb')?.record.revision).toBe(6)
    }
  })

  test('a read that lasted for more commits than are remembered brings nothing', () => {
    const known = new KnownRecords(1_000_000)
    const moment = known.moment()
    for (let n = 0; n < 1000; n++) {
      known.begin(touching(`x${n}`))
      known.settle([])
    }
    known.learn(moment, 'b', recordOf('b', 2))
    expect(known.get('b')).toBeUndefined()
    known.learn(known.moment(), 'b', recordOf('b', 2))
    expect(known.get('b')).toBeDefined()
  })

  test('what a failed commit touched is never answered again, the rest is', () => {
    const rows = new Map(['b', 'd', 'f', 'h'].map((key) => [key, recordOf(key, 2)] as const))
    const known = new KnownRecords(1_000_000)
    learnAll(known, { gte: 'a', lt: 'z', limit: 9, reverse: false }, rows)
    known.begin(touching('d', 'e'))
    for (let n = 0; n < 3; n++) {
      expect(known.get('d')).toBeUndefined()
      for (const [gte, lt] of [
        ['a', 'z'],
        ['d', 'd\0'],
        ['e', 'f'],
        ['c', 'e'],
      ] as const) {
        for (const reverse of [false, true]) expect(known.scan({ gte, lt, limit: 9, reverse })).toBeUndefined()
      }
      expect(known.get('b')?.record.revision).toBe(2)
      expect(known.scan({ gte: 'a', lt: 'd', limit: 9, reverse: false })).toHaveLength(1)
      expect(known.scan({ gte: 'e\0', lt: 'z', limit: 9, reverse: true })).toHaveLength(2)
      // Not by being read again either.
      known.learn(known.moment(), 'd', recordOf('d', 2))
      learnAll(known, { gte: 'a', lt: 'z', limit: 9, reverse: false }, rows)
    }
  })
})

describe('what is forgotten because another writer has committed', () => {
  const rows: Rows = new Map(['b', 'd'].map((key) => [key, recordOf(key, 2)] as const))
  const range = { gte: 'a', lt: 'z', limit: 9, reverse: false }

  test('is everything, also by the bytes it takes', () => {
    const known = new KnownRecords(1_000_000)
    learnAll(known, range, rows)
    known.forget()
    expect([known.get('b'), known.get('d'), known.scan(range), known.bytes]).toEqual([
      undefined,
      undefined,
      undefined,
      0,
    ])
  })

  test('is not brought back by a read that began before', () => {
    const known = new KnownRecords(1_000_000)
    const moment = known.moment()
    known.forget()
    known.learn(moment, 'b', rows.get('b') as StoredRecord)
    known.learnRange(moment, range, rowsOf(rows, range))
    expect([known.get('b'), known.scan(range), known.bytes]).toEqual([undefined, undefined, 0])
  })

  test('is known again by a read that began after, also what the commit was to touch that was not written', () => {
    const known = new KnownRecords(1_000_000)
    learnAll(known, range, rows)
    known.begin(touching('b'))
    known.forget()
    learnAll(known, range, rows)
    expect(known.get('b')?.record.revision).toBe(2)
    expect(known.scan(range)).toHaveLength(2)
    // The next commit touches what it touches, and no more.
    const changed = new Map(rows)
    commit(known, changed, { d: 4 })
    expect(known.get('b')?.record.revision).toBe(2)
    expect(known.get('d')?.record.revision).toBe(4)
  })
})

describe('its bytes', () => {
  test('are the sum of its records, whichever way they came and went', () => {
    const draws = new Draws(11)
    for (const maxBytes of [1_000_000, 4000]) {
      const known = new KnownRecords(maxBytes)
      const rows = new Map<string, StoredRecord>()
      for (let n = 0; n < 2000; n++) {
        const key = draws.pick(KEYS)
        const [record] = rowsOf(rows, { gte: key, lt: `${key}\0`, limit: 1, reverse: false })
        if (record !== undefined && draws.below(3) === 0) known.learn(known.moment(), key, record.record)
        else if (rows.has(key) || draws.below(2) === 0)
          commit(known, rows, { [key]: rows.has(key) && draws.below(2) ? undefined : n })
        let sum = 0
        for (const one of KEYS) if (known.get(one) !== undefined) sum += costOf(one, rows.get(one) as StoredRecord)
        expect(known.bytes).toBe(sum)
      }
      for (const key of [...rows.keys()]) commit(known, rows, { [key]: undefined })
      expect(known.bytes).toBe(0)
    }
  })

  test('grow with names, users and accounts', () => {
    const plain = costOf('k', recordOf('k', 2))
    const long = 'x'.repeat(1000)
    const { address, ...record } = recordOf('k', 2)
    expect(costOf('k', { ...record, address: { ...address, name: long } })).toBeGreaterThanOrEqual(plain + 1000)
    expect(
      costOf('k', { ...record, address: { ...address, scope: { type: 'user', user: long } } }),
    ).toBeGreaterThanOrEqual(plain + 1000)
    const partition = { account: long, livemode: true }
    expect(costOf('k', { ...record, address: { ...address, partition } })).toBeGreaterThanOrEqual(plain + 1000)
    expect(costOf(long, recordOf('k', 2))).toBeGreaterThanOrEqual(plain + 999)
  })

  test('stay within their bound, and what is used stays known', () => {
    const known = new KnownRecords(50_000)
    const rows = new Map<string, StoredRecord>()
    const keyOf = (n: number): string => `k${String(n).padStart(6, '0')}`
    for (let n = 0; n < 20_000; n++) rows.set(keyOf(n), recordOf(keyOf(n), 2))
    known.learn(known.moment(), keyOf(5), rows.get(keyOf(5)) as StoredRecord)
    for (let n = 0; n < 20_000; n++) {
      known.learn(known.moment(), keyOf(n), rows.get(keyOf(n)) as StoredRecord)
      expect(known.get(keyOf(5))).toBeDefined()
      expect(known.bytes).toBeLessThanOrEqual(50_000 + 1000)
      if (n > 1000) expect(known.bytes).toBeGreaterThan(40_000)
    }
    expect(known.get(keyOf(0))).toBeUndefined()
    expect(known.get(keyOf(19_999))).toBeDefined()
  })

  test('a range larger than the bound is taken in as far as there is room, and no further', () => {
    const rows = new Map(Array.from({ length: 500 }, (_, n) => [`k${1000 + n}`, recordOf(`k${1000 + n}`, 2)] as const))
    const known = new KnownRecords(20_000)
    for (const reverse of [false, true]) {
      const range = { gte: 'k', lt: 'l', limit: 1000, reverse }
      learnAll(known, range, rows)
      expect(known.bytes).toBeLessThanOrEqual(21_000)
      expect(known.scan(range)).toBeUndefined()
      for (const key of rows.keys()) {
        const near = { gte: key, lt: `k${Number(key.slice(1)) + 3}`, limit: 3, reverse }
        const answer = known.scan(near)
        if (answer !== undefined) expect(shown(answer)).toEqual(shown(rowsOf(rows, near)))
      }
    }
  })
})

test('with no room nothing is known, and nothing is kept', () => {
  const known = new KnownRecords(0)
  const rows = new Map<string, StoredRecord>()
  commit(known, rows, { b: 2 })
  learnAll(known, WHOLE, rows)
  known.learn(known.moment(), 'b', rows.get('b') as StoredRecord)
  expect([known.get('b'), known.scan(WHOLE), known.bytes]).toEqual([undefined, undefined, 0])
})

test('what is kept of a record is a copy, without its payload', () => {
  const known = new KnownRecords(10_000)
  const inline = recordOf('a', 2)
  const external = recordOf('b', 3)
  known.learn(known.moment(), 'a', inline)
  known.learn(known.moment(), 'b', external)
  for (const { payload } of [inline, external]) {
    if ('tag' in payload) payload.tag.fill(0)
    else payload.inline.fill(0)
  }
  expect(known.get('a')?.record).toEqual({ ...withoutPayload(inline), payload: { type: 'text' } })
  expect(known.get('b')?.record.payload).toEqual({ type: 'bytes', lengthBytes: 3, tag: Uint8Array.of(3, 1) })
})
