import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { environmentWithoutKeys, runBeside } from './children'
import { refused } from './failure'
import { findProgram } from './find-program'
import type { Io } from './io'
import { childStdio } from './key-descriptors'
import type { KeyFlags } from './keys'
import type { Output } from './output'
import { writePrivateFile } from './private-file'
import { variableOf } from './raw-bytes'

/** An editor that has ended before has most likely left its window open and not waited for it. */
const SOON_MS = 1000

export interface Edited {
  readonly bytes: Uint8Array
  /** The editor has ended at once. */
  readonly isSoon: boolean
}

/**
 * Has somebody edit bytes in the editor of their choice, in a private file that is wiped whatever happens.
 *
 * @throws {Failure} If the editor cannot be run, or fails. @throws {Interrupted} If a signal ends the program meanwhile.
 */
export async function editBytes(io: Io, output: Output, flags: KeyFlags, bytes: Uint8Array): Promise<Edited> {
  const named = variableOf(io, 'VISUAL') ?? variableOf(io, 'EDITOR')
  const editor = named ?? (process.platform === 'win32' ? 'notepad' : 'vi')
  const file = writePrivateFile(bytes, io.env)
  try {
    if (!file.isInMemory) {
      await output.note(
        'note: this system has no place for files in memory; the payload is on the disk while it is edited',
      )
    }
    const start = io.now()
    const [program, args] = commandOf(editor, file.path, io.env)
    const { code, interrupted } = await runBeside(io, program, args, {
      env: environmentWithoutKeys(io.env),
      stdio: childStdio(flags),
      // cmd.exe takes its own quotes.
      windowsVerbatimArguments: process.platform === 'win32',
    })
    if (interrupted !== undefined) throw interrupted
    if (code === 127 || code === 126) {
      const why = code === 127 ? 'there is no such program' : 'it cannot be run'
      throw refused(`editor '${editor}': ${why}; nothing was changed`, 'VISUAL or EDITOR names the editor')
    }
    if (code !== 0) throw refused(`editor '${editor}': it has failed (exit code ${code}); nothing was changed`)
    return { bytes: await file.read(), isSoon: io.now() - start < SOON_MS }
  } finally {
    file.wipe()
  }
}

/** As git runs an editor: by the shell, so that it may have arguments and quotes (`code --wait`). */
function commandOf(editor: string, path: string, env: Io['env']): [program: string, args: string[]] {
  if (process.platform === 'win32') {
    return [env['ComSpec'] ?? 'cmd.exe', ['/d', '/s', '/c', `"${editor} "${path}""`]]
  }
  const more = isVim(editor, env) ? VIM_KEEPS_NOTHING : []
  // In the place of the shell, so that a signal for it reaches it; not if there are several commands.
  const start = /[;&|\n]/.test(editor) ? '' : /^\s*\w+=/.test(editor) ? 'exec env ' : 'exec '
  return ['/bin/sh', ['-c', `${start}${editor} "$@"`, editor, ...more, path]]
}

/** No swap file, no file of what was copied and searched, no backup, no undo file, wherever the settings put them. */
const VIM_KEEPS_NOTHING = ['-n', '-i', 'NONE', '-c', 'set nobackup nowritebackup noundofile']

/** By its name, or by that of the file which it leads to: `vi` and `editor` may be vim. */
function isVim(editor: string, env: Io['env']): boolean {
  const program = programOf(editor)
  const found = findProgram(program, env['PATH'])
  const names = [program, ...(found === undefined ? [] : [realpathSync(found)])]
  return names.some((path) => /^(?:[gmnr]?vim|vimx)(?:\.\w+)?$/.test(basename(path)))
}

/** The word that names the program: not `NAME=value`, nor `env` and its options. */
function programOf(editor: string): string {
  const words = [...editor.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word)
  let afterEnv = false
  for (const word of words) {
    if (/^\w+=/.test(word) || (afterEnv && word.startsWith('-'))) continue
    const program = word.replaceAll(/["']/g, '')
    if (basename(program) !== 'env') return program
    afterEnv = true
  }
  return ''
}
