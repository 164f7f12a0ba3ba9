import { SecretStoreError } from '../errors'
import { DATA_DIRECTORY } from '../format/constants'
import { joinPath } from '../platform/files'
import { describeHolder } from '../platform/locks-of-others'
import type { Location } from '../storage/directory/location'
import { LOCK_FILE } from '../storage/level/library'

/** The refusal of an opening, with the process that has the store open where the system tells. */
export function lockedBy({ directory }: Location, refusal: unknown): unknown {
  const holder = describeHolder(joinPath(directory, DATA_DIRECTORY, LOCK_FILE))
  if (holder === undefined) return refusal
  const { message, cause } = refusal as Error
  return new SecretStoreError('ERR_LOCKED', `${message}: ${holder}`, { cause })
}
