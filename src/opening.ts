import { equal } from './bytes'
import { createKeyringFile, Keyring, readKeyringFile, sealKeyringFile } from './crypto/keyring'
import { systemRandom } from './crypto/random'
import { corrupt, SecretStoreError } from './errors'
import { decodeCheckpoint } from './format/checkpoint'
import { KEY_BYTES, STORE_ID_BYTES } from './format/constants'
import { decodeHead, EMPTY_HEAD, encodeHead, type Head } from './format/head'
import type { KeyringFile, NameMode } from './format/keyring-file'
import { makeSlot, unlock } from './keys/unlock'
import type { OpenSettings } from './options'
import type { Engine, Row } from './storage/engine'
import { HEAD_ROW } from './storage/keyspace'
import { LevelEngine } from './storage/level'
import { claim, create, dataDirectory, examine, type Location, readKeyring } from './storage/location'
import { MemoryEngine } from './storage/memory'

/** An engine with the keys that open it, and the head that was found in it. */
export interface Opened {
  readonly engine: Engine
  readonly keyring: Keyring
  readonly head: Head
  readonly headValue: Uint8Array
  /** Gives the location back, after the engine is closed. */
  readonly release: () => void
}

/** A keyring file that was unlocked, or made, just now. */
interface Unlocked {
  readonly bytes: Uint8Array
  readonly file: KeyringFile
  readonly rootKey: Uint8Array
}

/**
 * Opens the store at a location, or creates one there. Until the key has proved right nothing on disk is changed:
 * LevelDB, which writes when it opens, comes last.
 */
export async function openLocation(path: string, settings: OpenSettings, nowSeconds: number): Promise<Opened> {
  let location = await examine(path)
  let created: Unlocked | undefined
  if (location.state !== 'store') {
    if (!settings.createIfMissing) throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
    if (settings.minimum !== undefined) {
      throw new SecretStoreError('ERR_ROLLBACK', 'location: expected a store not older than the checkpoint, got none')
    }
    created = await createStore(location, settings, nowSeconds)
    location = await examine(path)
  }
  return openStore(location, settings, created)
}

async function createStore(location: Location, settings: OpenSettings, created: number): Promise<Unlocked> {
  const rootKey = systemRandom(KEY_BYTES)
  const storeId = systemRandom(STORE_ID_BYTES)
  const slots = [await makeSlot(settings.key, rootKey, storeId, created, systemRandom)]
  const names: NameMode = settings.names ?? 'plain'
  const file = createKeyringFile(rootKey, { storeId, created, names, slots }, systemRandom)
  const bytes = sealKeyringFile(file, rootKey)
  checkReadable(bytes)
  const keyring = new Keyring(file, rootKey, systemRandom)
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
  keyring.wipe()
  return { bytes, file, rootKey }
}

/** A provider may come from anywhere: what its slot holds must be readable before anything depends on it. */
function checkReadable(keyringFile: Uint8Array): void {
  try {
    readKeyringFile(keyringFile)
  } catch (cause) {
    throw new TypeError('key provider: expected a slot that keyring.json can hold, got another', { cause })
  }
}

async function openStore(location: Location, settings: OpenSettings, known: Unlocked | undefined): Promise<Opened> {
  let unlocked = await unlockStore(location, settings, known)
  const directory = await dataDirectory(location)
  const release = await claim(directory)
  let engine: LevelEngine | undefined
  try {
    engine = await LevelEngine.open(directory)
    // Until now another process could have held the store, and changed its keys.
    unlocked = await unlockStore(location, settings, unlocked)
    const keyring = new Keyring(unlocked.file, unlocked.rootKey, systemRandom)
    const { head, headValue } = await readHead(engine, keyring)
    if (settings.minimum !== undefined) checkNotOlder(settings.minimum, keyring, head)
    return { engine, keyring, head, headValue, release }
  } catch (error) {
    await engine?.close()
    release()
    throw error
  } finally {
    unlocked.rootKey.fill(0)
  }
}

/** @param known - Spares the key derivation if keyring.json is still the same. */
async function unlockStore(location: Location, settings: OpenSettings, known: Unlocked | undefined): Promise<Unlocked> {
  const bytes = await readKeyring(location)
  if (known !== undefined && equal(known.bytes, bytes)) return known
  known?.rootKey.fill(0)
  const unlocked = await unlock(readKeyringFile(bytes), settings.key)
  const { names } = unlocked.file
  if (settings.names !== undefined && settings.names !== names) {
    throw new TypeError(`names: expected '${names}', as the store was created, got '${settings.names}'`)
  }
  return { bytes, ...unlocked }
}

/** A new store that lives as long as the process. */
export function openMemory(names: NameMode, nowSeconds: number): Opened {
  const rootKey = systemRandom(KEY_BYTES)
  const storeId = systemRandom(STORE_ID_BYTES)
  const file = createKeyringFile(rootKey, { storeId, created: nowSeconds, names, slots: [] }, systemRandom)
  const keyring = new Keyring(file, rootKey, systemRandom)
  rootKey.fill(0)
  const head = sealHead(keyring, EMPTY_HEAD)
  return {
    engine: new MemoryEngine([head]),
    keyring,
    head: EMPTY_HEAD,
    headValue: head.value,
    release: () => {},
  }
}

function sealHead(keyring: Keyring, head: Head): Row {
  return { key: HEAD_ROW, value: keyring.sealRow(HEAD_ROW, encodeHead(head)) }
}

/** @throws {SecretStoreError} `ERR_CORRUPT`: a store without its head has lost its last writes, or all of them. */
async function readHead(engine: Engine, keyring: Keyring): Promise<{ head: Head; headValue: Uint8Array }> {
  const headValue = await engine.get(HEAD_ROW)
  if (headValue === undefined) throw corrupt('head: expected one, got none (data is missing)')
  return { head: decodeHead(keyring.openRow(HEAD_ROW, headValue)), headValue }
}

/** @throws {SecretStoreError} `ERR_ROLLBACK`. */
function checkNotOlder(token: string, keyring: Keyring, head: Head): void {
  const checkpoint = decodeCheckpoint(token)
  if (checkpoint === undefined) throw new TypeError('minimum: expected a token from checkpoint(), got something else')
  const refuse = (got: string): never => {
    throw new SecretStoreError('ERR_ROLLBACK', `store: expected a state not older than the checkpoint, got ${got}`)
  }
  if (!equal(checkpoint.storeId, keyring.storeId)) refuse('another store')
  if (head.sequence < checkpoint.sequence) refuse(`write ${head.sequence} of at least ${checkpoint.sequence}`)
  if (head.sequence === checkpoint.sequence && !equal(keyring.checkpointMac(head), checkpoint.mac)) {
    refuse('other contents at the same write')
  }
}
