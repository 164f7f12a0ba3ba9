import type { Aead } from '../crypto/aead/aead'
import type { ChannelContext } from '../crypto/channel'
import { SecretStoreError } from '../errors'
import { CHANNEL } from '../format/constants'
import { fileSystemOfOthers } from '../platform/file-systems'
import { connectLocally, type Wire } from '../platform/local-socket'
import { thisProcess } from '../platform/this-process'
import type { Location } from '../storage/directory/location'
import { type OwnerFile, readOwner } from '../storage/directory/owner-json'
import { HungUp, type Met, meetOwner } from '../storage/sharing/handshake'

/** What owner.json leads to. */
export type Reached =
  | ({ readonly kind: 'owner'; readonly wire: Wire } & Met)
  /** Nobody says that he holds the files, or who said so is gone. LevelDB's lock tells whether they are free. */
  | { readonly kind: 'nobody' }
  /** Somebody is named who cannot be reached, or does not prove himself. Here, too, the lock decides. */
  | { readonly kind: 'stranger'; readonly why: string; readonly hungUp?: number }
  /**
   * This process holds the files, as another copy of the library or in another thread, and does not prove itself. Outside
   * Linux a second handle of LOCK, once closed, would drop the lock of the first: the files are not to be opened.
   *
   * `hungUp`: the process that is named, if it ended the connection before any answer. One that takes no more does so, and
   * one that is about to end.
   */
  | { readonly kind: 'this process'; readonly why: string; readonly hungUp?: number }

export interface ReachOptions {
  readonly location: Location
  readonly contextAt: (endpoint: string) => ChannelContext
  readonly aead: Aead
  /** For the connection, and again for the handshake. */
  readonly timeoutMs: number
}

/**
 * Connects to the process that owner.json names, if it is of this machine, boot and PID namespace.
 *
 * @throws {SecretStoreError} `ERR_UNSUPPORTED_VERSION` if somebody listens there who speaks another version.
 */
export async function reachOwner({ location, contextAt, aead, timeoutMs }: ReachOptions): Promise<Reached> {
  const found = await readOwner(location.directory)
  if (found === undefined) return { kind: 'nobody' }
  const self = thisProcess()
  if (found.machine !== self.machine) return stranger('owner.json names one of another machine, boot or container')
  const wire = await connectLocally(found.endpoint, timeoutMs).catch(() => undefined)
  if (wire === undefined) return { kind: 'nobody' }
  if (found.protocol !== CHANNEL.version) {
    wire.end()
    throw unsupported(found)
  }
  const start = performance.now()
  try {
    const met = await meetOwner(wire, { context: () => contextAt(found.endpoint), aead, timeoutMs })
    return { kind: 'owner', wire, ...met }
  } catch (error) {
    const isSilent = performance.now() - start >= timeoutMs
    const named = `process ${found.pid}, which owner.json names,`
    const refused = { kind: found.pid === self.pid ? 'this process' : 'stranger' } as const
    if (isSilent) return { ...refused, why: `${named} did not answer` }
    if (error instanceof HungUp)
      return { ...refused, why: `${named} ended the connection without an answer`, hungUp: found.pid }
    return { ...refused, why: 'whoever listens where owner.json says did not prove that it holds the keys' }
  }
}

/**
 * Refuses files that processes of several machines can reach: LevelDB's lock, which decides who owns them, may hold on each
 * of the machines alone.
 *
 * @throws {SecretStoreError} `ERR_UNSAFE_LOCATION`.
 */
export async function checkOfThisMachine({ directory, allowUnsafe }: Location): Promise<void> {
  const fileSystem = allowUnsafe ? undefined : await fileSystemOfOthers(directory)
  if (fileSystem === undefined) return
  throw new SecretStoreError(
    'ERR_UNSAFE_LOCATION',
    `location: expected a file system of this machine alone to share the store, got ${fileSystem} (without shared it opens)`,
  )
}

function stranger(why: string): Reached {
  return { kind: 'stranger', why }
}

function unsupported({ protocol }: OwnerFile): SecretStoreError {
  const expected = `sharing: expected a process that speaks version ${CHANNEL.version} to hold the store`
  return new SecretStoreError('ERR_UNSUPPORTED_VERSION', `${expected}, got version ${protocol}`)
}
