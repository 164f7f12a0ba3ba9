import { equal } from '../bytes'
import type { StoreContext } from '../context'
import { readKeyringFile, sealKeyringFile } from '../crypto/keyring'
import { SecretStoreError } from '../errors'
import type { Head } from '../format/head'
import type { KeyringFile, UnverifiedKeyringFile } from '../format/keyring-file'

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
    await keyringStorage.stage(bytes)
    try {
      await keyringStorage.install()
      keyring.adopt(next, rootKey)
    } catch (cause) {
      throw queue.fail(cause)
    }
    const sequence = Math.max(head.sequence, leastSequence) + 1
    await queue.commitHead({ ...head, sequence, keyring: { generation, mac } })
  })
}

/** What is written must be readable before anything depends on it; a provider's slot may not be. */
export function checkReadable(keyringFile: Uint8Array): UnverifiedKeyringFile {
  try {
    return readKeyringFile(keyringFile)
  } catch (cause) {
    throw new TypeError('keyring.json: expected slots and keys that it can hold, got others (see the key provider)', {
      cause,
    })
  }
}

/**
 * Whether a keyring.json and a head go together.
 *
 * - `settled`: the head was written beside this file.
 * - `unsettled`: a crash came between the file and its head; nothing was written since.
 *
 * @param mac - The file's.
 * @throws {SecretStoreError} `ERR_ROLLBACK` if one of the two is older than the other.
 */
export function matchKeyring({ change }: KeyringFile, mac: Uint8Array, head: Head): 'settled' | 'unsettled' {
  const generation = change?.generation ?? 0
  const headGeneration = head.keyring?.generation ?? 0
  if (generation === headGeneration) {
    if (change === undefined || head.keyring === undefined) return 'settled'
    if (equal(head.keyring.mac, mac) && head.sequence > change.sequence) return 'settled'
    throw rollback('keyring.json: expected the one the data was written beside, got another of its generation')
  }
  if (generation < headGeneration) {
    throw rollback(
      `keyring.json: expected generation ${headGeneration}, got ${generation}, which is older than the data`,
    )
  }
  if (generation === headGeneration + 1 && change?.sequence === head.sequence) return 'unsettled'
  throw rollback(`data: expected write ${change?.sequence} at least, got ${head.sequence}, older than keyring.json`)
}

function generationOf({ change }: KeyringFile): number {
  return change?.generation ?? 0
}

function rollback(message: string): SecretStoreError {
  return new SecretStoreError('ERR_ROLLBACK', message)
}
