import { equal } from '../../base/bytes'
import type { StoreContext } from '../../context'
import { Keyring, readKeyringFile, sealKeyringFile } from '../../crypto/keyring'
import { publicRandom } from '../../crypto/random'
import { SecretStoreError } from '../../errors'
import type { Checkpoint } from '../../format/checkpoint'
import type { KeyringFile } from '../../format/keyring-file'
import { checkReadable } from '../../keys/unlock'
import { isOwn } from '../../storage/checkpoint'
import { exclusiveUnlessAborted } from '../../storage/commit/given-up'

/** What is needed to put another keyring.json in place. */
export type Rekeying = Pick<StoreContext, 'keyring' | 'queue' | 'keyringStorage'>

/** A keyring.json and the root key that its slots hold. */
export interface NextKeyring {
  /** The bytes of the keyring.json that it was planned on. */
  readonly plannedOn: Uint8Array
  readonly file: KeyringFile
  readonly rootKey: Uint8Array
}

/**
 * Puts another keyring.json in place while no write is under way: on disk, in use, and in the head, which names it. The
 * store opens with the one file or the other after a crash at any point.
 *
 * @param options - `leastSequence` for the head; above all writes of an abandoned future. `signal` takes the change back
 *   until it has its turn.
 * @throws {TypeError | RangeError} If keyring.json could not hold it; nothing has changed.
 * @throws {SecretStoreError} `ERR_BUSY` if another keyring.json is there by now than the one that it was planned on: a
 *   process that was stopped loses its lock to others. Nothing has changed.
 * @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`: nothing has changed. `ERR_FAILED`: the next opening shows
 *   which.
 */
export async function changeKeyring(
  { keyring, queue, keyringStorage }: Rekeying,
  { plannedOn, file, rootKey }: NextKeyring,
  { leastSequence = 0, signal }: { readonly leastSequence?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const change = async (): Promise<void> => {
    if (!equal(plannedOn, keyringStorage.bytes) || !isOf(file, plannedOn)) throw changedMeanwhile()
    const { head } = queue
    const generation = Math.max(keyring.file.change?.generation ?? 0, head.keyring?.generation ?? 0) + 1
    const next = { ...file, change: { generation, sequence: head.sequence } }
    const bytes = sealKeyringFile(next, rootKey)
    const { mac } = checkReadable(bytes)
    const sequence = Math.max(head.sequence, leastSequence) + 1
    const nextKeyring = new Keyring(next, rootKey, publicRandom, keyring.aead)
    try {
      await queue.commitHead({ ...head, sequence, keyring: { generation, mac } }, { bytes, keyring: nextKeyring })
    } finally {
      nextKeyring.wipe()
    }
    // Where the answer came late, those of others may have come after it.
    if (generation <= (keyring.file.change?.generation ?? 0)) return
    keyring.adopt(next, rootKey)
    keyringStorage.bytes = bytes
  }
  await exclusiveUnlessAborted(queue, change, signal)
}

/**
 * Whether a plan was made on the keys of these bytes. Those of another process are in place before this one has taken them
 * over: until then what it plans is of the keys before.
 */
export function isOf({ change }: KeyringFile, bytes: Uint8Array): boolean {
  return (change?.generation ?? 0) === (readKeyringFile(bytes).file.change?.generation ?? 0)
}

/** The error of a change that was planned on what is no longer so; nothing of it has happened. */
export function changedMeanwhile(): SecretStoreError {
  const expected = 'keys: expected nobody else to change them meanwhile'
  return new SecretStoreError('ERR_BUSY', `${expected}, got a change by another process; call it again`)
}

/** More than can have been written between the last checkpoint that is known and the end of what is abandoned. */
const ABANDONED_WRITES: number = 2 ** 32
/** A million writes a second for a hundred years. */
const GREATEST_PLAUSIBLE_SEQUENCE: number = 2 ** 52

/** Makes an older state the newest: its write comes after all that is known of the abandoned future. */
export async function makeNewest(store: Rekeying, minima: readonly Checkpoint[]): Promise<void> {
  const { keyring, queue } = store
  // A number that no store comes to was forged where the token is kept.
  const own = minima.filter((one) => isOwn(one, keyring) && one.sequence <= GREATEST_PLAUSIBLE_SEQUENCE)
  const sequence = Math.max(queue.head.sequence, ...own.map((minimum) => minimum.sequence)) + ABANDONED_WRITES
  await keyring.lendRootKey((rootKey) =>
    changeKeyring(
      store,
      { plannedOn: store.keyringStorage.bytes, file: keyring.file, rootKey },
      { leastSequence: sequence },
    ),
  )
}
