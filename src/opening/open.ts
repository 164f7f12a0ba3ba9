import { equal } from '../base/bytes'
import { codeOf } from '../base/thrown'
import { orAborted } from '../base/waiting'
import type { Keyring } from '../crypto/keyring'
import { systemRandom } from '../crypto/random'
import { newSlotId, wrapRootKey } from '../crypto/slot'
import { corrupt, SecretStoreError } from '../errors'
import type { Checkpoint } from '../format/checkpoint'
import { KEY_BYTES, SLOT_KIND, STORE_ID_BYTES } from '../format/constants'
import { decodeEnvelope } from '../format/envelope'
import { EMPTY_HEAD, type Head } from '../format/head'
import type { MemorySettings, OpenSettings } from '../input/options'
import { isOutdated, newKeyring, type Unlocked, unlockKeyring } from '../keys/unlock'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { dataDirectory, examine, type Location, readKeyring, removeStagedKeyring } from '../storage/directory/location'
import type { Engine } from '../storage/engine'
import { openHead, sealHead } from '../storage/head'
import { HEAD_ROW, RECORD_ROWS } from '../storage/keyspace'
import { droppedBytes } from '../storage/level/logs'
import { MemoryEngine } from '../storage/memory-engine'
import { storeParts } from '../storage/store-parts'
import { type OpenFiles, openFiles } from './files'
import { type OpenParts, OpenStore } from './open-store'
import { checkNewest, loadMinima } from './rollback'

/** Opens the store at a location, or creates one there. @throws What `signal` was aborted with. */
export async function openLocation(path: string, settings: OpenSettings): Promise<OpenStore> {
  const { signal } = settings
  signal?.throwIfAborted()
  const opening = openStore(path, settings)
  return orAborted(signal, opening).catch((error) => {
    // Nobody else has what may be opened yet.
    if (signal?.aborted) opening.then((store) => store.close()).catch(() => {})
    throw error
  })
}

async function openStore(path: string, settings: OpenSettings): Promise<OpenStore> {
  const located = await locate(path, settings)
  const { parts, passedOver } = await openParts(located, settings).catch(async (error: unknown) => {
    throw codeOf(error) === 'ERR_LOCKED'
      ? await (await import('../care/index')).lockedBy(located.location, error)
      : error
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
async function openParts(
  { location, minima, created }: Located,
  settings: OpenSettings,
): Promise<{ readonly parts: OpenParts; readonly passedOver: number }> {
  const { readOnly } = settings
  // Loaded while the key is asked for.
  const loading = readOnly ? import('../care/index') : import('../storage/level/files/check-files')
  loading.catch(() => {})
  let unlocked = await unlockStore(location, settings, created)
  const keyringStorage: KeyringStorage = { location, bytes: unlocked.bytes }
  let files: OpenFiles | undefined
  try {
    const directory = await dataDirectory(location, { change: !readOnly })
    const place = { location, directory, keyringStorage, keyring: unlocked.keyring }
    files = await openFiles(place, settings)
    const { engine, release, stand } = files
    const isShared = engine.others !== undefined
    if (!isShared) {
      // Until now another process could have held the store, and changed its keys.
      unlocked = await unlockStore(location, settings, unlocked)
      keyringStorage.bytes = unlocked.bytes
      if (!readOnly) await removeStagedKeyring(location)
    }
    const { keyring } = unlocked
    const head = await readHead(engine, keyring)
    const parts = { ...storeParts(engine, keyring, head, settings.indexBytes, stand), keyringStorage, release }
    const { queue } = parts
    let { passedOver } = files
    if (!readOnly && (engine.others?.isOwner ?? true) && settings.verify !== false) {
      const look = (): Promise<number> => lookAtFiles(engine, queue.head, directory)
      passedOver = await (isShared ? queue.exclusive(look) : look())
    }
    const newest = minima ?? (await loadMinima(settings))
    const check = (): Promise<void> => checkNewest(parts, newest, settings.acceptRollback)
    await (isShared ? queue.exclusive(check) : check())
    return { parts, passedOver }
  } catch (error) {
    unlocked.keyring.wipe()
    try {
      await files?.engine.close()
    } finally {
      files?.release()
    }
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

/** For so long an opening waits for another process that changes keys, or reads them for a backup. */
const RENEWAL_WAIT_MS = 2000

/** Has the slots wrapped anew that the key says are outdated. The store is open whether that succeeds or not. */
async function renewSlots(store: OpenStore, { key }: OpenSettings): Promise<void> {
  const { file } = store.keyring
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(notRenewed()), RENEWAL_WAIT_MS)
  try {
    if (!file.slots.some((slot) => isOutdated(key, file, slot))) return
    await store.keyChanges.take(async () => (await import('../care/index')).renewSlots(store, key), abort.signal)
  } catch (error) {
    store.report(error)
  } finally {
    clearTimeout(timer)
  }
}

function notRenewed(): SecretStoreError {
  const got = 'got one in another process (the next opening renews them)'
  return new SecretStoreError('ERR_BUSY', `outdated slots: expected no other change of keys, nor a backup, ${got}`)
}
