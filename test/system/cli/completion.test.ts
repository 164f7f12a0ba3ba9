import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { environment, run, SHELL_COMMAND } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

// Each script in its own shell, with somebody at the keyboard: what is typed and not entered must not run.

const pty = await import('@lydell/node-pty').catch(() => undefined)

/** Why a shell's tests do not run, or `undefined`. */
function missing(shell: string): string | undefined {
  if (pty === undefined) return 'no pseudo-terminal for this platform'
  return spawnSync(shell, ['--version']).status === 0 ? undefined : `no ${shell} on this machine`
}

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  const bin = join(directory, 'bin')
  await mkdir(bin)
  // Says what it was called with, but for completion itself.
  await writeFile(
    join(bin, 'secret-store'),
    `#!/bin/sh\ncase $1 in completion|complete) exec ${SHELL_COMMAND} "$@";; esac\nprintf '<%s>' "$@"; echo\n`,
  )
  await chmod(join(bin, 'secret-store'), 0o755)
  await mkdir(join(directory, 'work', 'folder'), { recursive: true })
  await writeFile(join(directory, 'work', 'document.env'), '')
  env = environment({ HOME: directory, TERM: 'dumb', PATH: `${bin}:${process.env['PATH']}` })
})

const SHELLS: Record<string, { readonly args: string[]; readonly setUp: string }> = {
  bash: {
    args: ['--norc', '--noprofile', '-i'],
    setUp: "bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'",
  },
  // TAB alone, without zsh's own expansion of every `$(…)` that is there before a completion is asked for.
  zsh: {
    args: ['-f', '-i'],
    setUp:
      'unsetopt beep prompt_cr prompt_sp zle_bracketed_paste; PS1=; autoload -Uz compinit; compinit -u -D; bindkey "^I" complete-word',
  },
}

/** A shell with the script, sourced twice, in a directory with a file and a folder. */
class Shell {
  readonly #pty: import('@lydell/node-pty').IPty
  #text = ''
  #changed: () => void = () => {}
  #marks = 0

  constructor(name: string) {
    if (pty === undefined) throw new Error('no pseudo-terminal')
    const { args } = SHELLS[name] as (typeof SHELLS)[string]
    this.#pty = pty.spawn(name, args, { cols: 200, rows: 60, env, cwd: join(directory, 'work') })
    this.#pty.onData((text) => {
      this.#text += text
      this.#changed()
    })
  }

  /** Types this and Enter, waits for the prompt after it. @returns What was shown. */
  async enter(keys: string): Promise<string> {
    const from = this.#text.length
    this.#marks++
    // What is typed has the mark in two parts, what is shown has it in one.
    this.#pty.write(`${keys}\r`)
    this.#pty.write(`echo 'mark''-${this.#marks}'\r`)
    while (!this.#text.includes(`mark-${this.#marks}`)) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    return this.#text.slice(from)
  }

  end(): void {
    this.#pty.kill('SIGKILL')
  }
}

async function withShell(name: string, work: (shell: Shell) => Promise<void>): Promise<void> {
  const { stdout } = await run(['completion', name], { env })
  await writeFile(join(directory, 'script'), stdout)
  const shell = new Shell(name)
  try {
    await shell.enter(SHELLS[name]?.setUp ?? '')
    await shell.enter(`source ${directory}/script`)
    const again = await shell.enter(`source ${directory}/script`)
    expect(again).not.toMatch(/readonly|not found|error/i)
    await work(shell)
  } finally {
    shell.end()
  }
}

const hostile = (): string[] => {
  const touch = `touch ${directory}/was-run`
  return [
    `$(${touch})`,
    `"$(${touch})"`,
    `\`${touch}\``,
    `"\`${touch}\`"`,
    `';${touch};'`,
    `$(${touch})/`,
    `\${x:=$(${touch})}`,
  ]
}
const PLACES = ['get', 'set name --from-file', '--store', 'run --', 'run -- ls', 'init --kdf', '']

describe.each(Object.keys(SHELLS))('%s', (name) => {
  const reason = missing(name)

  test.skipIf(reason !== undefined)(
    `runs nothing that is typed and not entered${reason ? ` (${reason})` : ''}`,
    async () => {
      await withShell(name, async (shell) => {
        for (const place of PLACES) {
          for (const word of hostile()) {
            // TAB after the word, within it, and after it with a space; then the line is given up.
            await shell.enter(`secret-store ${place} ${word}\t\x15`)
            await shell.enter(`secret-store ${place} ${word} \t\x15`)
            expect(await readdir(directory), `${place} ${word}`).not.toContain('was-run')
          }
        }
      })
    },
  )

  test.skipIf(reason !== undefined)(
    `completes commands, options, choices and files${reason ? ` (${reason})` : ''}`,
    async () => {
      await withShell(name, async (shell) => {
        const completed = async (keys: string): Promise<string> => /<.*>/.exec(await shell.enter(keys))?.[0] ?? ''
        expect(await completed('secret-store rot\t')).toBe('<rotate>')
        expect(await completed('secret-store list --star\t')).toBe('<list><--starting-after>')
        expect(await completed('secret-store get x --key-f\t')).toBe('<get><x><--key-file>')
        expect(await completed('secret-store init --kdf arg\t')).toBe('<init><--kdf><argon2id>')
        expect(await completed('secret-store import doc\t')).toBe('<import><document.env>')
        expect(await completed('secret-store set x --from-file doc\t')).toBe('<set><x><--from-file><document.env>')
        expect(await completed('secret-store get x --key-file=doc\t')).toBe('<get><x><--key-file=document.env>')
        expect(await completed('secret-store --store f\t')).toMatch(/^<--store><folder\/?>$/)
        expect(await completed('secret-store run -- mkfif\t')).toBe('<run><--><mkfifo>')
        expect(await completed('secret-store run -- cat doc\t')).toBe('<run><--><cat><document.env>')
        expect(await completed('secret-store get doc\t')).toBe('<get><doc>')
      })
    },
  )
})

describe('fish', () => {
  const reason = missing('fish')
  const fish = (line: string): string[] => {
    const text = execFileSync(
      'fish',
      [
        '--no-config',
        '-c',
        'source $argv[1]; source $argv[1]; complete --do-complete $argv[2]',
        join(directory, 'script'),
        line,
      ],
      { env, cwd: join(directory, 'work'), encoding: 'utf8' },
    )
    return text
      .trimEnd()
      .split('\n')
      .map((each) => each.split('\t')[0] as string)
  }

  test.skipIf(reason !== undefined)(
    `runs nothing that is typed and not entered${reason ? ` (${reason})` : ''}`,
    async () => {
      await writeFile(join(directory, 'script'), (await run(['completion', 'fish'], { env })).stdout)
      const words = [...hostile(), `(touch ${directory}/was-run)`, `"(touch ${directory}/was-run)"/`]
      for (const place of PLACES.filter((_, index) => index % 2 === 0)) {
        for (const word of words) {
          fish(`secret-store ${place} ${word}`)
          fish(`secret-store ${place} ${word} `)
          expect(await readdir(directory), `${place} ${word}`).not.toContain('was-run')
        }
      }
    },
  )

  test.skipIf(reason !== undefined)(
    `completes commands, options, choices and files${reason ? ` (${reason})` : ''}`,
    async () => {
      await writeFile(join(directory, 'script'), (await run(['completion', 'fish'], { env })).stdout)
      expect(fish('secret-store rot')).toEqual(['rotate'])
      expect(fish('secret-store list --star')).toEqual(['--starting-after'])
      expect(fish('secret-store get x --key-f')).toEqual(['--key-file'])
      expect(fish('secret-store init --kdf arg')).toEqual(['argon2id'])
      expect(fish('secret-store import doc')).toEqual(['document.env'])
      expect(fish('secret-store get x --key-file=doc')).toEqual(['--key-file=document.env'])
      expect(fish('secret-store --store f')).toEqual(['folder/'])
      expect(fish('secret-store run -- mkfif')).toEqual(['mkfifo'])
      expect(fish('secret-store run -- cat doc')).toContain('document.env')
      expect(fish('secret-store get doc')).toEqual([''])
    },
  )
})
