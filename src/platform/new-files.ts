import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf } from '../base/thrown'
import { openAttempts, PRIVATE_DIRECTORY, removeFile, removeTree, status, unless } from './files'
import { syncHandle } from './sync'

/** How files and directories come into being, and get their names: whole, or not at all. */

const PRIVATE_FILE = 0o600
const LONGEST_NAME_BYTES = 255

/** A new directory, for the owner alone. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: PRIVATE_DIRECTORY })
}

/** Creates a file that must not exist yet, for the owner alone, on disk when it resolves. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_FILE)
  try {
    await file.writeFile(bytes)
    await syncHandle(file)
  } finally {
    await file.close()
  }
}

/** A file that comes into being whole, or not at all. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>
  /** Gives it its name, on disk when it resolves; `EEXIST` if something has that name by now. */
  close(): Promise<void>
  /** Removes what was written. */
  abort(): Promise<void>
}

/** Writes a file under another name beside its own, for the owner alone. `EEXIST` if something has its name already. */
export async function newFile(path: string): Promise<NewFile> {
  const target = resolve(path)
  if ((await status(target)).kind !== 'absent') throw existing(target)
  // Not its own name and more: that may be as long as names can be.
  const partial = join(dirname(target), `.secret-store-${randomBytes(8).toString('hex')}.partial`)
  const file = await open(partial, 'wx', PRIVATE_FILE)
  let removal: Promise<void> | undefined
  const remove = async (): Promise<void> => {
    await file.close().catch(() => {})
    await retry(() => removeFile(partial))
  }
  return {
    async write(bytes) {
      await file.appendFile(bytes)
    },
    async close() {
      await syncHandle(file)
      await file.close()
      await nameFile(partial, target)
    },
    // Once for all callers: on Windows a second removal fails while the first is under way.
    abort() {
      removal ??= remove()
      return removal
    },
  }
}

/** Renames without ever taking the place of another file, where the file system can link. */
async function nameFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (isExisting(error)) throw error
    if ((await status(to)).kind !== 'absent') throw existing(to)
    await rename(from, to)
  }
  try {
    await syncDirectory(dirname(to))
  } catch (error) {
    await removeFile(to)
    throw error
  }
  await removeFile(from).catch(() => {})
}

function existing(path: string): Error {
  return Object.assign(new Error(`EEXIST: file already exists, '${path}'`), { code: 'EEXIST', syscall: 'open', path })
}

function isExisting(error: unknown): boolean {
  return codeOf(error) === 'EEXIST'
}

/** Gives a file the name of another, whose place it takes. On disk when it resolves. */
export async function replaceFile(from: string, to: string): Promise<void> {
  await retry(() => rename(from, to))
  await syncDirectory(dirname(to))
}

/** Windows: other programs hold files open for moments, so what fails there is tried again. */
async function retry(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= openAttempts) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/**
 * A new, private directory beside `target`, on the same file system.
 *
 * @returns Its path, and a way to remove it, with the directories above it that were not there before.
 */
export async function makeSibling(
  target: string,
  suffix: string,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const parent = dirname(target)
  const topmost = await mkdir(parent, { recursive: true, mode: PRIVATE_DIRECTORY })
  const name = `.${basename(target)}.${suffix}`
  const path = join(parent, Buffer.byteLength(name) > LONGEST_NAME_BYTES ? `.${suffix}` : name)
  await mkdir(path, { mode: PRIVATE_DIRECTORY })
  const remove = async (): Promise<void> => {
    await removeTree(path)
    // Only what is empty: somebody else may have begun to use them.
    let above = parent
    while (topmost !== undefined && above.length >= topmost.length) {
      try {
        await rmdir(above)
      } catch {
        return
      }
      above = dirname(above)
    }
  }
  return { path, remove }
}

/**
 * Gives a finished directory its name, on disk when it resolves.
 *
 * @returns `false` if something that is not an empty directory already has that name.
 */
export async function moveDirectory(from: string, to: string): Promise<boolean> {
  const isWindows = process.platform === 'win32'
  // POSIX renames over an empty directory, Windows does not.
  if (isWindows) await rmdir(to).catch(() => {})
  const renamed = rename(from, to).then(() => true)
  if (!(await unless(renamed, 'ENOTEMPTY', 'EEXIST', ...(isWindows ? ['EPERM'] : [])))) return false
  await syncDirectory(dirname(to))
  return true
}

/** Puts a directory's entries on disk. Windows cannot, and does not need to. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, constants.O_RDONLY)
  try {
    await syncHandle(directory)
  } finally {
    await directory.close()
  }
}
