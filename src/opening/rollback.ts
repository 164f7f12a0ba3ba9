import { equal } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { corrupt, SecretStoreError } from '../errors'
import { type Checkpoint, decodeCheckpoint } from '../format/checkpoint'
import type { Head } from '../format/head'
import type { OpenSettings } from '../input/options'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { matchKeyring } from '../storage/head'
import type { StoreParts } from '../storage/store-parts'

/**
 * The checkpoints that a store must not be older than: the one that was given, and the one that the app has kept.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT` for a kept checkpoint that is none.
 */
export async function loadMinima({ minimum, checkpoints, acceptRollback }: OpenSettings): Promise<Checkpoint[]> {
  const stored = await checkpoints?.load()
  return [minimum, stored].flatMap((token) => {
    if (token === undefined || token === null) return []
    const checkpoint = typeof token === 'string' ? decodeCheckpoint(token) : undefined
    if (checkpoint !== undefined) return [checkpoint]
    if (acceptRollback) return []
    throw corrupt('checkpoint: expected a token as it was saved, got something else')
  })
}

/**
 * Holds keyring.json, the head and the checkpoints against one another, and ends what a crash left between the first two.
 *
 * @param mac - The one of keyring.json.
 * @throws {SecretStoreError} `ERR_ROLLBACK`.
 */
export async function checkNewest(
  store: StoreParts & { readonly keyringStorage: KeyringStorage },
  mac: Uint8Array,
  minima: readonly Checkpoint[],
  acceptRollback: boolean,
): Promise<void> {
  const { queue, keyring } = store
  const { file } = keyring
  const { head } = queue
  try {
    for (const minimum of minima) checkNotOlder(minimum, keyring, head)
    if (matchKeyring(file, mac, head) === 'settled') return
  } catch (error) {
    if (!acceptRollback || !(error instanceof SecretStoreError && error.code === 'ERR_ROLLBACK')) throw error
    const { makeNewest } = await import('../care/index')
    await makeNewest(store, minima)
    return
  }
  const generation = file.change?.generation as number
  await queue.commitHead({ ...head, sequence: head.sequence + 1, keyring: { generation, mac } })
}

/** @throws {SecretStoreError} `ERR_ROLLBACK`. */
function checkNotOlder(checkpoint: Checkpoint, keyring: Keyring, head: Head): void {
  const refuse = (got: string): never => {
    throw new SecretStoreError('ERR_ROLLBACK', `store: expected a state not older than the checkpoint, got ${got}`)
  }
  if (!equal(checkpoint.storeId, keyring.storeId)) refuse('another store')
  if (head.sequence < checkpoint.sequence) refuse(`write ${head.sequence} of at least ${checkpoint.sequence}`)
  if (head.sequence === checkpoint.sequence && !equal(keyring.checkpointMac(head), checkpoint.mac)) {
    refuse('other contents at the same write')
  }
}
