import type { StoreContext } from '../context'
import type { KnownRecord } from '../format/record'
import { isExpired } from '../model'
import type { Lookup } from '../storage/records'

/**
 * A record that was read, unless it has expired: expired is gone, and the read that meets it has it deleted. One that
 * expires between its being read and here may have been replaced as well, so that it is read again, until the answer is
 * none, or one that is live, or the same.
 *
 * @param lookUp - How it was read.
 * @param onExpired - Told of one that has.
 */
export function* live<R extends KnownRecord>(
  context: StoreContext,
  rowKey: Uint8Array,
  record: R | undefined,
  lookUp: (context: StoreContext, rowKey: Uint8Array) => Lookup<R | undefined>,
  onExpired: (record: R) => void = (expired) => context.expireLazily(rowKey, expired),
): Lookup<R | undefined> {
  for (let seen = record; seen !== undefined; ) {
    if (!isExpired(seen, context.nowSeconds())) return seen
    const again: R | undefined = yield* lookUp(context, rowKey)
    if (again?.revision === seen.revision) {
      onExpired(seen)
      return undefined
    }
    seen = again
  }
  return undefined
}
