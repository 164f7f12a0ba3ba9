import { equal } from '../base/bytes'
import { SecretStoreError } from '../errors'
import type { Head } from '../format/head'
import type { KeyringFile } from '../format/keyring-file'

/**
 * Whether a keyring.json and a head go together.
 *
 * - `settled`: the head was written beside this file.
 * - `unsettled`: a crash came between the file and its head; nothing was written since.
 *
 * @param mac - The file's.
 * @param keyId - The data key that the head is sealed under.
 * @throws {SecretStoreError} `ERR_ROLLBACK` if one of the two is older than the other.
 */
export function matchKeyring(
  { change, keys }: KeyringFile,
  mac: Uint8Array,
  head: Head,
  keyId: number,
): 'settled' | 'unsettled' {
  const generation = change?.generation ?? 0
  const headGeneration = head.keyring?.generation ?? 0
  if (generation === headGeneration) {
    const isMarked = change !== undefined && head.keyring !== undefined
    if (isMarked && !(equal(head.keyring.mac, mac) && head.sequence > change.sequence)) {
      throw rollback('keyring.json: expected the one the data was written beside, got another of its generation')
    }
    // Every write seals its head under the greatest data key. Who holds lesser ones alone could make another.
    const greatest = keys.at(-1)?.id
    if (keyId !== greatest) throw rollback(`head: expected it under data key ${greatest}, got key ${keyId}`)
    return 'settled'
  }
  if (generation < headGeneration) {
    throw rollback(
      `keyring.json: expected generation ${headGeneration}, got ${generation}, which is older than the data`,
    )
  }
  if (generation === headGeneration + 1 && change?.sequence === head.sequence) return 'unsettled'
  throw rollback(`data: expected write ${change?.sequence} at least, got ${head.sequence}, older than keyring.json`)
}

function rollback(message: string): SecretStoreError {
  return new SecretStoreError('ERR_ROLLBACK', message)
}
