import { isClaimed } from '../storage/directory/location'
import { lockLost } from '../storage/level/errors'
import { type RowsInFiles, rowsInFiles } from '../storage/level/files/rows'
import { expectUnlocked } from '../storage/level/lock'

/**
 * All rows of a database that nobody has open, without opening it.
 *
 * @throws {SecretStoreError} `ERR_LOCKED`, `ERR_CORRUPT`, `ERR_IO`.
 */
export async function rowsToRead(directory: string): Promise<RowsInFiles> {
  if (await isClaimed(directory)) throw lockLost('another in this process')
  await expectUnlocked(directory)
  const found = await rowsInFiles(directory)
  await expectUnlocked(directory)
  return found
}
