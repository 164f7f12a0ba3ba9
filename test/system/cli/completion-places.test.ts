import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { PLACES } from '../../../src/cli/completion/scripts'
import { environment, SHELL_COMMAND } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

// Each way that `completion` names leads to a shell that completes.

const BASH_COMPLETION = '/usr/share/bash-completion/bash_completion'

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  await mkdir(join(directory, 'bin'))
  const program = join(directory, 'bin', 'secret-store')
  await writeFile(program, `#!/bin/sh\nexec ${SHELL_COMMAND} "$@"\n`)
  await chmod(program, 0o755)
  env = environment({ HOME: directory, TERM: 'dumb', PATH: `${join(directory, 'bin')}:${process.env['PATH']}` })
})

function without(shell: string, file?: string): string | undefined {
  if (spawnSync(shell, ['--version']).status !== 0) return `no ${shell} on this machine`
  return file === undefined || existsSync(file) ? undefined : `no ${file} on this machine`
}

function said(shell: string, ...args: string[]): string {
  return execFileSync(shell, args, { env, cwd: directory, encoding: 'utf8' }).trim()
}

/** Does what the way says in a shell of POSIX: makes the file, in a folder that is there. */
async function install(way: string | undefined): Promise<void> {
  const [, path = ''] = />~\/(\S+)/.exec(way ?? '') ?? []
  expect(path).not.toBe('')
  await mkdir(dirname(join(directory, path)), { recursive: true })
  said('bash', '-c', way as string)
  expect(existsSync(join(directory, path))).toBe(true)
}

const bash = without('bash')
const bashFiles = without('bash', BASH_COMPLETION)
const zsh = without('zsh')
const fish = without('fish')
const named = (what: string, reason: string | undefined): string => (reason ? `${what} (skipped: ${reason})` : what)

describe('bash', () => {
  test.skipIf(bashFiles !== undefined)(named('finds the file', bashFiles), async () => {
    await install(PLACES.bash[0])
    const load =
      'if declare -F _comp_load >/dev/null; then _comp_load secret-store; else _completion_loader secret-store; fi'
    expect(said('bash', '--norc', '-c', `. ${BASH_COMPLETION}; ${load}; complete -p secret-store`)).toBe(
      'complete -F _secret_store secret-store',
    )
  })

  test.skipIf(bash !== undefined)(named('takes the line', bash), () => {
    expect(said('bash', '--norc', '-c', `${PLACES.bash[1]}\ncomplete -p secret-store`)).toBe(
      'complete -F _secret_store secret-store',
    )
  })
})

describe('zsh', () => {
  const COMPINIT = 'autoload -Uz compinit; compinit -u -D'

  test.skipIf(zsh !== undefined)(named('finds the file', zsh), async () => {
    await install(PLACES.zsh[0]?.replace(/ {2}#.*/, ''))
    expect(PLACES.zsh[0]).toContain('fpath+=~/.zfunc before compinit')
    expect(said('zsh', '-f', '-c', `fpath+=~/.zfunc; ${COMPINIT}; print $_comps[secret-store]`)).toBe('_secret-store')
  })

  test.skipIf(zsh !== undefined)(named('takes the line', zsh), () => {
    const line = PLACES.zsh[1]?.replace(/ {2}#.*/, '')
    expect(said('zsh', '-f', '-c', `${COMPINIT}; ${line}; print $_comps[secret-store]`)).toBe('_secret_store')
  })
})

describe('fish', () => {
  const ASK = 'complete --do-complete "secret-store rot"'

  test.skipIf(fish !== undefined)(named('finds the file', fish), async () => {
    await install(PLACES.fish[0])
    expect(said('fish', '-c', ASK)).toMatch(/^rotate\t/)
  })

  test.skipIf(fish !== undefined)(named('takes the line', fish), () => {
    expect(said('fish', '--no-config', '-c', `${PLACES.fish[1]}\n${ASK}`)).toMatch(/^rotate\t/)
  })
})
