import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Where a program is, as the system looks for it: a name with a slash is a path, and an empty folder of the list is the
 * current one.
 *
 * @param path - The value of PATH, if there is one.
 * @returns `undefined` if no file of this name can be run.
 */
export function findProgram(name: string, path = '/bin:/usr/bin'): string | undefined {
  if (name === '') return undefined
  if (name.includes('/')) return isProgram(name) ? name : undefined
  return path
    .split(delimiter)
    .map((folder) => join(folder || '.', name))
    .find(isProgram)
}

/** Whether it is a file that can be run, and no folder. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
