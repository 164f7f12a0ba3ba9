import { toBase64url } from '../../base/bytes'
import { systemRandom } from '../../crypto/random'
import { DATA_DIRECTORY, KEYRING_FILE } from '../../format/constants'
import { directoryIdentity, joinPath, status } from '../../platform/files'
import { unsafeFolderAbove } from '../../platform/folders'
import { makeDirectory, makeSibling, moveDirectory, syncDirectory, writeNewFile } from '../../platform/new-files'
import type { Engine } from '../engine'
import { LevelEngine } from '../level/engine'
import { checkSafe, type Location, unsafe } from './location'
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
    await checkFolders(location)
    const sibling = await makeSibling(location.directory, `creating-${toBase64url(systemRandom(9))}`)
    let moved = false
    try {
      const identity = await directoryIdentity(sibling.path)
      await checkPrivate(sibling.path, location)
      await writeNewFile(joinPath(sibling.path, KEYRING_FILE), keyringFile)
      await makeDirectory(joinPath(sibling.path, DATA_DIRECTORY))
      await checkPrivate(joinPath(sibling.path, DATA_DIRECTORY), location)
      if ((await directoryIdentity(sibling.path)) !== identity) {
        throw unsafe('location', 'the directory that was made a moment ago', 'another one in its place')
      }
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

/** Whoever can exchange what lies in a folder above could have any file of this user overwritten. */
export async function checkFolders({ directory, allowUnsafe }: Location): Promise<void> {
  const folder = allowUnsafe ? undefined : await unsafeFolderAbove(directory)
  if (folder === undefined) return
  const got =
    folder.why === 'foreign'
      ? `${folder.path}, which belongs to another user (choose another place, or allowUnsafeLocation)`
      : `${folder.path}, which others may write to (chmod go-w it, choose another place, or allowUnsafeLocation)`
  throw unsafe('location', "folders above it that are this user's or root's, and writable by nobody else", got)
}

/** Before anything is in it: a file system may know no owners and no modes, or somebody was faster. */
async function checkPrivate(path: string, { allowUnsafe }: Location): Promise<void> {
  const made = await status(path)
  if (made.kind !== 'directory') throw unsafe('location', 'the directory that was made a moment ago', `a ${made.kind}`)
  checkSafe('location', made, 'directory', allowUnsafe)
  if (made.writableByOthers && !allowUnsafe) {
    throw unsafe(
      'location',
      'a file system that keeps modes',
      'one on which others may write to all (allowUnsafeLocation)',
    )
  }
}

async function fillData(directory: string, fill: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await LevelEngine.open(directory, { create: true })
  try {
    await fill(engine)
  } finally {
    await engine.close()
  }
}
