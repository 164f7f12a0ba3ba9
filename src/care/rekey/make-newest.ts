import { equal } from '../../base/bytes'
import type { Checkpoint } from '../../format/checkpoint'
import { changeKeyring, type Rekeying } from './change'

/** More than can have been written between the last checkpoint that is known and the end of what is abandoned. */
const ABANDONED_WRITES: number = 2 ** 32
/** A million writes a second for a hundred years. */
const GREATEST_PLAUSIBLE_SEQUENCE: number = 2 ** 52

/** Makes an older state the newest: its write comes after all that is known of the future that is abandoned. */
export async function makeNewest(store: Rekeying, minima: readonly Checkpoint[]): Promise<void> {
  const { keyring, queue } = store
  // A number that no store comes to was forged where the token is kept.
  const own = minima.filter(
    ({ storeId, sequence }) => equal(storeId, keyring.storeId) && sequence <= GREATEST_PLAUSIBLE_SEQUENCE,
  )
  const sequence = Math.max(queue.head.sequence, ...own.map((minimum) => minimum.sequence)) + ABANDONED_WRITES
  await keyring.lendRootKey((rootKey) => changeKeyring(store, { file: keyring.file, rootKey }, sequence))
}
