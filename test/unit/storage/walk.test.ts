import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes'
import type { Range, Row } from '../../../src/storage/engine'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { walkRows } from '../../../src/storage/walk'
import { writeTo } from '../../support/engine-writes'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const keyText = ({ key }: Row): string => text(key)

/** Notes what it is asked for. */
class AskedEngine extends MemoryEngine {
  readonly asked: string[] = []

  override scan(range: Range): ReturnType<MemoryEngine['scan']> {
    this.asked.push(`${text(range.gte)}..${text(range.lt)} ${range.limit}`)
    return super.scan(range)
  }
}

function filled(...keys: readonly string[]): AskedEngine {
  return new AskedEngine(keys.map((key) => ({ key: utf8(key), value: utf8(`value of ${key}`) })))
}

const span = (gte: string, lt: string): { readonly gte: Uint8Array; readonly lt: Uint8Array } => ({
  gte: utf8(gte),
  lt: utf8(lt),
})

async function pagesOf<T>(walk: AsyncIterable<readonly T[]>, show: (item: T) => string): Promise<readonly string[]> {
  const pages: string[] = []
  for await (const page of walk) pages.push(page.map(show).join(' '))
  return pages
}

describe('a walk', () => {
  test.each([
    [1, ['b', 'b\0', 'c', 'd', '']],
    [2, ['b b\0', 'c d', '']],
    [3, ['b b\0 c', 'd']],
    [4, ['b b\0 c d', '']],
    [5, ['b b\0 c d']],
  ])('of pages of %i meets every row of the span once, and no other', async (pageRows, pages) => {
    const engine = filled('a', 'b', 'b\0', 'c', 'd', 'e')
    expect(await pagesOf(walkRows(engine, span('b', 'e'), pageRows), keyText)).toEqual(pages)
    expect(await pagesOf(walkRows(engine, span('b', 'e'), pageRows), ({ value }) => text(value).slice(9))).toEqual(
      pages,
    )
  })

  test('asks for the next page from right behind the last row, and for none behind a short one', async () => {
    const engine = filled('a', 'b', 'c')
    await pagesOf(walkRows(engine, span('a', 'z'), 2), String)
    expect(engine.asked).toEqual(['a..z 2', 'b\0..z 2'])
  })

  test('of a span that ends right behind the last row of a page is over with it', async () => {
    const engine = filled('a', 'b')
    expect(await pagesOf(walkRows(engine, span('a', 'b\0'), 2), keyText)).toEqual(['a b'])
    expect(engine.asked).toEqual(['a..b\0 2'])
  })

  test.each([
    ['b', 'b'],
    ['c', 'b'],
  ])('from %s to below %s asks for nothing', async (gte, lt) => {
    const engine = filled('a', 'b', 'c')
    expect(await pagesOf(walkRows(engine, span(gte, lt), 2), keyText)).toEqual([])
    expect(engine.asked).toEqual([])
  })

  test('of nothing is one empty page', async () => {
    expect(await pagesOf(walkRows(filled(), span('a', 'z'), 2), keyText)).toEqual([''])
  })

  test('meets what is written ahead of it', async () => {
    const engine = filled('a', 'b', 'd')
    const seen: string[] = []
    for await (const page of walkRows(engine, span('a', 'z'), 2)) {
      seen.push(page.map(keyText).join(' '))
      if (seen.length === 1) {
        const put = (key: string) => ({ type: 'put', key: utf8(key), value: utf8('') }) as const
        expect(await writeTo(engine, [put('a\0'), put('c')], undefined)).toBe(true)
      }
    }
    expect(seen).toEqual(['a b', 'c d', ''])
  })
})
