import type { StoreContext } from '../../context'

/** What is looked at, and what it is held against. */
export type Verifiable = Pick<StoreContext, 'engine' | 'keyring' | 'keyspace' | 'queue'> &
  // Left out where it has been seen to.
  Partial<Pick<StoreContext, 'keyringStorage'>>
