import { toBase64url } from '../../base/bytes'
import { systemRandom } from '../../crypto/random'
import { DATA_DIRECTORY, KEYRING_FILE } from '../../format/constants'
import { joinPath } from '../../platform/files'
import { makeSibling, moveDirectory, syncDirectory, writeNewFile } from '../../platform/new-files'
import type { Engine } from '../engine'
import { LevelEngine } from '../level/engine'
import type { Location } from './location'
import { system } from './system-errors'

/**
 * Builds a store beside its location and gives it its name when it is whole, so that half of one never exists.
 *
 * @param fill - Writes all rows of the store, the head among them.
 * @returns `false` if another creator was faster; its store is left alone.
 */
export async function buildStore(
  location: Location,
  keyringFile: Uint8Array,
  fill: (engine: Engine) => Promise<void>,
): Promise<boolean> {
  return system('location', async () => {
    const sibling = await makeSibling(location.directory, `creating-${toBase64url(systemRandom(9))}`)
    let moved = false
    try {
      await writeNewFile(joinPath(sibling.path, KEYRING_FILE), keyringFile)
      await fillData(joinPath(sibling.path, DATA_DIRECTORY), fill)
      await syncDirectory(joinPath(sibling.path, DATA_DIRECTORY))
      await syncDirectory(sibling.path)
      moved = await moveDirectory(sibling.path, location.directory)
    } finally {
      if (!moved) await sibling.remove()
    }
    return moved
  })
}

async function fillData(directory: string, fill: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await LevelEngine.open(directory, { create: true })
  try {
    await fill(engine)
  } finally {
    await engine.close()
  }
}
