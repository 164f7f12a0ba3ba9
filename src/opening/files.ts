import type { Keyring } from '../crypto/keyring'
import type { OpenSettings } from '../input/options'
import type { Standing, Writing } from '../storage/commit/alone'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { claim, type Location } from '../storage/directory/location'
import type { Engine } from '../storage/engine'
import { LevelEngine } from '../storage/level/engine'
import { lockLost } from '../storage/level/errors'
import { MemoryEngine } from '../storage/memory-engine'

/** Whose files are opened, and what those who write to them need besides. */
interface Place {
  readonly location: Location
  /** LevelDB's. */
  readonly directory: string
  readonly keyringStorage: KeyringStorage
  readonly keyring: Keyring
}

/** The rows of a store, and what it takes to give them back. */
export interface OpenFiles {
  readonly engine: Engine
  readonly release: () => void
  /** How the engine is written to, if not alone. */
  readonly stand?: (writing: Writing) => Standing
  /** How many bytes of the files were passed over, as far as that is known. */
  readonly passedOver: number
}

/**
 * Opens the files of a store: as they are, alone, or among the processes that share them.
 *
 * @throws {SecretStoreError} `ERR_LOCKED`, `ERR_CORRUPT`, `ERR_IO`.
 */
export function openFiles(place: Place, settings: OpenSettings): Promise<OpenFiles> {
  return settings.readOnly ? readFiles(place, settings) : holdFiles(place, settings)
}

const NOTHING = (): void => {}

/** As they are, without LevelDB, which would write. */
async function readFiles({ location, directory }: Place, settings: OpenSettings): Promise<OpenFiles> {
  const { rowsToRead } = await import('../care/index')
  const found = await whenFree(location, directory, settings, () => rowsToRead(directory))
  if (found === undefined) throw lockLost('one that shares it with all but readOnly')
  return { engine: new MemoryEngine(found.rows), release: NOTHING, passedOver: found.damagedBytes }
}

/** Alone, or among the processes that share them. */
async function holdFiles({ directory, ...place }: Place, settings: OpenSettings): Promise<OpenFiles> {
  const open = () => openLevel(directory, place.keyringStorage)
  const held = settings.shared === true ? undefined : await whenFree(place.location, directory, settings, open)
  if (held !== undefined) return { ...held, passedOver: 0 }
  const { shareFiles } = await import('./share')
  return { ...(await shareFiles({ ...settings, ...place, openFiles: open })), release: NOTHING, passedOver: 0 }
}

/** @returns `undefined` if somebody shares them. @throws {SecretStoreError} `ERR_LOCKED`. */
async function whenFree<T>(
  location: Location,
  directory: string,
  settings: OpenSettings,
  open: () => Promise<T>,
): Promise<T | undefined> {
  if (settings.waitMs === 0 && settings.shared !== 'follow') return open()
  return (await import('./when-free')).whenStoreFree(location, directory, settings, open)
}

/** LevelDB's files, and what they and keyring.json are written by. */
async function openLevel(
  directory: string,
  storage: KeyringStorage,
): Promise<{ readonly engine: Engine; readonly release: () => void }> {
  const { checkFiles } = await import('../storage/level/files/check-files')
  const release = await claim(directory)
  try {
    // LevelDB would end the process over some bytes.
    const checked = await checkFiles(directory)
    const keyring = {
      stage: async (bytes: Uint8Array) => (await import('../care/index')).stageKeyring(storage, bytes),
      install: async (bytes: Uint8Array) => (await import('../care/index')).installKeyring(storage, bytes),
    }
    return { engine: checked(await LevelEngine.open(directory, { keyring })), release }
  } catch (error) {
    release()
    throw error
  }
}
