import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare, equal, mapKey, utf8 } from '../../../src/base/bytes'
import type { Keyring } from '../../../src/crypto/keyring'
import { EMPTY_HEAD, type Head } from '../../../src/format/head'
import type { CommitListener } from '../../../src/storage/commit/newest'
import type { CommitQueue } from '../../../src/storage/commit/queue'
import type { Engine, Row } from '../../../src/storage/engine'
import { nextHead } from '../../../src/storage/head'
import { RowKey } from '../../../src/storage/keyspace'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import type { Replacement, WrittenRecord } from '../../../src/storage/records'
import { RecordTally, type StepLimits, type Visit } from '../../../src/storage/tally'

/** The summand of a row, which is its value as a number: no keys are needed to count. */
const elementOf = ({ value }: Pick<Row, 'value'>): bigint => BigInt(value[0] as number)
const keyring = { elementHash: (_: Uint8Array, value: Uint8Array) => elementOf({ value }) } as unknown as Keyring

const rowOf = (name: string, value: number): Row => ({ key: utf8(`rt|account|${name}`), value: Uint8Array.of(value) })

function standing(row: Row): WrittenRecord {
  const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name: 'n' } as const
  const record = {
    id: 'appsecret_00000000000000000000000n',
    address,
    created: 0,
    expires_at: null,
    revision: 1,
    payload: { type: 'text' },
  } as const
  return { record, element: elementOf(row) }
}

/** Rows, and what a queue says of commits to them. */
class Store {
  readonly rows = new Map<string, Row>()
  head: Head = EMPTY_HEAD
  listeners: CommitListener[] = []
  readonly queue: CommitQueue

  constructor(...rows: readonly Row[]) {
    const head = (): Head => this.head
    this.queue = {
      get head() {
        return head()
      },
      listen: (listener: CommitListener) => {
        this.listeners.push(listener)
        return () => {
          this.listeners = this.listeners.filter((other) => other !== listener)
        }
      },
    } as unknown as CommitQueue
    this.commit(...rows.map((row) => [row.key, row] as const))
  }

  /** One commit, of rows or of their deletions. */
  commit(...changes: readonly (readonly [Uint8Array, Row | undefined])[]): void {
    const replacements: Replacement[] = changes.map(([key, next]) => {
      const previous = this.rows.get(mapKey(key))
      if (next === undefined) this.rows.delete(mapKey(key))
      else this.rows.set(mapKey(key), next)
      return { rowKey: RowKey.of(key), previous: previous && standing(previous), next: next && standing(next) }
    })
    this.head = nextHead(this.head, replacements)
    for (const listener of this.listeners) listener(replacements)
  }

  /** What a tally goes by. */
  get parts(): { readonly engine: Engine; readonly keyring: Keyring; readonly queue: CommitQueue } {
    const { queue } = this
    const engine = { scan: (range) => new MemoryEngine(this.sorted).scan(range) } as Pick<Engine, 'scan'> as Engine
    return { engine, keyring, queue }
  }

  get sorted(): Row[] {
    return [...this.rows.values()].sort((a, b) => compare(a.key, b.key))
  }
}

const ONE: StepLimits = { rows: 1, bytes: Number.POSITIVE_INFINITY }
const ALL: StepLimits = { rows: 1000, bytes: Number.POSITIVE_INFINITY }
/** Each record opens, and nothing is read besides. */
const opens: Visit = () => 0
const passesOver: Visit = () => undefined

/** The rows that one step meets. */
async function stepped(tally: RecordTally, limits: StepLimits, visit = opens): Promise<readonly [string, boolean]> {
  const met: string[] = []
  const more = await tally.step(limits, (row) => {
    met.push(mapKey(row.key).slice(11))
    return visit(row)
  })
  return [met.join(' '), more]
}

describe('a tally of records', () => {
  test('is complete when every record was met, and not before', async () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20), rowOf('c', 100))
    const tally = new RecordTally(store.parts)
    for (const name of ['a', 'b', 'c']) {
      expect(tally.isComplete()).toBe(false)
      expect(await stepped(tally, ONE)).toEqual([name, true])
    }
    expect(tally.isComplete()).toBe(true)
    expect([tally.count, tally.passed]).toEqual([3, 0])
    expect(await stepped(tally, ONE)).toEqual(['', false])
    expect(tally.isComplete()).toBe(true)
    expect(store.head.setHash).toBe(121n)
  })

  test('is not complete with as many records of other contents, or with the same sum of fewer', async () => {
    const other = new Store(rowOf('a', 1), rowOf('b', 20))
    // Not by a commit: the head knows nothing of it.
    other.rows.set(mapKey(rowOf('b', 20).key), rowOf('b', 21))
    const changed = new RecordTally(other.parts)
    expect(await stepped(changed, ALL)).toEqual(['a b', false])
    expect([changed.count, changed.isComplete()]).toEqual([2, false])
    const fewer = new Store(rowOf('a', 1), rowOf('b', 20))
    fewer.rows.clear()
    fewer.rows.set(mapKey(rowOf('a', 21).key), rowOf('a', 21))
    const short = new RecordTally(fewer.parts)
    expect(await stepped(short, ALL)).toEqual(['a', false])
    expect([short.count, short.isComplete()]).toEqual([1, false])
  })

  test('asks for what is still to be met: all record rows at first, those behind the last one, none at the end', async () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 1))
    const asked: unknown[] = []
    const parts = store.parts
    const engine = {
      scan: (range: Parameters<Engine['scan']>[0]) => {
        asked.push([mapKey(range.gte), mapKey(range.lt), range.limit, range.reverse ?? false])
        return parts.engine.scan(range)
      },
    } as Pick<Engine, 'scan'> as Engine
    const tally = new RecordTally({ ...parts, engine })
    expect(await stepped(tally, ONE)).toEqual(['a', true])
    expect(await stepped(tally, ONE, passesOver)).toEqual(['b', true])
    expect(await stepped(tally, { rows: 2, bytes: 9 })).toEqual(['', false])
    expect(await stepped(tally, { rows: 2, bytes: 9 })).toEqual(['', false])
    expect(asked).toEqual([
      ['r', 's', 1, false],
      ['rt|account|a\0', 's', 1, false],
      ['rt|account|b\0', 's', 2, false],
      ['s', 's', 2, false],
    ])
  })

  test('goes through as many rows and bytes in a step as it may, and one at least', async () => {
    const store = new Store(...['a', 'b', 'c', 'd', 'e'].map((name) => rowOf(name, 1)))
    const tally = new RecordTally(store.parts)
    // A row is one byte here, and what is read besides counts as well, also if it comes later.
    expect(await stepped(tally, { rows: 100, bytes: 0 })).toEqual(['a', true])
    expect(await stepped(tally, { rows: 100, bytes: 4 }, () => 1)).toEqual(['b c', true])
    expect(await stepped(tally, { rows: 100, bytes: 4 }, async () => 3)).toEqual(['d', true])
    // Of one that does not open the row counts alone. It ends with the bytes, and may not know that it was the last.
    expect(await stepped(tally, { rows: 100, bytes: 1 }, passesOver)).toEqual(['e', true])
    expect(await stepped(tally, { rows: 100, bytes: 1 })).toEqual(['', false])
    expect([tally.count, tally.passed]).toEqual([4, 1])
  })

  test('stays where it is if it cannot look at a row, and goes on from there', async () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20))
    const tally = new RecordTally(store.parts)
    const fails = ({ key }: Row): number => {
      if (equal(key, rowOf('b', 0).key)) throw new RangeError('no')
      return 0
    }
    await expect(tally.step(ALL, fails)).rejects.toThrow(new RangeError('no'))
    await expect(tally.step(ALL, async (row) => fails(row))).rejects.toThrow(new RangeError('no'))
    expect([tally.count, tally.isComplete()]).toEqual([1, false])
    expect(await stepped(tally, ALL)).toEqual(['b', false])
    expect(tally.isComplete()).toBe(true)
  })

  test('leaves out what was passed over, until it is replaced or deleted', async () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20), rowOf('c', 100))
    const tally = new RecordTally(store.parts)
    const [, b, c] = store.sorted as [Row, Row, Row]
    expect(await stepped(tally, ONE)).toEqual(['a', true])
    expect(await stepped(tally, ALL, async () => undefined)).toEqual(['b c', false])
    expect([tally.count, tally.passed]).toEqual([1, 2])
    expect(tally.isComplete()).toBe(false)
    store.commit([b.key, rowOf('b', 30)])
    expect([tally.count, tally.passed, tally.isComplete()]).toEqual([2, 1, false])
    store.commit([c.key, undefined])
    expect([tally.count, tally.passed]).toEqual([2, 0])
    // One of the two sums was right before: the set hash is compared as well as the count.
    expect(store.head).toMatchObject({ count: 2, setHash: 31n })
    expect(tally.isComplete()).toBe(true)
    // By now it is a record like others.
    store.commit([b.key, undefined])
    expect([tally.count, tally.passed]).toEqual([1, 0])
    expect(store.head).toMatchObject({ count: 1, setHash: 1n })
    expect(tally.isComplete()).toBe(true)
  })

  test('tells of what changes behind it, and of nothing ahead or after its end', async () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20))
    const told: string[] = []
    const tally = new RecordTally(store.parts, ({ rowKey, previous, next }) => {
      told.push(`${rowKey.text.slice(11)} ${previous?.element} ${next?.element} ${tally.count}`)
    })
    const [a, b] = store.sorted as [Row, Row]
    store.commit([a.key, rowOf('a', 2)])
    expect(await stepped(tally, ONE)).toEqual(['a', true])
    store.commit([a.key, rowOf('a', 3)], [b.key, rowOf('b', 30)], [utf8('rt|account|a\0'), rowOf('a\0', 7)])
    store.commit([a.key, undefined])
    tally.stop()
    store.commit([a.key, rowOf('a', 4)])
    expect(told).toEqual(['a 2 3 1', 'a 3 undefined 0'])
  })

  test('is complete at the end of every walk, whatever is written meanwhile', async () => {
    const names = fc.constantFrom('a', 'a\0', 'b', 'c', 'd')
    const step = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({ rows: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 0, max: 3 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ name: names, value: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }) }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(names), fc.array(step, { maxLength: 25 }), async (there, steps) => {
        const store = new Store(...there.map((name, place) => rowOf(name, place + 1)))
        const tally = new RecordTally(store.parts)
        for (const one of steps) {
          if ('rows' in one) await tally.step(one, opens)
          else store.commit([rowOf(one.name, 0).key, one.value === undefined ? undefined : rowOf(one.name, one.value)])
        }
        while (await tally.step(ONE, opens));
        expect(tally.isComplete()).toBe(true)
        expect(tally.count).toBe(store.rows.size)
      }),
      { numRuns: 300 },
    )
  })
})
