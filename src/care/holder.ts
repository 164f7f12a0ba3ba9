import { SecretStoreError } from '../errors'
import { DATA_DIRECTORY } from '../format/constants'
import { parseSlotsOptions, type SlotsOptions } from '../input/slots-options'
import { joinPath } from '../platform/files'
import { isLockedByAnybody, lockHolder, processFacts } from '../platform/locks-of-others'
import { examine } from '../storage/directory/location'
import { listeningOwner } from '../storage/directory/owner-json'
import { LOCK_FILE } from '../storage/level/library'
import { sharerOf } from './locked-by'

/** The process that has a store open, as far as that can be told without a key. */
export interface StoreHolder {
  /** Whether others can have the store open beside it: it has opened it with `shared`. */
  readonly shared: boolean
  /** Absent where the system does not tell (Linux does, within one container), and the process does not share. */
  readonly pid?: number
  /** The program, and the script that a runtime runs: `node server.js`. Absent where the system does not tell. */
  readonly program?: string
  /** Since when the process runs, in Unix seconds. Absent where the system does not tell. */
  readonly since?: number
}

/** Nothing is opened, and nobody is asked anything. */
export async function holder(path: string, options: SlotsOptions): Promise<StoreHolder | undefined> {
  const location = await examine(path, parseSlotsOptions(options).allowUnsafeLocation)
  if (location.state !== 'store') throw new SecretStoreError('ERR_NOT_FOUND', 'location: expected a store, got none')
  const owner = await listeningOwner(location.directory)
  if (owner !== undefined) return { shared: true, ...processFacts(owner.pid) }
  const lock = joinPath(location.directory, DATA_DIRECTORY, LOCK_FILE)
  // Its socket may be out of reach: removed, or in another mount namespace.
  const sharer = await sharerOf(location.directory, lock)
  if (isLockedByAnybody(lock)) return { shared: sharer !== undefined, ...lockHolder(lock) }
  return undefined
}
