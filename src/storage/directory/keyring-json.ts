import { equal } from '../../base/bytes'
import { SecretStoreError } from '../../errors'
import { KEYRING_FILE, STAGED_KEYRING_FILE } from '../../format/constants'
import { joinPath, removeFile } from '../../platform/files'
import { replaceFile, writeNewFile } from '../../platform/new-files'
import { type Location, readKeyring } from './location'
import { system } from './system-errors'

/** Where keyring.json is kept while the store is open. */
export interface KeyringStorage {
  /** `undefined` for a store that dies with the process. */
  readonly location: Location | undefined
  /** As it was last read or written. */
  bytes: Uint8Array
}

/** Whether it is still there as it was last read or written. @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_IO`, … */
export async function isUnchanged({ location, bytes }: KeyringStorage): Promise<boolean> {
  return location === undefined || equal(await readKeyring(location), bytes)
}

/**
 * Writes the next keyring.json beside the one that counts.
 *
 * @throws {SecretStoreError} `ERR_IO`, `ERR_LOCKED`; then nothing has changed.
 */
export async function stageKeyring(storage: KeyringStorage, bytes: Uint8Array): Promise<void> {
  // Whoever else wrote it may have put keys there that rows depend on.
  if (!(await isUnchanged(storage))) {
    throw new SecretStoreError('ERR_LOCKED', 'keyring.json: expected it as it was last written, got another')
  }
  const { location } = storage
  if (location === undefined) return
  await system('location', async () => {
    const staged = joinPath(location.directory, STAGED_KEYRING_FILE)
    await removeFile(staged)
    try {
      await writeNewFile(staged, bytes)
    } catch (error) {
      await removeFile(staged).catch(() => {})
      throw error
    }
  })
}

/**
 * Puts the staged file in the place of keyring.json. It is one or the other at any time, and on disk at the end; if this
 * throws, either may be there.
 *
 * @param bytes - What was staged.
 */
export async function installKeyring(storage: KeyringStorage, bytes: Uint8Array): Promise<void> {
  const { location } = storage
  if (location !== undefined) {
    const { directory } = location
    await system('location', () =>
      replaceFile(joinPath(directory, STAGED_KEYRING_FILE), joinPath(directory, KEYRING_FILE)),
    )
  }
  storage.bytes = bytes
}
