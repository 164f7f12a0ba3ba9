import { equal } from '../base/bytes'
import { turnOfLoop } from '../base/waiting'
import type { ChannelContext } from '../crypto/channel'
import type { Keyring } from '../crypto/keyring'
import { SecretStoreError } from '../errors'
import { removeStaleSocket } from '../platform/endpoints'
import { listenLocally } from '../platform/local-socket'
import { thisProcess } from '../platform/this-process'
import { type Location, removeStagedKeyring } from '../storage/directory/location'
import { type OwnerFile, removeOwner, writeOwner } from '../storage/directory/owner-json'
import type { Engine } from '../storage/engine'
import { Connection } from '../storage/sharing/connection'
import { meetFollower } from '../storage/sharing/handshake'
import { GRACE_MS } from '../storage/sharing/named-locks'
import { Owner } from '../storage/sharing/owner'
import type { Role, RoleEvents } from '../storage/sharing/role'
import { isUnder } from './adoption'
import { after, unlessInVain } from './pause'

/** How long the other end may take to prove itself. */
export const HANDSHAKE_MS = 2000
/** A key provider that takes longer keeps the files that this process holds from nobody. */
export const ADOPTION_MS = 10_000
const MOST_CONNECTIONS = 512
const TURNS_OF_AN_END = 10
const TURNS_OF_A_CHANGE = 10_000

/** Files that this process holds. */
export interface Held {
  readonly engine: Engine
  readonly letGo: () => Promise<void>
  /** Where others are to reach it. */
  readonly endpoint: string
  /** Who held them before, if anybody did. */
  readonly former: OwnerFile | undefined
}

/** Serves the files to all who prove that they hold the keys. */
export async function serve(
  { location, keyring }: { readonly location: Location; readonly keyring: Keyring },
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
        connection = new Connection(wire, seal, early, served.onMessage, onEnd, served.onPiece)
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
      // Nobody is heard meanwhile: whoever has the keys sooner is to hold the files then.
      if ((await unlessInVain(events.adopted(), after(ADOPTION_MS))) === undefined) return end()
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

export function noSocket(cause: unknown): SecretStoreError {
  const { message } = cause as Error
  return new SecretStoreError('ERR_IO', `sharing: expected to listen for other processes, got a refusal: ${message}`, {
    cause,
  })
}
