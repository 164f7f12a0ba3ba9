import { readKeyringFile } from '../crypto/keyring'
import { corrupt, SecretStoreError } from '../errors'
import { type Checkpoint, decodeCheckpoint } from '../format/checkpoint'
import { envelopeKeyId } from '../format/envelope'
import type { OpenSettings } from '../input/options'
import { checkNotOlder } from '../storage/checkpoint'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { matchKeyring } from '../storage/match-keyring'
import type { StoreParts } from '../storage/store-parts'

/** Which states of a store are too old. */
export type CheckpointSettings = Pick<OpenSettings, 'minimum' | 'checkpoints' | 'acceptRollback'>

/**
 * The checkpoints that a store must not be older than: the one that was given, and the one that the app has kept.
 *
 * @throws {SecretStoreError} `ERR_CORRUPT` for a kept checkpoint that is none.
 */
export async function loadMinima({
  minimum,
  checkpoints,
  acceptRollback,
}: Partial<CheckpointSettings>): Promise<Checkpoint[]> {
  const stored = await checkpoints?.load()
  const given = minimum === undefined ? [] : [minimum]
  if (stored === undefined || stored === null) return given
  const checkpoint = typeof stored === 'string' ? decodeCheckpoint(stored) : undefined
  if (checkpoint !== undefined) return [...given, checkpoint]
  if (acceptRollback) return given
  throw corrupt('checkpoint: expected a token as it was saved, got something else')
}

/**
 * Holds keyring.json, the head and the checkpoints against one another, and ends what a crash left between the first two.
 *
 * @throws {SecretStoreError} `ERR_ROLLBACK`.
 */
export async function checkNewest(
  store: StoreParts & { readonly keyringStorage: KeyringStorage },
  minima: readonly Checkpoint[],
  acceptRollback: boolean,
): Promise<void> {
  const { queue, keyring, keyringStorage } = store
  const { file } = keyring
  const { mac } = readKeyringFile(keyringStorage.bytes)
  const { head } = queue
  try {
    for (const minimum of minima) checkNotOlder(minimum, keyring, head)
    if (matchKeyring(file, mac, head, envelopeKeyId(queue.headValue)) === 'settled') return
  } catch (error) {
    if (!acceptRollback || !(error instanceof SecretStoreError && error.code === 'ERR_ROLLBACK')) throw error
    const { makeNewest } = await import('../care/index')
    await makeNewest(store, minima)
    return
  }
  const generation = file.change?.generation as number
  await queue.commitHead({ ...head, sequence: head.sequence + 1, keyring: { generation, mac } })
}
