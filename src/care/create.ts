import { chooseAead } from '../crypto/aead/choose'
import { createKeyringFile } from '../crypto/data-keys'
import { Keyring, sealKeyringFile } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { KEY_BYTES, STORE_ID_BYTES } from '../format/constants'
import { EMPTY_HEAD } from '../format/head'
import type { NameMode } from '../format/keyring-file'
import type { OpenSettings } from '../input/options'
import { makeSlot } from '../keys/wrap'
import { create } from '../storage/directory/build'
import type { Location } from '../storage/directory/location'
import { sealHead } from '../storage/head'
import { LevelEngine } from '../storage/level/engine'
import { checkReadable } from './rekey/change'

/** A keyring.json that was unlocked, or made, just now, and the keys that were in it. */
export interface Unlocked {
  readonly bytes: Uint8Array
  /** The file's. */
  readonly mac: Uint8Array
  readonly keyring: Keyring
}

/** Creates the store of a location where there is none. */
export async function createStore(location: Location, settings: OpenSettings, created: number): Promise<Unlocked> {
  const rootKey = systemRandom(KEY_BYTES)
  const storeId = systemRandom(STORE_ID_BYTES)
  const slots = [await makeSlot(settings.key, rootKey, storeId, created, systemRandom)]
  const names: NameMode = settings.names ?? 'plain'
  const file = createKeyringFile(rootKey, { storeId, created, names, slots }, systemRandom)
  const bytes = sealKeyringFile(file, rootKey)
  const { mac } = checkReadable(bytes)
  const keyring = new Keyring(file, rootKey, publicRandom, chooseAead(settings))
  rootKey.fill(0)
  const build = async (directory: string): Promise<void> => {
    const engine = await LevelEngine.open(directory, { create: true })
    try {
      await engine.commit([{ type: 'put', ...sealHead(keyring, EMPTY_HEAD) }], undefined)
    } finally {
      await engine.close()
    }
  }
  // Another creator may have been faster: then its store is opened, if the key opens that.
  await create(location, bytes, build, systemRandom)
  return { bytes, mac, keyring }
}
