import { equal, toBase64url } from '../base/bytes'
import { codeOf } from '../base/thrown'
import { turnOfLoop } from '../base/waiting'
import { lockedBy } from '../care/locked-by'
import type { ChannelContext } from '../crypto/channel'
import { type Keyring, readKeyringFile, verifyKeyringFile } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { corrupt, SecretStoreError } from '../errors'
import type { Checkpoint } from '../format/checkpoint'
import { DATA_DIRECTORY } from '../format/constants'
import type { KeyProvider } from '../keys/provider'
import { unlock } from '../keys/unlock'
import { newEndpoint, removeStaleSocket } from '../platform/endpoints'
import { joinPath } from '../platform/files'
import { listenLocally } from '../platform/local-socket'
import { isLockedByAnybody } from '../platform/locks-of-others'
import { thisProcess } from '../platform/this-process'
import { checkNotOlder } from '../storage/checkpoint'
import type { Standing, Writing } from '../storage/commit/alone'
import { AmongOthers } from '../storage/commit/among-others'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { type Location, readKeyring, removeStagedKeyring } from '../storage/directory/location'
import { type OwnerFile, readOwner, removeOwner, writeOwner } from '../storage/directory/owner-json'
import type { Engine } from '../storage/engine'
import { openHead } from '../storage/head'
import { HEAD_ROW } from '../storage/keyspace'
import { LOCK_FILE } from '../storage/level/library'
import { Connection } from '../storage/sharing/connection'
import { meetFollower } from '../storage/sharing/handshake'
import { GRACE_MS } from '../storage/sharing/named-locks'
import { Owner } from '../storage/sharing/owner'
import { RemoteOwner } from '../storage/sharing/remote-owner'
import type { Role, RoleEvents } from '../storage/sharing/role'
import { SharedEngine } from '../storage/sharing/shared-engine'
import { checkOfThisMachine, type Reached, reachOwner } from './reach-owner'
import { type CheckpointSettings, loadMinima } from './rollback'

const HANDSHAKE_MS = 2000
const ANSWER_MS = 30_000
/** Whoever holds the files says where it is reached when it has opened them. */
const LEAST_WAIT_MS = 2000
const MOST_CONNECTIONS = 512
const TURNS_OF_AN_END = 10
const TURNS_OF_A_CHANGE = 10_000
/** Between two looks at who holds the files. */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [2, 30]

export interface ShareOptions extends Partial<CheckpointSettings> {
  readonly location: Location
  readonly keyring: Keyring
  readonly keyringStorage: KeyringStorage
  readonly key: KeyProvider
  /** How long to wait for a holder that does not share. */
  readonly waitMs: number
  /** Ends the wait. */
  readonly signal?: AbortSignal
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
  const engine = await new SharedEngine({
    seek: (events) => seek(options, events, waitMs, isOpen),
    adopt: (bytes) => adopt(options, bytes),
    pid: thisProcess().pid,
    deadlineMs: ANSWER_MS,
  }).open()
  // From now on it is others that share the store who hold it, and who are about to say so.
  waitMs = Math.max(waitMs, ANSWER_MS)
  isOpen = true
  return { engine, stand: (writing) => new AmongOthers(writing, engine) }
}

/** @param isOpen - Whether the store is open: until then whoever opens it holds it against the checkpoints. */
async function seek(options: ShareOptions, events: RoleEvents, waitMs: number, isOpen: boolean): Promise<Role> {
  const { location } = options
  const start = performance.now()
  for (;;) {
    if (!events.isWanted()) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
    if (!isOpen) options.signal?.throwIfAborted()
    const { keyring } = options
    const contextAt = (endpoint: string): ChannelContext => ({ key: keyring.channelKey(), endpoint })
    const reached = await reachOwner({ location, contextAt, aead: keyring.aead, timeoutMs: HANDSHAKE_MS })
    if (reached.kind === 'owner') return { kind: 'follower', remote: follow(reached, events) }
    const role = reached.kind === 'this process' ? undefined : await hold(options, events, isOpen)
    if (role !== undefined) return role
    if (performance.now() - start > waitMs) throw await lockedBy(location, notShared(location, reached))
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

/** @returns `undefined` if somebody else holds the files. */
async function hold(options: ShareOptions, events: RoleEvents, isTakenOver: boolean): Promise<Role | undefined> {
  const { location, openFiles } = options
  const former = await readOwner(location.directory)
  const lock = joinPath(location.directory, DATA_DIRECTORY, LOCK_FILE)
  // A refused opening would empty the holder's LOG, in which LevelDB tells of damage.
  if (isLockedByAnybody(lock)) return undefined
  // Before the files are held: a place that never answers is to keep nobody from them.
  const minima = isTakenOver ? await loadMinima(options) : []
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
    if (isTakenOver) await checkNotRolledBack(options, files.engine, minima)
    return await serve(options, events, { engine: files.engine, letGo, endpoint, former })
  } catch (error) {
    await letGo().catch(() => {})
    throw error
  }
}

/** Holds files that another process has held against the checkpoint that somebody has saved since. */
async function checkNotRolledBack(options: ShareOptions, engine: Engine, minima: readonly Checkpoint[]): Promise<void> {
  if (minima.length === 0) return
  await adopt(options, undefined)
  const value = await engine.get(HEAD_ROW)
  if (value === undefined) throw corrupt('head: expected one, got none (data is missing)')
  const { keyring } = options
  const head = openHead(keyring, value)
  for (const minimum of minima) checkNotOlder(minimum, keyring, head)
}

/** Files that this process holds. */
interface Held {
  readonly engine: Engine
  readonly letGo: () => Promise<void>
  /** Where others are to reach it. */
  readonly endpoint: string
  /** Who held them before, if anybody did. */
  readonly former: OwnerFile | undefined
}

/** Serves the files to all who prove that they hold the keys. */
async function serve(
  { location, keyring }: ShareOptions,
  events: RoleEvents,
  { engine, letGo, endpoint, former }: Held,
): Promise<Role> {
  const end = (): void =>
    void leave().then(
      () => events.onEnd(),
      () => events.onEnd(),
    )
  const owner = new Owner(engine, end, former === undefined ? 0 : GRACE_MS)
  const connections = new Set<Connection>()
  /** Whether keyring.json is under a root key that this process has not taken over yet. */
  let isReplacing = false
  const listener = await listenLocally(endpoint, MOST_CONNECTIONS, (wire) => {
    if (isReplacing) return wire.end()
    const context = (): ChannelContext => ({ key: keyring.channelKey(), endpoint })
    meetFollower(wire, { context, aead: keyring.aead, timeoutMs: HANDSHAKE_MS }).then(
      ({ seal, early }) => {
        if (isReplacing) return wire.end()
        let connection: Connection
        const served = owner.serve(() => connection)
        const onEnd = (): void => {
          connections.delete(connection)
          served.onEnd()
        }
        connection = new Connection(wire, seal, early, served.onMessage, onEnd)
        connections.add(connection)
        if (owner.isOver) connection.end()
      },
      () => {},
    )
  }).catch((cause) => {
    throw noSocket(cause)
  })
  let leaving: Promise<void> | undefined
  const leave = (): Promise<void> => {
    leaving ??= (async () => {
      owner.end()
      // Some may be about to end: the end of the other side takes some turns to arrive.
      for (let turns = 0; turns < 2 || (turns < TURNS_OF_AN_END && connections.size > 0); turns++) await turnOfLoop()
      // Those who follow come back with their locks: the next owner is to know that there was one.
      if (connections.size === 0) await removeOwner(location.directory).catch(() => {})
      await listener.close()
      for (const connection of connections) connection.end()
      await letGo()
    })()
    return leaving
  }
  try {
    await removeStagedKeyring(location)
    await writeOwner(location.directory, { endpoint, ...thisProcess() })
    if (former !== undefined) await removeStaleSocket(former.endpoint)
  } catch (error) {
    owner.end()
    await listener.close()
    throw error
  }
  // Who had the root key that was replaced has to prove itself anew, and is heard no more before that.
  owner.onKeyring = (bytes) => {
    const former = keyring.rootId
    const replacing = keyring.lendRootKey(async (rootKey) => {
      if (isUnder(rootKey, bytes)) return
      isReplacing = true
      for (const connection of connections) connection.deafen()
      await events.adopted()
      // This process's own change is over some turns later.
      for (let turns = 0; turns < TURNS_OF_A_CHANGE && equal(former, keyring.rootId); turns++) await turnOfLoop()
      isReplacing = false
      for (const connection of connections) connection.finish()
    })
    // If this process has no key of the new one, it leaves, and ends them all.
    replacing.catch(() => {})
  }
  return { kind: 'owner', owner, engine, leave }
}

/** @param given - Read from the location, if nobody sent it. @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT`. */
async function adopt(
  { location, keyring, keyringStorage, key }: ShareOptions,
  given: Uint8Array | undefined,
): Promise<void> {
  // Also where this process has put it in place itself: the commit with which its keys come into use may have failed.
  const bytes = given ?? (await readKeyring(location))
  const unverified = readKeyringFile(bytes)
  const isAdopted = await keyring.lendRootKey((rootKey) => {
    try {
      keyring.adopt(verifyKeyringFile(unverified, rootKey), rootKey)
      return true
    } catch (error) {
      if (codeOf(error) === 'ERR_CORRUPT') return false
      throw error
    }
  })
  if (!isAdopted) {
    const { file, rootKey } = await unlock(unverified, key)
    keyring.adopt(file, rootKey)
    rootKey.fill(0)
  }
  keyringStorage.bytes = bytes
}

/** Whether a keyring.json has the MAC of this root key. */
function isUnder(rootKey: Uint8Array, bytes: Uint8Array): boolean {
  try {
    verifyKeyringFile(readKeyringFile(bytes), rootKey)
    return true
  } catch {
    return false
  }
}

function notShared({ directory }: Location, reached: Reached): SecretStoreError {
  const expected = 'store: expected nobody to hold it but processes that share it'
  const why = 'why' in reached ? ` (${reached.why})` : ''
  return new SecretStoreError('ERR_LOCKED', `${expected}, got an opener of ${directory}${why}`)
}

function noSocket(cause: unknown): SecretStoreError {
  const { message } = cause as Error
  return new SecretStoreError('ERR_IO', `sharing: expected to listen for other processes, got a refusal: ${message}`, {
    cause,
  })
}

async function pause(): Promise<void> {
  const share = (publicRandom(1)[0] as number) / 255
  const ms = LEAST_PAUSE_MS + share * (MOST_PAUSE_MS - LEAST_PAUSE_MS)
  // The process does not end before it if somebody waits for what is sought.
  await new Promise((resolve) => setTimeout(resolve, ms).unref())
}
