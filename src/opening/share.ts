import { toBase64url } from '../base/bytes'
import { codeOf } from '../base/thrown'
import { lockedBy } from '../care/locked-by'
import type { ChannelContext } from '../crypto/channel'
import { readKeyringFile } from '../crypto/keyring'
import { systemRandom } from '../crypto/random'
import { corrupt, SecretStoreError } from '../errors'
import type { Checkpoint } from '../format/checkpoint'
import { DATA_DIRECTORY } from '../format/constants'
import { envelopeKeyId } from '../format/envelope'
import { newEndpoint } from '../platform/endpoints'
import { joinPath } from '../platform/files'
import { describeHolder, isLockedByAnybody, lockHolder } from '../platform/locks-of-others'
import { thisProcess } from '../platform/this-process'
import { checkNotOlder } from '../storage/checkpoint'
import type { Standing, Writing } from '../storage/commit/alone'
import { AmongOthers } from '../storage/commit/among-others'
import type { Location } from '../storage/directory/location'
import { readOwner } from '../storage/directory/owner-json'
import type { Engine } from '../storage/engine'
import { openHead, sealHead } from '../storage/head'
import { HEAD_ROW } from '../storage/keyspace'
import { LOCK_FILE } from '../storage/level/library'
import { matchKeyring } from '../storage/match-keyring'
import { Connection } from '../storage/sharing/connection'
import { RemoteOwner } from '../storage/sharing/remote-owner'
import { noKey, type Role, type RoleEvents } from '../storage/sharing/role'
import { SharedEngine } from '../storage/sharing/shared-engine'
import { Adoption, type AdoptionOptions } from './adoption'
import { after, pause, unlessInVain } from './pause'
import { checkOfThisMachine, type Reached, reachOwner } from './reach-owner'
import { type CheckpointSettings, loadMinima } from './rollback'
import { ADOPTION_MS, HANDSHAKE_MS, noSocket, serve } from './serve'

const ANSWER_MS = 30_000
/** Of the place where checkpoints are kept. */
const LOAD_MS = 10_000
/** Whoever holds the files says where it is reached when it has opened them. */
const LEAST_WAIT_MS = 2000

export interface ShareOptions extends AdoptionOptions, Partial<CheckpointSettings> {
  /** How long to wait for a holder that does not share. */
  readonly waitMs: number
  /** Ends the wait. */
  readonly signal?: AbortSignal
  /** What is done with files before anybody writes. @defaultValue a change of keys that was begun is ended */
  readonly settle?: (options: ShareOptions, engine: Engine) => Promise<void>
  /** Opens LevelDB's files. @throws {SecretStoreError} `ERR_LOCKED`. */
  openFiles(): Promise<{ readonly engine: Engine; readonly release: () => void }>
}

/** The files of a store, held by one of the processes that share it, and how they are written to. */
export async function shareFiles(
  options: ShareOptions,
): Promise<{ readonly engine: Engine; readonly stand: (writing: Writing) => Standing }> {
  await checkOfThisMachine(options.location)
  let isOpen = false
  let waitMs = Math.max(options.waitMs, LEAST_WAIT_MS)
  const adoption = new Adoption(options)
  const engine = await new SharedEngine({
    seek: (events) => seek({ ...options, adoption, waitMs, isOpen }, events),
    adopt: async (bytes) => void (await adoption.take(bytes)),
    outcomeOf: (bytes) => adoption.outcomeOf(bytes),
    pid: thisProcess().pid,
    deadlineMs: ANSWER_MS,
  }).open()
  // From now on it is others that share the store who hold it, and who are about to say so.
  waitMs = Math.max(waitMs, ANSWER_MS)
  isOpen = true
  return { engine, stand: (writing) => new AmongOthers(writing, engine) }
}

interface SeekOptions extends ShareOptions {
  readonly adoption: Adoption
  /** Whether the store is open: until then whoever opens it holds it against the checkpoints. */
  readonly isOpen: boolean
}

async function seek(options: SeekOptions, events: RoleEvents): Promise<Role> {
  const { location, keyring, adoption, waitMs, isOpen } = options
  const { aead } = keyring
  const contextAt = (endpoint: string): ChannelContext => ({ key: keyring.channelKey(), endpoint })
  let isLate = after(waitMs)
  // An opening asks for the key as long as that takes.
  const isInVain = (): boolean => !events.isWanted() || (isOpen ? isLate() : options.signal?.aborted === true)
  for (;;) {
    if (!events.isWanted()) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
    if (!isOpen) options.signal?.throwIfAborted()
    const reached = await reachOwner({ location, contextAt, aead, timeoutMs: HANDSHAKE_MS })
    if (reached.kind === 'owner') return { kind: 'follower', remote: follow(reached, events) }
    // The keys may have been replaced while nobody told this process of it: it proves itself by the new ones then.
    const adopted = await unlessInVain(adoption.take(), () => adoption.isSilent || isInVain())
    if (adopted?.value) {
      isLate = after(waitMs)
      continue
    }
    if (adopted !== undefined && reached.kind !== 'this process') {
      const role = await hold(options, events)
      if (role !== undefined) return role
    }
    if (isOpen && adopted === undefined && isLate()) adoption.giveUp()
    if (isLate() || adoption.isSilent) throw adopted ? await refusalOf(location, reached) : noKey()
    await pause()
  }
}

function follow({ wire, seal, early }: Extract<Reached, { kind: 'owner' }>, events: RoleEvents): RemoteOwner {
  let connection: Connection
  const remote = new RemoteOwner(
    () => connection,
    (item) => events.onCommit(item),
    () => events.onEnd(),
  )
  connection = new Connection(wire, seal, early, remote.onMessage, remote.onEnd)
  return remote
}

/** @returns `undefined` if somebody else holds the files, or is to. */
async function hold(options: SeekOptions, events: RoleEvents): Promise<Role | undefined> {
  const { location, openFiles, adoption, isOpen } = options
  const former = await readOwner(location.directory)
  const lock = joinPath(location.directory, DATA_DIRECTORY, LOCK_FILE)
  // A refused opening would empty the holder's LOG, in which LevelDB tells of damage.
  if (isLockedByAnybody(lock)) return undefined
  // Before the files are held: a place that never answers is to keep nobody from them.
  const minima = isOpen ? await loadInTime(options, events, lock) : []
  if (minima === undefined) return undefined
  const endpoint = await newEndpoint(toBase64url(systemRandom(16))).catch((cause: unknown) => {
    throw noSocket(cause)
  })
  const files = await openFiles().catch((error: unknown) => {
    // Files that another candidate is opening look like anything.
    if (codeOf(error) === 'ERR_LOCKED' || isLockedByAnybody(lock)) return undefined
    throw error
  })
  if (files === undefined) return undefined
  const letGo = async (): Promise<void> => {
    try {
      await files.engine.close()
    } finally {
      files.release()
    }
  }
  try {
    // Until now another process could have changed them.
    const isLate = after(ADOPTION_MS)
    const adopted = await unlessInVain(adoption.take(), () => isLate() || !events.isWanted())
    if (adopted === undefined) {
      await letGo()
      return undefined
    }
    if (isOpen) await checkNotRolledBack(options, files.engine, minima)
    await (options.settle ?? settleKeyring)(options, files.engine)
    return await serve(options, events, { engine: files.engine, letGo, endpoint, former })
  } catch (error) {
    await letGo().catch(() => {})
    throw error
  }
}

/**
 * @returns `undefined` as soon as somebody else holds the files.
 * @throws {SecretStoreError} `ERR_BUSY` without an answer.
 */
async function loadInTime(options: SeekOptions, events: RoleEvents, lock: string): Promise<Checkpoint[] | undefined> {
  const isLate = after(LOAD_MS)
  const isHeld = (): boolean => isLockedByAnybody(lock)
  const loaded = await unlessInVain(loadMinima(options), () => !events.isWanted() || isLate() || isHeld())
  if (loaded !== undefined) return loaded.value
  if (!events.isWanted() || isHeld()) return undefined
  throw new SecretStoreError('ERR_BUSY', 'checkpoints: expected load to answer in time, got nothing')
}

/** Holds files that another process has held against the checkpoint that somebody has saved since. */
async function checkNotRolledBack(options: ShareOptions, engine: Engine, minima: readonly Checkpoint[]): Promise<void> {
  if (minima.length === 0) return
  const value = await engine.get(HEAD_ROW)
  if (value === undefined) throw corrupt('head: expected one, got none (data is missing)')
  const { keyring } = options
  const head = openHead(keyring, value)
  for (const minimum of minima) checkNotOlder(minimum, keyring, head)
}

/**
 * Ends what the end of a former owner has left between keyring.json and the head, before anybody writes: a later head that
 * does not name the file would be of no store.
 *
 * @throws {SecretStoreError} `ERR_ROLLBACK` if one of the two is older than the other.
 */
async function settleKeyring({ keyring, keyringStorage }: ShareOptions, engine: Engine): Promise<void> {
  const value = await engine.get(HEAD_ROW)
  if (value === undefined) throw corrupt('head: expected one, got none (data is missing)')
  const head = openHead(keyring, value)
  const { mac } = readKeyringFile(keyringStorage.bytes)
  if (matchKeyring(keyring.file, mac, head, envelopeKeyId(value)) === 'settled') return
  const generation = keyring.file.change?.generation as number
  const row = sealHead(keyring, { ...head, sequence: head.sequence + 1, keyring: { generation, mac } })
  const batch = engine.batch()
  try {
    batch.put(row.key, row.value)
    await batch.write(value)
  } finally {
    await batch.close()
  }
}

/** Why this process reaches nobody, and does not hold the files either. */
async function refusalOf(location: Location, reached: Reached): Promise<unknown> {
  const lock = joinPath(location.directory, DATA_DIRECTORY, LOCK_FILE)
  const hungUp = 'hungUp' in reached ? reached.hungUp : undefined
  const isHolder = hungUp !== undefined && (lockHolder(lock)?.pid ?? hungUp) === hungUp
  if (!isHolder) return lockedBy(location, notShared(location, reached))
  const expected = 'store: expected the process that shares it to take in another, got the end of the connection'
  const who = describeHolder(lock) ?? `process ${hungUp}`
  return new SecretStoreError('ERR_LOCKED', `${expected}: ${who}: it takes no more connections, or is about to end`)
}

function notShared({ directory }: Location, reached: Reached): SecretStoreError {
  const expected = 'store: expected nobody to hold it but processes that share it'
  const why = 'why' in reached ? ` (${reached.why})` : ''
  return new SecretStoreError('ERR_LOCKED', `${expected}, got an opener of ${directory}${why}`)
}
