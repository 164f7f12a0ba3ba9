import { equal } from '../base/bytes'
import { codeOf } from '../base/thrown'
import { type Keyring, readKeyringFile } from '../crypto/keyring'
import { systemRandom } from '../crypto/random'
import { newSlotId, wrapRootKey } from '../crypto/slot'
import { corrupt, SecretStoreError } from '../errors'
import type { Checkpoint } from '../format/checkpoint'
import { KEY_BYTES, SLOT_KIND, STORE_ID_BYTES } from '../format/constants'
import { decodeEnvelope } from '../format/envelope'
import { EMPTY_HEAD, type Head } from '../format/head'
import type { MemorySettings, OpenSettings } from '../input/options'
import { isOutdated, newKeyring, type Unlocked, unlockKeyring } from '../keys/unlock'
import type { Standing, Writing } from '../storage/commit/alone'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import {
  claim,
  dataDirectory,
  examine,
  type Location,
  readKeyring,
  removeStagedKeyring,
} from '../storage/directory/location'
import type { Engine } from '../storage/engine'
import { openHead, sealHead } from '../storage/head'
import { HEAD_ROW, RECORD_ROWS } from '../storage/keyspace'
import { LevelEngine } from '../storage/level/engine'
import { lockLost } from '../storage/level/errors'
import { droppedBytes } from '../storage/level/logs'
import { MemoryEngine } from '../storage/memory-engine'
import { storeParts } from '../storage/store-parts'
import { type OpenParts, OpenStore } from './open-store'
import { checkNewest, loadMinima } from './rollback'

/** Opens the store at a location, or creates one there. */
export async function openLocation(path: string, settings: OpenSettings): Promise<OpenStore> {
  const located = await locate(path, settings)
  const { parts, passedOver } = await openFiles(located, settings).catch(async (error: unknown) => {
    throw codeOf(error) === 'ERR_LOCKED' ? (await import('../care/index')).lockedBy(located.location, error) : error
  })
  const store = new OpenStore(parts, settings)
  const isChecked = settings.verify ?? (settings.readOnly || passedOver > 0)
  if (isChecked) await (await import('../care/index')).expectWhole(store, passedOver)
  if (!settings.readOnly) await renewSlots(store, settings)
  return store
}

/** A new store that lives as long as the process. Its one slot is of a random key that nobody has. */
export function openMemory(settings: MemorySettings): OpenStore {
  const created = settings.nowSeconds()
  const rootKey = systemRandom(KEY_BYTES)
  const storeId = systemRandom(STORE_ID_BYTES)
  const id = newSlotId(systemRandom)
  const kind = SLOT_KIND.memory
  const params = wrapRootKey(systemRandom(KEY_BYTES), rootKey, { storeId, slotId: id, kind }, systemRandom)
  const slots = [{ id, kind, label: null, created, params }]
  const { keyring, bytes } = newKeyring(rootKey, { storeId, created, names: settings.names, slots }, settings)
  rootKey.fill(0)
  const head = sealHead(keyring, EMPTY_HEAD)
  const found = { head: EMPTY_HEAD, headValue: head.value }
  const parts = storeParts(new MemoryEngine([head]), keyring, found, settings.indexBytes)
  return new OpenStore({ ...parts, keyringStorage: { location: undefined, bytes }, release: () => {} }, settings)
}

interface Located {
  readonly location: Location
  /** Where they had to be looked at already. */
  readonly minima?: readonly Checkpoint[]
  /** A store that was made just now. */
  readonly created?: Unlocked
}

async function locate(path: string, settings: OpenSettings): Promise<Located> {
  const location = await examine(path, settings.allowUnsafeLocation)
  if (location.state === 'store') return { location }
  if (!settings.createIfMissing) throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
  const minima = await loadMinima(settings)
  if (minima.length > 0 && !settings.acceptRollback) {
    throw new SecretStoreError('ERR_ROLLBACK', 'location: expected a store not older than the checkpoint, got none')
  }
  const { createStore } = await import('../care/index')
  const created = await createStore(location, settings)
  return { location: await examine(path, settings.allowUnsafeLocation), minima, created }
}

/**
 * Until the key has proved right nothing on disk is changed: LevelDB, which writes when it opens, comes last.
 *
 * @returns The parts, which go together, and how many bytes of the files were passed over.
 */
async function openFiles(
  { location, minima, created }: Located,
  settings: OpenSettings,
): Promise<{ readonly parts: OpenParts; readonly passedOver: number }> {
  const { readOnly, shared, waitMs } = settings
  // Loaded while the key is asked for.
  const loading = readOnly ? import('../care/index') : import('../storage/level/files/check-files')
  loading.catch(() => {})
  let unlocked = await unlockStore(location, settings, created)
  const keyringStorage: KeyringStorage = { location, bytes: unlocked.bytes }
  let release = (): void => {}
  let engine: Engine | undefined
  let stand: ((writing: Writing) => Standing) | undefined
  let passedOver = 0
  try {
    const directory = await dataDirectory(location, { change: !readOnly })
    const whenFree = async <T>(open: () => Promise<T>): Promise<T | undefined> => {
      if (waitMs === 0 && shared !== 'follow') return open()
      return (await import('./when-free')).whenStoreFree(location, directory, settings, open)
    }
    const openFiles = () => openLevel(directory, keyringStorage)
    let isShared = shared === true
    if (readOnly) {
      const { rowsToRead } = await import('../care/index')
      const found = await whenFree(() => rowsToRead(directory))
      if (found === undefined) throw lockLost('one that shares it with all but readOnly')
      engine = new MemoryEngine(found.rows)
      passedOver = found.damagedBytes
    } else {
      const opened = isShared ? undefined : await whenFree(openFiles)
      isShared = opened === undefined
      if (opened !== undefined) ({ engine, release } = opened)
      else {
        const { shareFiles } = await import('./share')
        const share = { ...settings, location, keyringStorage, keyring: unlocked.keyring, openFiles }
        ;({ engine, stand } = await shareFiles(share))
      }
    }
    // Until now another process could have held the store, and changed its keys.
    if (!isShared) unlocked = await unlockStore(location, settings, unlocked)
    if (!readOnly && !isShared) await removeStagedKeyring(location)
    const { bytes, mac, keyring } = unlocked
    if (!isShared) keyringStorage.bytes = bytes
    const head = await readHead(engine, keyring)
    const parts = { ...storeParts(engine, keyring, head, settings.indexBytes, stand), keyringStorage, release }
    const { queue } = parts
    const hasFiles = !readOnly && (engine.others?.isOwner ?? true)
    if (hasFiles && settings.verify !== false) {
      const look = (): Promise<number> => lookAtFiles(parts.engine, queue.head, directory)
      passedOver = await (isShared ? queue.exclusive(look) : look())
    }
    const newest = minima ?? (await loadMinima(settings))
    if (isShared) await queue.exclusive(() => checkNewest(parts, macOf(keyringStorage), newest, false))
    else await checkNewest(parts, mac, newest, settings.acceptRollback)
    return { parts, passedOver }
  } catch (error) {
    unlocked.keyring.wipe()
    try {
      await engine?.close()
    } finally {
      release()
    }
    throw error
  }
}

function macOf({ bytes }: KeyringStorage): Uint8Array {
  return readKeyringFile(bytes).mac
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

/** @param known - Spares the key derivation if keyring.json is still the same. */
async function unlockStore(location: Location, settings: OpenSettings, known: Unlocked | undefined): Promise<Unlocked> {
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
async function readHead(engine: Engine, keyring: Keyring): Promise<{ head: Head; headValue: Uint8Array }> {
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

/** Up to so many, counting them costs an opening next to nothing. */
const COUNTED_RECORDS = 1000

/**
 * LevelDB leaves out what it cannot read. Where there are few records, that is seen at once; where there are many,
 * `verify` sees it.
 *
 * @returns How many bytes LevelDB says it has passed over.
 * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_IO`.
 */
async function lookAtFiles(engine: Engine, { count }: Head, directory: string): Promise<number> {
  const limit = count + 1
  const found = count > COUNTED_RECORDS ? count : (await engine.scanKeys({ ...RECORD_ROWS, limit })).length
  if (found !== count) {
    const got = found > count ? 'more' : `${found}`
    throw corrupt(`records: expected ${count}, got ${got} (SecretStore.recover makes a store of what is left)`)
  }
  return droppedBytes(directory)
}

/** Has the slots wrapped anew that the key says are outdated. The store is open whether that succeeds or not. */
async function renewSlots(store: OpenStore, { key }: OpenSettings): Promise<void> {
  const { file } = store.keyring
  try {
    if (!file.slots.some((slot) => isOutdated(key, file, slot))) return
    await store.keyChanges.take(async () => (await import('../care/index')).renewSlots(store, key))
  } catch (error) {
    store.report(error)
  }
}
