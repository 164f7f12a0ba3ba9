import { equal } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { corrupt, SecretStoreError } from '../errors'
import { decodeEnvelope } from '../format/envelope'
import type { Head } from '../format/head'
import type { OpenSettings } from '../input/options'
import { type Unlocked, unlockKeyring } from '../keys/unlock'
import { type Location, readKeyring } from '../storage/directory/location'
import type { Engine } from '../storage/engine'
import { openHead } from '../storage/head'
import { HEAD_ROW } from '../storage/keyspace'

/** The keys of the store at a location.
 *
 * @param known - Spares the key derivation if keyring.json is still the same. */
export async function unlockStore(
  location: Location,
  settings: OpenSettings,
  known: Unlocked | undefined,
): Promise<Unlocked> {
  const bytes = await readKeyring(location)
  if (known !== undefined && equal(known.bytes, bytes)) return known
  known?.keyring.wipe()
  const unlocked = await unlockKeyring(bytes, settings.key, settings)
  const { names } = unlocked.keyring
  if (settings.names === undefined || settings.names === names) return unlocked
  unlocked.keyring.wipe()
  throw new TypeError(`names: expected '${names}', as the store was created, got '${settings.names}'`)
}

/** @throws {SecretStoreError} `ERR_CORRUPT`: a store without its head has lost its last writes, or all of them. */
export async function readHead(engine: Engine, keyring: Keyring): Promise<{ head: Head; headValue: Uint8Array }> {
  const headValue = await engine.get(HEAD_ROW)
  if (headValue === undefined) throw corrupt('head: expected one, got none (data is missing)')
  const { keyId } = decodeEnvelope(headValue)
  const { keys } = keyring.file
  if (keys.some(({ id }) => id === keyId)) return { head: openHead(keyring, headValue), headValue }
  // After a rotation, the head of one time and the keyring.json of another have no key in common.
  const older = keys.every(({ id }) => id < keyId) ? 'keyring.json' : 'data'
  const message = `head: expected a data key of keyring.json, got key ${keyId} (the ${older} may be an older one)`
  throw new SecretStoreError('ERR_ROLLBACK', message)
}
