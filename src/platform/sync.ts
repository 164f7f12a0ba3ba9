import { fsync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

/**
 * Puts what was written to a file, or a directory's entries, on disk. It goes by the descriptor, since the file handles of
 * Yarn's Plug'n'Play have no `sync`.
 */
export function syncHandle(file: FileHandle): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(file.fd, (error) => (error ? reject(error) : resolve()))
  })
}
