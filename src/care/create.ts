import { systemRandom } from '../crypto/random'
import { KEY_BYTES, STORE_ID_BYTES } from '../format/constants'
import { EMPTY_HEAD } from '../format/head'
import type { OpenSettings } from '../input/options'
import { newKeyring, type Unlocked } from '../keys/unlock'
import { makeSlot } from '../keys/wrap'
import { buildStore } from '../storage/directory/build'
import type { Location } from '../storage/directory/location'
import { sealHead } from '../storage/head'
import { writeAlone } from '../storage/write-alone'

/** Creates a store at an empty location. If another creator was faster, its store stays, to be opened by the key. */
export async function createStore(location: Location, settings: OpenSettings): Promise<Unlocked> {
  const { key, names = 'plain' } = settings
  const created = settings.nowSeconds()
  const rootKey = systemRandom(KEY_BYTES)
  try {
    const storeId = systemRandom(STORE_ID_BYTES)
    const slots = [await makeSlot(key, rootKey, storeId, created, systemRandom)]
    const unlocked = newKeyring(rootKey, { storeId, created, names, slots }, settings)
    const head = sealHead(unlocked.keyring, EMPTY_HEAD)
    await buildStore(location, unlocked.bytes, (engine) => writeAlone(engine, [{ type: 'put', ...head }]))
    return unlocked
  } finally {
    rootKey.fill(0)
  }
}
