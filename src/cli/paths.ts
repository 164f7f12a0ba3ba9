import { lstatSync, statSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { usage } from './failure'
import type { Io } from './io'
import { variableOf } from './raw-bytes'

type Surroundings = Pick<Io, 'env' | 'given'>

/** The names of arguments and of options' values that are paths, as `--help` shows them. */
const PATHS: readonly string[] = ['file', 'dir', 'destination']

/**
 * Puts the user's home in the place of a `~` that no shell has expanded, in every option and argument that is a path. A
 * shell leaves `--store=~/x` as it is, and quotes do.
 *
 * @param given - The arguments of the command.
 * @returns The arguments, with their paths.
 * @throws {Failure} If it is not certain which path is meant.
 */
export function expandPaths(io: Surroundings, command: Command, given: readonly unknown[]): unknown[] {
  for (let each: Command | null = command; each !== null; each = each.parent) {
    for (const option of each.options) {
      const key = option.attributeName()
      const value: unknown = each.getOptionValue(key)
      const isPath = typeof value === 'string' && PATHS.includes(/<([\w-]+)>$/.exec(option.flags)?.[1] ?? '')
      if (isPath) each.setOptionValue(key, pathOf(io, value, option.long ?? option.flags))
    }
  }
  const names = command.registeredArguments.map((argument) => argument.name())
  return given.map((value, index) => {
    const name = names[index]
    if (name === undefined || typeof value !== 'string' || !PATHS.includes(name)) return value
    return pathOf(io, value, `<${name}>`)
  })
}

/**
 * A path as it is meant.
 *
 * @param label - For messages: the option, the argument or the variable.
 * @throws {Failure} For the home of another user, and if there is a file of that name: then either may be meant.
 */
export function pathOf(io: Surroundings, text: string, label: string): string {
  // A variable that is not set, most likely, and not the store that is there without it.
  if (text === '') throw usage(`${label}: expected a path, got nothing`)
  if (!text.startsWith('~')) return text
  const [first = '', ...rest] = text.split(process.platform === 'win32' ? /[/\\]/ : '/')
  const isHome = first === '~'
  if (!isHome || exists(first)) {
    const other = isHome ? `; for the one in your home, ${join(homeOf(io), ...rest)}` : ''
    const hint = `for a file of that name here say ./${text}${other || "; for somebody's home give its whole path"}`
    throw usage(`${label}: expected a path without ~, got '${text}'`, hint)
  }
  return join(homeOf(io), ...rest)
}

/** Where the store of this user is, by the convention of the system. @throws {Failure} If there is no home. */
export function defaultLocation(io: Surroundings, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return join(homeOf(io), 'Library', 'Application Support', NAME)
  if (platform === 'win32') {
    return join(absolute(io, 'LOCALAPPDATA') ?? join(homeOf(io), 'AppData', 'Local'), NAME, 'Data')
  }
  return join(absolute(io, 'XDG_DATA_HOME') ?? join(homeOf(io), '.local', 'share'), NAME)
}

const NAME = 'secret-store'
const NAME_IT = 'name the store with --store or SECRET_STORE'

/** The home of the user. Without HOME, as in services, it is the one that the system has for the user. */
function homeOf(io: Surroundings): string {
  if (process.platform === 'win32') return homedir()
  const given = io.env['HOME'] === '' ? '' : (absolute(io, 'HOME') ?? ofSystem())
  if (given === '') throw usage('HOME: expected the path of your home, got nothing', NAME_IT)
  return given
}

function ofSystem(): string {
  try {
    const { homedir } = userInfo()
    return isAbsolute(homedir) && statSync(homedir).isDirectory() ? homedir : ''
  } catch {
    return ''
  }
}

/** @returns `undefined` if it is not there or empty. @throws {Failure} For a path that depends on where one is. */
function absolute(io: Surroundings, name: string): string | undefined {
  const value = variableOf(io, name)
  if (value === undefined || isAbsolute(value)) return value
  throw usage(`${name}: expected a path from the root, got '${value}'`, NAME_IT)
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Whether there is anything at a place but an empty directory. */
export async function isOccupied(location: string): Promise<boolean> {
  try {
    return (await readdir(location)).length > 0
  } catch {
    // What is there and is no directory is for the store to judge.
    const isNothing = ({ code = '' }: NodeJS.ErrnoException): boolean => ['ENOENT', 'ENOTDIR'].includes(code)
    return lstat(location).then(
      () => true,
      (error) => !isNothing(error),
    )
  }
}
