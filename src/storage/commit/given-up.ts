import { orAbortedBefore } from '../../base/waiting'
import type { CommitQueue } from './queue'
import type { Operation } from './transaction'

/**
 * Submits an operation that `signal` takes back as long as it has not had its turn; what is under way then ends as it
 * would have. So a call that rejects with what `signal` was aborted with has changed nothing.
 */
export function submitUnlessAborted<T>(
  queue: CommitQueue,
  operation: Operation<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return queue.submit(operation)
  if (signal.aborted) return Promise.reject(signal.reason)
  let hasBegun = false
  const apply: typeof operation.apply = (transaction) => {
    // Also where it was applied before, and another writer's commit came first.
    signal.throwIfAborted()
    hasBegun = true
    return operation.apply(transaction)
  }
  return orAbortedBefore(signal, queue.submit({ ...operation, apply }), () => hasBegun)
}

/** The same of work that runs with no commit under way. */
export async function exclusiveUnlessAborted<T>(
  queue: CommitQueue,
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted()
  let hasBegun = false
  const guarded = (): Promise<T> => {
    signal?.throwIfAborted()
    hasBegun = true
    return work()
  }
  return orAbortedBefore(signal, queue.exclusive(guarded), () => hasBegun)
}
