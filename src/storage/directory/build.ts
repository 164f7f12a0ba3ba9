import { toBase64url } from '../../base/bytes'
import type { Random } from '../../crypto/random'
import { DATA_DIRECTORY, KEYRING_FILE } from '../../format/constants'
import { joinPath } from '../../platform/files'
import { makeSibling, moveDirectory, syncDirectory, writeNewFile } from '../../platform/new-files'
import type { Location } from './location'
import { system } from './system-errors'

/**
 * Builds a store beside its location and gives it its name when it is whole, so that half of one never exists.
 *
 * @param build - Fills the data directory at the path it is given.
 * @returns `false` if another creator was faster; its store is left alone.
 */
export async function create(
  location: Location,
  keyringFile: Uint8Array,
  build: (dataDirectory: string) => Promise<void>,
  random: Random,
): Promise<boolean> {
  return system('location', async () => {
    const sibling = await makeSibling(location.directory, `creating-${toBase64url(random(9))}`)
    let moved = false
    try {
      await writeNewFile(joinPath(sibling.path, KEYRING_FILE), keyringFile)
      await build(joinPath(sibling.path, DATA_DIRECTORY))
      await syncDirectory(joinPath(sibling.path, DATA_DIRECTORY))
      await syncDirectory(sibling.path)
      moved = await moveDirectory(sibling.path, location.directory)
    } finally {
      if (!moved) await sibling.remove()
    }
    return moved
  })
}
