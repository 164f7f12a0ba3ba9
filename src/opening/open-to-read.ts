import { SecretStoreError } from '../errors'
import type { OpenSettings } from '../input/options'
import { dataDirectory, examine } from '../storage/directory/location'
import { MemoryEngine } from '../storage/memory-engine'
import { storeParts } from '../storage/store-parts'
import { OpenStore } from './open-store'
import { checkNewest, loadMinima } from './rollback'
import { readHead, unlockStore } from './unlock-store'

/**
 * Opens the store at a location without LevelDB, which writes when it opens. Its rows are read out of the files into
 * memory.
 */
export async function openToRead(path: string, settings: OpenSettings): Promise<OpenStore> {
  const location = await examine(path, settings.allowUnsafeLocation)
  if (location.state !== 'store') throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
  let unlocked = await unlockStore(location, settings, undefined)
  try {
    const directory = await dataDirectory(location, { change: false })
    const { rowsToRead, expectWhole } = await import('../care/index')
    const { rows, damagedBytes } = await rowsToRead(directory)
    // Whoever had it open a moment ago may have changed its keys.
    unlocked = await unlockStore(location, settings, unlocked)
    const { bytes, mac, keyring } = unlocked
    const engine = new MemoryEngine(rows)
    const found = await readHead(engine, keyring)
    const keyringStorage = { location, bytes }
    const parts = { ...storeParts(engine, keyring, found, settings.indexBytes), keyringStorage, release: () => {} }
    await checkNewest(parts, mac, await loadMinima(settings), false)
    const { checkpoints: _, ...reading } = settings
    const store = new OpenStore(parts, { ...reading, sweepIntervalMs: 0, compactIntervalMs: 0 })
    if (settings.verify !== false) await expectWhole(store, damagedBytes)
    return store
  } catch (error) {
    unlocked.keyring.wipe()
    throw error
  }
}
