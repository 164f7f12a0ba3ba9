import { equal, toBase64url } from '../base/bytes'
import { codeOf } from '../base/thrown'
import { turnOfLoop } from '../base/waiting'
import type { ChannelContext } from '../crypto/channel'
import { type Keyring, readKeyringFile, verifyKeyringFile } from '../crypto/keyring'
import { publicRandom, systemRandom } from '../crypto/random'
import { SecretStoreError } from '../errors'
import { DATA_DIRECTORY } from '../format/constants'
import type { KeyProvider } from '../keys/provider'
import { unlock } from '../keys/unlock'
import { joinPath } from '../platform/files'
import { connectLocally, listenLocally, newEndpoint } from '../platform/local-socket'
import { isLockedByAnybody } from '../platform/locks-of-others'
import { thisProcess } from '../platform/this-process'
import type { KeyringStorage } from '../storage/directory/keyring-json'
import { type Location, readKeyring, removeStagedKeyring } from '../storage/directory/location'
import { readOwner, removeOwner, writeOwner } from '../storage/directory/owner-json'
import type { Engine } from '../storage/engine'
import { LOCK_FILE } from '../storage/level/library'
import { Connection } from '../storage/sharing/connection'
import { meetFollower, meetOwner } from '../storage/sharing/handshake'
import { GRACE_MS } from '../storage/sharing/named-locks'
import { Owner } from '../storage/sharing/owner'
import { RemoteOwner } from '../storage/sharing/remote-owner'
import type { Role, RoleEvents } from '../storage/sharing/role'
import { Session } from '../storage/sharing/session'
import { SharedEngine } from '../storage/sharing/shared-engine'

const HANDSHAKE_MS = 2000
const ANSWER_MS = 30_000
/** Whoever holds the files says where it is reached when it has opened them. */
const LEAST_WAIT_MS = 2000
const MOST_CONNECTIONS = 512
/** Between two looks at who holds the files. */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [2, 30]

export interface ShareOptions {
  readonly location: Location
  readonly keyring: Keyring
  readonly keyringStorage: KeyringStorage
  readonly key: KeyProvider
  /** How long to wait for a holder that does not share. */
  readonly waitMs: number
  /** Opens LevelDB's files. @throws {SecretStoreError} `ERR_LOCKED`. */
  openFiles(): Promise<{ readonly engine: Engine; readonly release: () => void }>
}

/** The files of a store, held by one of the processes that share it. */
export async function shareFiles(options: ShareOptions): Promise<SharedEngine> {
  let waitMs = Math.max(options.waitMs, LEAST_WAIT_MS)
  const engine = await new SharedEngine({
    seek: (events) => seek(options, events, waitMs),
    session: new Session(options.keyring),
    adopt: (bytes) => adopt(options, bytes),
    pid: thisProcess().pid,
    deadlineMs: ANSWER_MS,
  }).open()
  // From now on it is others that share the store who hold it, and who are about to say so.
  waitMs = Math.max(waitMs, ANSWER_MS)
  return engine
}

async function seek(options: ShareOptions, events: RoleEvents, waitMs: number): Promise<Role> {
  const { location } = options
  const start = performance.now()
  for (;;) {
    if (!events.isWanted()) throw new SecretStoreError('ERR_CLOSED', 'store: expected it open, got a closed one')
    const remote = await follow(options, events)
    if (remote !== undefined) return { kind: 'follower', remote }
    const role = await hold(options, events)
    if (role !== undefined) return role
    if (performance.now() - start > waitMs) throw notShared(location)
    await pause()
  }
}

/** @returns `undefined` if nobody is reached. */
async function follow(options: ShareOptions, events: RoleEvents): Promise<RemoteOwner | undefined> {
  const { location, keyring } = options
  const found = await readOwner(location.directory)
  if (found === undefined || found.machine !== thisProcess().machine) return undefined
  const wire = await connectLocally(found.endpoint, HANDSHAKE_MS).catch(() => undefined)
  if (wire === undefined) return undefined
  const met = await meetOwner(wire, channelContext(keyring, found.endpoint), keyring.aead, HANDSHAKE_MS).catch(
    () => undefined,
  )
  if (met === undefined) return undefined
  let connection: Connection
  const remote = new RemoteOwner(
    () => connection,
    (item) => events.onCommit(item),
    () => events.onEnd(),
  )
  connection = new Connection(wire, met.seal, met.early, remote.onMessage, remote.onEnd)
  return remote
}

/** @returns `undefined` if somebody else holds the files. */
async function hold(options: ShareOptions, events: RoleEvents): Promise<Role | undefined> {
  const { location, openFiles } = options
  const takesOver = (await readOwner(location.directory)) !== undefined
  const lock = joinPath(location.directory, DATA_DIRECTORY, LOCK_FILE)
  // A refused opening would empty the holder's LOG, in which LevelDB tells of damage.
  if (isLockedByAnybody(lock)) return undefined
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
    return await serve(options, events, files.engine, letGo, takesOver)
  } catch (error) {
    await letGo().catch(() => {})
    throw error
  }
}

/** Serves the files to all who prove that they hold the keys. */
async function serve(
  { location, keyring }: ShareOptions,
  events: RoleEvents,
  engine: Engine,
  letGo: () => Promise<void>,
  takesOver: boolean,
): Promise<Role> {
  const end = (): void =>
    void leave().then(
      () => events.onEnd(),
      () => events.onEnd(),
    )
  const owner = new Owner(engine, end, takesOver ? GRACE_MS : 0)
  const endpoint = endpointOf(systemRandom(16))
  const connections = new Set<Connection>()
  const listener = await listenLocally(endpoint, MOST_CONNECTIONS, (wire) => {
    meetFollower(wire, channelContext(keyring, endpoint), keyring.aead, HANDSHAKE_MS).then(
      ({ seal, early }) => {
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
    throw notListening(cause)
  })
  let leaving: Promise<void> | undefined
  const leave = (): Promise<void> => {
    leaving ??= (async () => {
      owner.end()
      // Some may be about to end.
      await turnOfLoop()
      await turnOfLoop()
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
  } catch (error) {
    await listener.close()
    throw error
  }
  // Who had the root key that was replaced has to prove itself anew.
  let rootId = keyring.rootId
  owner.onKeyring = () =>
    void events.adopted().then(
      () => {
        if (equal(rootId, keyring.rootId)) return
        rootId = keyring.rootId
        for (const connection of connections) connection.finish()
      },
      () => {},
    )
  return { kind: 'owner', owner, engine, leave }
}

function endpointOf(random: Uint8Array): string {
  try {
    return newEndpoint(toBase64url(random))
  } catch (cause) {
    throw notListening(cause)
  }
}

function notListening(cause: unknown): SecretStoreError {
  return new SecretStoreError('ERR_IO', 'sharing: expected to listen for other processes, got a refusal', { cause })
}

function channelContext(keyring: Keyring, endpoint: string): ChannelContext {
  return { key: keyring.channelKey(), endpoint }
}

/** @param given - Read from the location, if nobody sent it. @throws {SecretStoreError} `ERR_WRONG_KEY`, `ERR_CORRUPT`. */
async function adopt(
  { location, keyring, keyringStorage, key }: ShareOptions,
  given: Uint8Array | undefined,
): Promise<void> {
  const bytes = given ?? (await readKeyring(location))
  if (equal(bytes, keyringStorage.bytes)) return
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

function notShared({ directory }: Location): SecretStoreError {
  return new SecretStoreError(
    'ERR_LOCKED',
    `store: expected nobody to hold it but processes that share it, got an opener of ${directory}`,
  )
}

async function pause(): Promise<void> {
  const share = (publicRandom(1)[0] as number) / 255
  await new Promise((resolve) => setTimeout(resolve, LEAST_PAUSE_MS + share * (MOST_PAUSE_MS - LEAST_PAUSE_MS)))
}
