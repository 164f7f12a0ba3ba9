import { codeOf } from '../base/thrown'
import type { OpenSettings } from '../input/options'
import { joinPath } from '../platform/files'
import { isLockedByAnybody } from '../platform/locks-of-others'
import type { Location } from '../storage/directory/location'
import { listeningOwner } from '../storage/directory/owner-json'
import { lockLost } from '../storage/level/errors'
import { LOCK_FILE } from '../storage/level/library'

const LOOK_MS = 25
const MOST_PAUSE_MS = 1000

/**
 * `whenFree` of a store's files.
 *
 * @param data - The directory that LevelDB has.
 */
export function whenStoreFree<T>(
  { directory }: Location,
  data: string,
  { readOnly, shared, waitMs, signal }: Pick<OpenSettings, 'readOnly' | 'shared' | 'waitMs' | 'signal'>,
  open: () => Promise<T>,
): Promise<T | undefined> {
  const isSharedByOther = async (): Promise<boolean> => (await listeningOwner(directory)) !== undefined
  return whenFree(joinPath(data, LOCK_FILE), waitMs, open, readOnly || shared ? isSharedByOther : undefined, signal)
}

/**
 * Opens files that another process may have open, as soon as they are free. Where the system tells who holds a lock (Linux,
 * Windows), nothing is opened before: a refused opening of LevelDB empties the LOG of whoever holds it, in which it tells of
 * damage. Elsewhere it is tried again at growing intervals.
 *
 * @param lock - Path of LevelDB's LOCK, which is not opened.
 * @param waitMs - After so long it is not waited for any more; the last attempt comes then.
 * @param isShared - Looks whether somebody shares them: then they are not waited for.
 * @param signal - Ends the wait.
 * @returns `undefined` if somebody shares them.
 * @throws {SecretStoreError} `ERR_LOCKED` after `waitMs`.
 */
export async function whenFree<T>(
  lock: string,
  waitMs: number,
  open: () => Promise<T>,
  isShared: () => Promise<boolean> = async () => false,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const end = performance.now() + waitMs
  for (let pauseMs = LOOK_MS; ; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
    for (;;) {
      signal?.throwIfAborted()
      if (await isShared()) return undefined
      if (!isLockedByAnybody(lock)) break
      if (performance.now() >= end) throw lockLost('another one')
      await pause(LOOK_MS)
    }
    try {
      return await open()
    } catch (error) {
      if (codeOf(error) !== 'ERR_LOCKED' || performance.now() >= end) throw error
    }
    await pause(Math.min(pauseMs, Math.max(0, end - performance.now())))
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
