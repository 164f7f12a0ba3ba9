import { SecretStoreError } from '../errors'
import type { OpenSettings } from '../input/options'
import { dataDirectory, examine, isClaimed } from '../storage/directory/location'
import { lockLost } from '../storage/level/errors'
import { rowsInFiles } from '../storage/level/files/rows'
import { expectUnlocked } from '../storage/level/lock'
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
    if (await isClaimed(directory)) throw lockLost('another in this process')
    await expectUnlocked(directory)
    const { rows, damagedBytes } = await rowsInFiles(directory)
    await expectUnlocked(directory)
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
    if (settings.verify !== false) await (await import('../care/index')).expectWhole(store, damagedBytes)
    return store
  } catch (error) {
    unlocked.keyring.wipe()
    throw error
  }
}
