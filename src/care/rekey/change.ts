import type { StoreContext } from '../../context'
import { sealKeyringFile } from '../../crypto/keyring'
import type { KeyringFile } from '../../format/keyring-file'
import { checkReadable } from '../../keys/unlock'
import { installKeyring, stageKeyring } from '../../storage/directory/keyring-json'

/** What is needed to put another keyring.json in place. */
export type Rekeying = Pick<StoreContext, 'engine' | 'keyring' | 'queue' | 'keyringStorage'>

/** A keyring.json and the root key that its slots hold. */
export interface NextKeyring {
  readonly file: KeyringFile
  readonly rootKey: Uint8Array
}

/**
 * Puts another keyring.json in place: first on disk, then in use, then in the head, which from then on goes with no other.
 * No write is under way meanwhile. After a crash at any point the store opens with the one file or the other.
 *
 * @param sequence - At least the head's; more to leave an abandoned future behind.
 * @throws {TypeError | RangeError} If keyring.json could not hold it; nothing has changed.
 * @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`: nothing has changed. `ERR_FAILED`: it shows when the store is opened
 *   again.
 */
export async function changeKeyring(
  { engine, keyring, queue, keyringStorage }: Rekeying,
  { file, rootKey }: NextKeyring,
  leastSequence = 0,
): Promise<void> {
  await queue.exclusive(async () => {
    const { head } = queue
    const generation = Math.max(generationOf(keyring.file), head.keyring?.generation ?? 0) + 1
    const next = { ...file, change: { generation, sequence: head.sequence } }
    const bytes = sealKeyringFile(next, rootKey)
    const { mac } = checkReadable(bytes)
    engine.checkOwned()
    await stageKeyring(keyringStorage, bytes)
    try {
      await installKeyring(keyringStorage, bytes)
      keyring.adopt(next, rootKey)
    } catch (cause) {
      throw queue.fail(cause)
    }
    const sequence = Math.max(head.sequence, leastSequence) + 1
    await queue.commitHead({ ...head, sequence, keyring: { generation, mac } })
  })
}

function generationOf({ change }: KeyringFile): number {
  return change?.generation ?? 0
}
