import { verifyKeyringFile } from '../crypto/keyring'
import type { Random } from '../crypto/random'
import { corrupt, SecretStoreError } from '../errors'
import { KEY_BYTES, SLOT_ID_BYTES } from '../format/constants'
import type { KeyringFile, KeySlot, UnverifiedKeyringFile } from '../format/keyring-file'
import type { KeyProvider } from './provider'

/** A new slot that holds `rootKey` for `provider`. */
export async function makeSlot(
  provider: KeyProvider,
  rootKey: Uint8Array,
  storeId: Uint8Array,
  created: number,
  random: Random,
): Promise<KeySlot> {
  const id = random(SLOT_ID_BYTES)
  const params = await provider.wrap(rootKey, { storeId, slotId: id, kind: provider.kind })
  return { id, kind: provider.kind, label: provider.label ?? null, created, params }
}

/**
 * Finds the slot that is `provider`'s own, and with its root key vouches for the whole file.
 *
 * @throws {SecretStoreError} `ERR_WRONG_KEY` if no slot is, `ERR_CORRUPT`.
 */
export async function unlock(
  unverified: UnverifiedKeyringFile,
  provider: KeyProvider,
): Promise<{ readonly file: KeyringFile; readonly rootKey: Uint8Array }> {
  const { storeId, slots } = unverified.file
  let damaged: unknown
  for (const slot of slots) {
    if (slot.kind !== provider.kind) continue
    const context = { storeId, slotId: slot.id, kind: slot.kind }
    // A slot that cannot be read must not stand before a later one that can.
    const rootKey = await provider.unwrap(slot.params, context).catch((error: unknown) => {
      if (!(error instanceof SecretStoreError)) throw error
      damaged ??= error
      return null
    })
    if (rootKey === null) continue
    if (rootKey.length !== KEY_BYTES) throw corrupt(`root key: expected ${KEY_BYTES} bytes, got ${rootKey.length}`)
    return { file: verifyKeyringFile(unverified, rootKey), rootKey }
  }
  if (damaged !== undefined) throw damaged
  const kinds = [...new Set(slots.map((slot) => slot.kind))].join(', ')
  throw new SecretStoreError(
    'ERR_WRONG_KEY',
    `key: expected one that opens a slot of this store (${kinds}), got a ${provider.kind} that opens none`,
  )
}
