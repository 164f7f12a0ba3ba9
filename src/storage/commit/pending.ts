import type { Operation, Transaction } from './transaction'

/** An operation that waits for its turn, and its caller. */
export interface Pending {
  readonly operation: Operation<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What an operation came to, and how its caller is told. */
export interface Result {
  readonly threw: boolean
  settle(): void
}

export function failed({ reject }: Pending, failure: unknown): Result {
  return { threw: true, settle: () => reject(failure) }
}

/** Applies the operation, and tells nobody yet. */
export function attempt(transaction: Transaction, { operation, resolve, reject }: Pending): Result {
  try {
    const value = transaction.attempt(operation)
    return { threw: false, settle: () => resolve(value) }
  } catch (error) {
    return { threw: true, settle: () => reject(error) }
  }
}
