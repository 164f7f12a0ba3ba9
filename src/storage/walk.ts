import { compare, keyAfter } from '../base/bytes'
import type { Engine, Row } from './engine'
import type { Span } from './keyspace'

/** All rows of a span in their order, some at a time. Writes go on meanwhile: what is written ahead of it is met. */
export function walkRows(engine: Engine, span: Span, pageRows: number): AsyncGenerator<readonly Row[], void> {
  return walk(
    span,
    pageRows,
    (page) => engine.scan(page),
    (row) => row.key,
  )
}

/** The same of keys alone: values may be large. */
export function walkKeys(engine: Engine, span: Span, pageRows: number): AsyncGenerator<readonly Uint8Array[], void> {
  return walk(
    span,
    pageRows,
    (page) => engine.scanKeys(page),
    (key) => key,
  )
}

async function* walk<T>(
  { gte, lt }: Span,
  limit: number,
  scan: (page: Span & { readonly limit: number }) => Promise<readonly T[]>,
  keyOf: (item: T) => Uint8Array,
): AsyncGenerator<readonly T[], void> {
  while (compare(gte, lt) < 0) {
    const items = await scan({ gte, lt, limit })
    yield items
    const last = items.at(-1)
    if (last === undefined || items.length < limit) return
    gte = keyAfter(keyOf(last))
  }
}
