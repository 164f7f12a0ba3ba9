import { SecretStoreError } from '../errors'
import { DATA_DIRECTORY } from '../format/constants'
import { joinPath } from '../platform/files'
import { describeHolder, lockHolder } from '../platform/locks-of-others'
import type { Location } from '../storage/directory/location'
import { listeningOwner, type OwnerFile, readOwner } from '../storage/directory/owner-json'
import { LOCK_FILE } from '../storage/level/library'

/** The refusal of an opening, or of a call, with the process that has the store open where the system tells. */
export async function lockedBy({ directory }: Location, refusal: unknown): Promise<unknown> {
  const lock = joinPath(directory, DATA_DIRECTORY, LOCK_FILE)
  const holder = describeHolder(lock)
  const { message, cause } = refusal as Error
  // Said already.
  if (holder === undefined || message.includes(holder)) return refusal
  const sharer = await sharerOf(directory, lock).catch(() => undefined)
  return new SecretStoreError(
    'ERR_LOCKED',
    `${message}: ${holder}${sharer === undefined ? '' : await howShared(directory, sharer)}`,
    { cause },
  )
}

/** The holder of the lock, if owner.json says that it shares the store; that it is reached is not said. */
export async function sharerOf(directory: string, lock: string): Promise<OwnerFile | undefined> {
  const owner = await readOwner(directory)
  return owner !== undefined && owner.pid === lockHolder(lock)?.pid ? owner : undefined
}

async function howShared(directory: string, { endpoint }: OwnerFile): Promise<string> {
  const isThere = (await listeningOwner(directory).catch(() => undefined)) !== undefined
  if (isThere) return ', and shares it: shared: true opens it, too'
  return `, and shares it, but nobody listens at ${endpoint}: that was removed, or lies in another folder than this process's`
}
