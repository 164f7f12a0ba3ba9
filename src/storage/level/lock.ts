import { SecretStoreError } from '../../errors'
import { joinPath } from '../../platform/files'
import { isLockedByAnybody } from '../../platform/locks-of-others'
import { system } from '../directory/system-errors'
import { LOCK_FILE } from './library'

/** @throws {SecretStoreError} `ERR_LOCKED` if anybody has the database open, as far as the system tells. */
export async function expectUnlocked(directory: string): Promise<void> {
  const isLocked = await system('data', async () => isLockedByAnybody(joinPath(directory, LOCK_FILE)))
  if (isLocked) throw new SecretStoreError('ERR_LOCKED', 'store: expected nobody to have it open, got an opener')
}
