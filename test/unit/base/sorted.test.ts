import { describe, expect, test } from 'vitest'
import { type Keyed, Sorted } from '../../../src/base/sorted'
import { Draws } from '../../support/campaign'

/** The same by a plain array, with no thought of speed. */
class Plain {
  readonly items: Keyed[] = []

  /** Of the first item whose key is not below `key`. */
  position(key: string): number {
    const found = this.items.findIndex((item) => item.key >= key)
    return found < 0 ? this.items.length : found
  }

  has(key: string): boolean {
    return this.items[this.position(key)]?.key === key
  }

  insert(item: Keyed): void {
    this.items.splice(this.position(item.key), 0, item)
  }

  delete(key: string): void {
    if (this.has(key)) this.items.splice(this.position(key), 1)
  }
}

function forward(sorted: Sorted<Keyed>, key = '', most = Number.POSITIVE_INFINITY): Keyed[] {
  const found: Keyed[] = []
  for (const cursor = sorted.seek(key); cursor.item !== undefined && found.length < most; cursor.next()) {
    found.push(cursor.item)
  }
  return found
}

function backward(sorted: Sorted<Keyed>, key: string, most = Number.POSITIVE_INFINITY): Keyed[] {
  const found: Keyed[] = []
  const cursor = sorted.seek(key)
  for (let item = cursor.previous(); item !== undefined && found.length < most; item = cursor.previous()) {
    found.push(item)
  }
  return found
}

const ABOVE_ALL = '\uffff'

function check(sorted: Sorted<Keyed>, plain: Plain): void {
  expect(forward(sorted).map(({ key }) => key)).toEqual(plain.items.map(({ key }) => key))
  expect(backward(sorted, ABOVE_ALL).map(({ key }) => key)).toEqual(plain.items.map(({ key }) => key).reverse())
}

describe('a sorted sequence', () => {
  // In clusters, so that chunks are cut in one place and vanish in another.
  test.each([1, 2, 3, 4])('agrees with a plain array under random changes, seed %i', (seed) => {
    const draws = new Draws(seed)
    const sorted = new Sorted<Keyed>()
    const plain = new Plain()
    const keyOf = (cluster: number): string =>
      `${'abcdefgh'[cluster]}${draws.below(700).toString(36)}${'\0'.repeat(draws.below(2))}`
    for (let step = 0; step < 6000; step++) {
      const cluster = draws.below(8)
      // By turns it grows and shrinks, and clusters are emptied altogether.
      const grows = Math.floor(step / 1500) % 2 === 0
      const key = keyOf(cluster)
      if (draws.below(10) < (grows ? 8 : 2)) {
        if (!plain.has(key)) {
          const item = { key }
          sorted.insert(item)
          plain.insert(item)
        }
      } else if (draws.below(200) === 0) {
        for (const item of plain.items.filter((one) => one.key.startsWith(key[0] as string))) {
          sorted.delete(item.key)
          plain.delete(item.key)
        }
      } else {
        const near = plain.items[plain.position(key)]?.key ?? key
        sorted.delete(grows ? key : near)
        plain.delete(grows ? key : near)
      }
      const sought = draws.below(3) === 0 ? '' : keyOf(draws.below(8))
      const at = plain.position(sought)
      expect(sorted.seek(sought).item).toBe(plain.items[at])
      if (step % 7 === 0) {
        expect(forward(sorted, sought, 300)).toEqual(plain.items.slice(at, at + 300))
        expect(backward(sorted, sought, 300)).toEqual(plain.items.slice(Math.max(0, at - 300), at).reverse())
      }
      if (step % 500 === 0) check(sorted, plain)
    }
    check(sorted, plain)
    for (const { key } of [...plain.items]) sorted.delete(key)
    expect(forward(sorted)).toEqual([])
    expect(backward(sorted, ABOVE_ALL)).toEqual([])
  })

  test.each([
    ['upward', (n: number) => n],
    ['downward', (n: number) => 9999 - n],
    ['inward', (n: number) => (n % 2 === 0 ? n / 2 : 9999 - (n - 1) / 2)],
  ])('takes ten thousand keys that come %s', (_, orderOf) => {
    const sorted = new Sorted<Keyed>()
    for (let n = 0; n < 10_000; n++) sorted.insert({ key: String(orderOf(n)).padStart(5, '0') })
    const keys = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(5, '0'))
    expect(forward(sorted).map(({ key }) => key)).toEqual(keys)
    expect(backward(sorted, ABOVE_ALL).map(({ key }) => key)).toEqual(keys.toReversed())
    for (let n = 0; n < 10_000; n += 3) sorted.delete(keys[n] as string)
    expect(forward(sorted).map(({ key }) => key)).toEqual(keys.filter((_, n) => n % 3 !== 0))
  })

  test('a cursor goes to and fro, over both ends and back', () => {
    const sorted = new Sorted<Keyed>()
    const keys = Array.from({ length: 1000 }, (_, n) => String(n).padStart(4, '0'))
    for (const key of keys) sorted.insert({ key })
    const draws = new Draws(5)
    const cursor = sorted.seek('0500')
    let at = 500
    for (let step = 0; step < 50_000; step++) {
      const up = draws.below(1000) < (Math.floor(step / 5000) % 2 === 0 ? 700 : 300)
      if (up && at === 1000) continue
      if (!up && at === -1) continue
      at += up ? 1 : -1
      expect((up ? cursor.next() : cursor.previous())?.key).toBe(keys[at])
      expect(cursor.item?.key).toBe(keys[at])
    }
  })

  test('what is not there is not deleted, and nothing is in an empty one', () => {
    const sorted = new Sorted<Keyed>()
    sorted.delete('a')
    expect(sorted.seek('').item).toBeUndefined()
    expect(sorted.seek('').next()).toBeUndefined()
    expect(sorted.seek('a').previous()).toBeUndefined()
    sorted.insert({ key: 'b' })
    for (const key of ['a', 'b\0', 'c']) sorted.delete(key)
    expect(forward(sorted)).toEqual([{ key: 'b' }])
    sorted.clear()
    expect(forward(sorted)).toEqual([])
    sorted.insert({ key: 'a' })
    expect(forward(sorted)).toEqual([{ key: 'a' }])
  })

  test('is ordered by UTF-16 unit', () => {
    const sorted = new Sorted<Keyed>()
    const keys = ['\0', '\0\0', '\x7f', '\x80', '\xff', '\xff\0', '\xff\xff']
    for (const key of keys.toReversed()) sorted.insert({ key })
    expect(forward(sorted).map(({ key }) => key)).toEqual(keys)
  })
})
