import { compare, keyAfter } from '../base/bytes'
import { orAborted } from '../base/waiting'
import type { Engine, Row } from './engine'
import type { Span } from './keyspace'

/**
 * All rows of a span in their order, some at a time. Writes go on meanwhile: a row that is written ahead of it is met.
 *
 * @throws What `signal` was aborted with.
 */
export async function* walkRows(
  engine: Engine,
  { gte, lt }: Span,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly Row[], void> {
  while (compare(gte, lt) < 0) {
    const rows = await orAborted(signal, engine.scan({ gte, lt, limit }))
    yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < limit) return
    gte = keyAfter(last.key)
  }
}
