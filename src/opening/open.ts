import { equal } from '../base/bytes'
import type { Unlocked } from '../care/create'
import type { Rekeying } from '../care/rekey/change'
import { chooseAead } from '../crypto/aead/choose'
import { createKeyringFile } from '../crypto/data-keys'
import { Keyring, readKeyringFile, sealKeyringFile } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { wrapRootKey } from '../crypto/slot'
import { corrupt, SecretStoreError } from '../errors'
import { type Checkpoint, decodeCheckpoint } from '../format/checkpoint'
import { KEY_BYTES, MEMORY_KIND, SLOT_ID_BYTES, STORE_ID_BYTES } from '../format/constants'
import { decodeEnvelope } from '../format/envelope'
import { EMPTY_HEAD, type Head } from '../format/head'
import type { MemorySettings, OpenSettings } from '../input/options'
import { unlock } from '../keys/unlock'
import { CommitQueue } from '../storage/commit/queue'
import {
  claim,
  dataDirectory,
  examine,
  expectReadableLogs,
  type Location,
  readKeyring,
  removeStagedKeyring,
} from '../storage/directory/location'
import type { Engine } from '../storage/engine'
import { matchKeyring, openHead, sealHead } from '../storage/head'
import { HEAD_ROW, RECORD_ROWS } from '../storage/keyspace'
import { KnownRecords } from '../storage/known/known-records'
import { LevelEngine } from '../storage/level/engine'
import { droppedBytes } from '../storage/level/logs'
import { MemoryEngine } from '../storage/memory-engine'

/** The parts of a store that were found at its location, and go together. */
export interface Opened extends Rekeying {
  readonly known: KnownRecords
  /** What LevelDB says it has passed over when it was opened, in bytes. */
  readonly droppedBytes: number
  /** Gives the location back, after the engine is closed. */
  readonly release: () => void
}

/** More than can have been written between the last checkpoint that is known and the end of what is abandoned. */
const ABANDONED_WRITES: number = 2 ** 32
/** A million writes a second for a hundred years. */
const GREATEST_PLAUSIBLE_SEQUENCE: number = 2 ** 52

/**
 * Opens the store at a location, or creates one there. Until the key has proved right nothing on disk is changed:
 * LevelDB, which writes when it opens, comes last.
 */
export async function openLocation(path: string, settings: OpenSettings, nowSeconds: number): Promise<Opened> {
  let location = await examine(path)
  let created: Unlocked | undefined
  if (location.state !== 'store') {
    if (!settings.createIfMissing) throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
    if ((await loadMinima(settings)).length > 0 && !settings.acceptRollback) {
      throw new SecretStoreError('ERR_ROLLBACK', 'location: expected a store not older than the checkpoint, got none')
    }
    const { createStore } = await import('../care/index')
    created = await createStore(location, settings, nowSeconds)
    location = await examine(path)
  }
  return openStore(location, settings, created)
}

async function openStore(location: Location, settings: OpenSettings, known: Unlocked | undefined): Promise<Opened> {
  let unlocked = await unlockStore(location, settings, known)
  let release = (): void => {}
  let engine: LevelEngine | undefined
  try {
    const directory = await dataDirectory(location)
    release = await claim(directory)
    await expectReadableLogs(directory)
    engine = await LevelEngine.open(directory)
    // Until now another process could have held the store, and changed its keys.
    unlocked = await unlockStore(location, settings, unlocked)
    await removeStagedKeyring(location)
    const { bytes, mac, keyring } = unlocked
    const { head, headValue } = await readHead(engine, keyring)
    const known = new KnownRecords(settings.indexBytes)
    const queue = new CommitQueue(engine, keyring, known, head, headValue)
    const parts = { engine, keyring, keyringStorage: { location, bytes }, queue, known, release }
    const opened = {
      ...parts,
      droppedBytes: settings.verify === false ? 0 : await lookAtFiles(engine, head, directory),
    }
    await settle(opened, mac, settings)
    return opened
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

/**
 * Holds keyring.json, the head and the checkpoints against one another, and ends what a crash left between the first two.
 *
 * @throws {SecretStoreError} `ERR_ROLLBACK`, `ERR_CORRUPT` for a stored checkpoint that is none.
 */
async function settle(opened: Opened, mac: Uint8Array, settings: OpenSettings): Promise<void> {
  const { queue, keyring } = opened
  const { file } = keyring
  const { head } = queue
  const minima = await loadMinima(settings)
  try {
    for (const minimum of minima) checkNotOlder(minimum, keyring, head)
    if (matchKeyring(file, mac, head) === 'settled') return
  } catch (error) {
    if (!settings.acceptRollback || !(error instanceof SecretStoreError && error.code === 'ERR_ROLLBACK')) throw error
    // Past all that is known of the abandoned future, which is thereby the older one.
    // A number that no store comes to was forged where the token is kept.
    const own = minima.filter(
      ({ storeId, sequence }) => equal(storeId, keyring.storeId) && sequence <= GREATEST_PLAUSIBLE_SEQUENCE,
    )
    const sequence = Math.max(head.sequence, ...own.map((minimum) => minimum.sequence)) + ABANDONED_WRITES
    const { changeKeyring } = await import('../care/index')
    await keyring.lendRootKey((rootKey) => changeKeyring(opened, { file, rootKey }, sequence))
    return
  }
  const generation = file.change?.generation as number
  await queue.commitHead({ ...head, sequence: head.sequence + 1, keyring: { generation, mac } })
}

async function loadMinima({ minimum, checkpoints, acceptRollback }: OpenSettings): Promise<Checkpoint[]> {
  const stored = await checkpoints?.load()
  return [minimum, stored].flatMap((token) => {
    if (token === undefined || token === null) return []
    const checkpoint = typeof token === 'string' ? decodeCheckpoint(token) : undefined
    if (checkpoint !== undefined) return [checkpoint]
    if (acceptRollback) return []
    throw corrupt('checkpoint: expected a token as it was saved, got something else')
  })
}

/** @param known - Spares the key derivation if keyring.json is still the same. */
async function unlockStore(location: Location, settings: OpenSettings, known: Unlocked | undefined): Promise<Unlocked> {
  const bytes = await readKeyring(location)
  if (known !== undefined && equal(known.bytes, bytes)) return known
  known?.keyring.wipe()
  const unverified = readKeyringFile(bytes)
  const { file, rootKey } = await unlock(unverified, settings.key)
  try {
    if (settings.names !== undefined && settings.names !== file.names) {
      throw new TypeError(`names: expected '${file.names}', as the store was created, got '${settings.names}'`)
    }
    return { bytes, mac: unverified.mac, keyring: new Keyring(file, rootKey, publicRandom, chooseAead(settings)) }
  } finally {
    rootKey.fill(0)
  }
}

/** A new store that lives as long as the process. Its one slot is of a random key that nobody has. */
export function openMemory(settings: Pick<MemorySettings, 'names' | 'sodium' | 'indexBytes'>, created: number): Opened {
  const rootKey = systemRandom(KEY_BYTES)
  const storeId = systemRandom(STORE_ID_BYTES)
  const id = systemRandom(SLOT_ID_BYTES)
  const kind = MEMORY_KIND
  const params = wrapRootKey(systemRandom(KEY_BYTES), rootKey, { storeId, slotId: id, kind }, systemRandom)
  const slots = [{ id, kind, label: null, created, params }]
  const file = createKeyringFile(rootKey, { storeId, created, names: settings.names, slots }, systemRandom)
  const keyring = new Keyring(file, rootKey, publicRandom, chooseAead(settings))
  const keyringStorage = { location: undefined, bytes: sealKeyringFile(file, rootKey) }
  rootKey.fill(0)
  const head = sealHead(keyring, EMPTY_HEAD)
  const engine = new MemoryEngine([head])
  const known = new KnownRecords(settings.indexBytes)
  const queue = new CommitQueue(engine, keyring, known, EMPTY_HEAD, head.value)
  return { engine, keyring, keyringStorage, queue, known, droppedBytes: 0, release: () => {} }
}

/** @throws {SecretStoreError} `ERR_CORRUPT`: a store without its head has lost its last writes, or all of them. */
async function readHead(engine: Engine, keyring: Keyring): Promise<{ head: Head; headValue: Uint8Array }> {
  const headValue = await engine.get(HEAD_ROW)
  if (headValue === undefined) throw corrupt('head: expected one, got none (data is missing)')
  checkKeyOfHead(decodeEnvelope(headValue).keyId, keyring)
  return { head: openHead(keyring, headValue), headValue }
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

/**
 * After a rotation, the head of one time and the keyring.json of another have no key in common.
 *
 * @throws {SecretStoreError} `ERR_ROLLBACK`; nothing can be read of what a missing key has sealed.
 */
function checkKeyOfHead(keyId: number, { file }: Keyring): void {
  if (file.keys.some(({ id }) => id === keyId)) return
  const older = file.keys.every(({ id }) => id < keyId) ? 'keyring.json' : 'data'
  const message = `head: expected a data key of keyring.json, got key ${keyId} (the ${older} may be an older one)`
  throw new SecretStoreError('ERR_ROLLBACK', message)
}

/** @throws {SecretStoreError} `ERR_ROLLBACK`. */
function checkNotOlder(checkpoint: Checkpoint, keyring: Keyring, head: Head): void {
  const refuse = (got: string): never => {
    throw new SecretStoreError('ERR_ROLLBACK', `store: expected a state not older than the checkpoint, got ${got}`)
  }
  if (!equal(checkpoint.storeId, keyring.storeId)) refuse('another store')
  if (head.sequence < checkpoint.sequence) refuse(`write ${head.sequence} of at least ${checkpoint.sequence}`)
  if (head.sequence === checkpoint.sequence && !equal(keyring.checkpointMac(head), checkpoint.mac)) {
    refuse('other contents at the same write')
  }
}
