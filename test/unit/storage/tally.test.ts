import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare, mapKey, utf8 } from '../../../src/base/bytes'
import type { Keyring } from '../../../src/crypto/keyring'
import { EMPTY_HEAD, type Head } from '../../../src/format/head'
import { nextHead } from '../../../src/storage/commit/changes'
import type { CommitListener, CommitQueue } from '../../../src/storage/commit/queue'
import type { Row } from '../../../src/storage/engine'
import type { Replacement, Standing } from '../../../src/storage/replacement'
import { RecordTally } from '../../../src/storage/tally'

/** The summand of a row, which is its value as a number: no keys are needed to count. */
const elementOf = ({ value }: Pick<Row, 'value'>): bigint => BigInt(value[0] as number)
const keyring = { elementHash: (_: Uint8Array, value: Uint8Array) => elementOf({ value }) } as unknown as Keyring

const rowOf = (name: string, value: number): Row => ({ key: utf8(`rt|account|${name}`), value: Uint8Array.of(value) })

function standing(row: Row): Standing {
  const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name: 'n' } as const
  const record = {
    id: 'appsecret_n',
    address,
    created: 0,
    expires_at: null,
    revision: 1,
    payload: { type: 'text' },
  } as const
  return { rowKey: row.key, record, element: elementOf(row) }
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
      return { previous: previous && standing(previous), next: next && standing(next) }
    })
    this.head = nextHead(this.head, replacements)
    for (const listener of this.listeners) listener(replacements)
  }

  get sorted(): Row[] {
    return [...this.rows.values()].sort((a, b) => compare(a.key, b.key))
  }
}

describe('a tally of records', () => {
  test('is complete when every record was met, and not before', () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20), rowOf('c', 100))
    const tally = new RecordTally(keyring, store.queue)
    for (const row of store.sorted) {
      expect(tally.isComplete()).toBe(false)
      tally.meet(row)
    }
    expect(tally.isComplete()).toBe(true)
    expect([tally.count, tally.setHash, tally.passed]).toEqual([3, 121n, 0])
  })

  test('is not complete with as many records of other contents, or with the same sum of fewer', () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20))
    const other = new RecordTally(keyring, store.queue)
    other.meet(rowOf('a', 1))
    other.meet(rowOf('b', 21))
    expect(other.isComplete()).toBe(false)
    const fewer = new RecordTally(keyring, store.queue)
    fewer.meet(rowOf('a', 21))
    expect(fewer.isComplete()).toBe(false)
  })

  test('says what is still to be met: all record rows at first, those behind the last one, none at the end', () => {
    const tally = new RecordTally(keyring, new Store().queue)
    expect(tally.ahead).toEqual({ gte: utf8('r'), lt: utf8('s') })
    tally.meet(rowOf('a', 1))
    expect(tally.ahead).toEqual({ gte: utf8('rt|account|a\0'), lt: utf8('s') })
    tally.pass(rowOf('b', 1))
    expect(tally.ahead).toEqual({ gte: utf8('rt|account|b\0'), lt: utf8('s') })
    tally.meetEnd()
    expect(tally.ahead).toEqual({ gte: utf8('s'), lt: utf8('s') })
  })

  test('leaves out what was passed over, until it is replaced or deleted', () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20), rowOf('c', 100))
    const tally = new RecordTally(keyring, store.queue)
    const [a, b, c] = store.sorted as [Row, Row, Row]
    tally.meet(a)
    tally.pass(b)
    tally.pass(c)
    tally.meetEnd()
    expect([tally.count, tally.setHash, tally.passed]).toEqual([1, 1n, 2])
    expect(tally.isComplete()).toBe(false)
    store.commit([b.key, rowOf('b', 30)])
    expect([tally.count, tally.setHash, tally.passed]).toEqual([2, 31n, 1])
    store.commit([c.key, undefined])
    expect([tally.count, tally.setHash, tally.passed]).toEqual([2, 31n, 0])
    expect(tally.isComplete()).toBe(true)
    // By now it is a record like others.
    store.commit([b.key, undefined])
    expect([tally.count, tally.setHash, tally.passed]).toEqual([1, 1n, 0])
  })

  test('tells of what changes behind it, and of nothing ahead or after its end', () => {
    const store = new Store(rowOf('a', 1), rowOf('b', 20))
    const told: string[] = []
    const tally = new RecordTally(keyring, store.queue, ({ previous, next }) => {
      told.push(`${previous?.element} ${next?.element} ${tally.count}`)
    })
    const [a, b] = store.sorted as [Row, Row]
    store.commit([a.key, rowOf('a', 2)])
    tally.meet(rowOf('a', 2))
    store.commit([a.key, rowOf('a', 3)], [b.key, rowOf('b', 30)], [utf8('rt|account|a\0'), rowOf('a\0', 7)])
    store.commit([a.key, undefined])
    tally.stop()
    store.commit([a.key, rowOf('a', 4)])
    expect(told).toEqual(['2 3 1', '3 undefined 0'])
  })

  test('is complete at the end of every walk, whatever is written meanwhile', () => {
    const names = fc.constantFrom('a', 'a\0', 'b', 'c', 'd')
    const step = fc.oneof(
      { weight: 2, arbitrary: fc.constant('go on' as const) },
      {
        weight: 3,
        arbitrary: fc.record({ name: names, value: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }) }),
      },
    )
    fc.assert(
      fc.property(fc.uniqueArray(names), fc.array(step, { maxLength: 25 }), (there, steps) => {
        const store = new Store(...there.map((name, place) => rowOf(name, place + 1)))
        const tally = new RecordTally(keyring, store.queue)
        const goOn = (): boolean => {
          const next = store.sorted.find(({ key }) => compare(key, tally.ahead.gte) >= 0)
          if (next === undefined) tally.meetEnd()
          else tally.meet(next)
          return next !== undefined
        }
        for (const one of steps) {
          if (one === 'go on') goOn()
          else store.commit([rowOf(one.name, 0).key, one.value === undefined ? undefined : rowOf(one.name, one.value)])
        }
        while (goOn());
        expect(tally.isComplete()).toBe(true)
        expect(tally.count).toBe(store.rows.size)
      }),
      { numRuns: 300 },
    )
  })
})
