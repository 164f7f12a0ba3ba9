import type { Level } from 'level'
import { loadWithEncoders } from '../../platform/text'
import { noBinary } from './errors'

export type { Level }

/** Who opens a database holds a lock on it as long as it is open. */
export const LOCK_FILE = 'LOCK'

/**
 * LevelDB, loaded with the first store on disk: an app that lacks the native binary learns then what to do, and stores in
 * memory need none.
 *
 * @throws {SecretStoreError} `ERR_NO_BINARY`.
 */
export async function loadLevel(): Promise<typeof import('level')> {
  try {
    return await loadWithEncoders(() => import('level'))
  } catch (cause) {
    throw noBinary(cause)
  }
}
