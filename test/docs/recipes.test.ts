import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { EXAMPLES } from '../../src/cli/help-texts'
import { passphrase, rawKey, SecretStore } from '../../src/index'
import { environment, SHELL_COMMAND } from '../support/cli-program'
import { fromRoot } from '../support/paths'
import { withModuleUrls } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'

// Each recipe of docs/cli.md, as it stands there, in a place of its own. What stands in for other programs is named.

const PAGE = await readFile(fromRoot('docs/cli.md'), 'utf8')
const KEY = new Uint8Array(32).fill(7)
const account = { type: 'account' } as const

interface Recipe {
  readonly title: string
  /** Each block of code, under the word that says what it is. */
  readonly blocks: readonly (readonly [language: string, code: string])[]
}

function recipes(page: string): Recipe[] {
  const [, section = ''] = /^## Recipes\n(.*?)^## /ms.exec(page) ?? []
  return section
    .split(/^### /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf('\n')),
      blocks: [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
        ([, language = '', code = '']) => [language, code] as const,
      ),
    }))
}

const RECIPES = recipes(PAGE)

/** A user's directory, and the directories of a system, in a folder of its own. */
let root: string
let env: Record<string, string>

beforeEach(async () => {
  root = await temporaryDirectory()
  for (const folder of ['bin', 'home/.ssh', 'etc/app', 'var/lib/app', 'var/backups', 'work/ci']) {
    await mkdir(join(root, folder), { recursive: true, mode: 0o700 })
  }
  await program('secret-store', `exec ${SHELL_COMMAND} "$@"`)
  const { PATH = '' } = process.env
  env = environment({ HOME: join(root, 'home'), PATH: `${join(root, 'bin')}:${PATH}`, TERM: 'dumb' })
})

/** A program, as a script of sh. */
async function program(name: string, script: string): Promise<void> {
  await writeFile(join(root, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

/** A store where the account has these secrets; the key file of the recipes opens it, and a passphrase if there is one. */
async function store(path: string, secrets: Readonly<Record<string, string>>, words?: string): Promise<void> {
  const place = join(root, path)
  await mkdir(dirname(place), { recursive: true, mode: 0o700 })
  await writeFile(join(root, 'etc/app/store.key'), KEY, { mode: 0o600 })
  const key = words === undefined ? rawKey(KEY) : passphrase(words, { N: 16_384 })
  const made = await SecretStore.open(place, { key })
  for (const [name, payload] of Object.entries(secrets)) await made.set({ scope: account, name, payload })
  await made.close()
}

/** A line of bash without a terminal, in the user's folder for work. @returns What it wrote. */
function bash(script: string, more: Readonly<Record<string, string>> = {}): string {
  const options = { cwd: join(root, 'work'), env: { ...env, ...more }, encoding: 'utf8', input: '' } as const
  const { status, stdout, stderr } = spawnSync('setsid', ['-w', 'bash', '-c', `set -e -o pipefail\n${script}`], options)
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`)
  return stdout + stderr
}

/** The absolute paths of a recipe, in the folder of this test. */
function here(text: string): string {
  return text
    .replaceAll(/(?<=[\s"'=:])\/(etc\/app|var\/lib\/app|var\/backups)/g, `${root}/$1`)
    .replaceAll('/usr/local/bin', join(root, 'bin'))
}

function needs(program: string, { skip }: TestContext): void {
  if (spawnSync(program, ['--version']).error !== undefined) skip(`no ${program} on this machine`)
}

/** With a passphrase in the environment, where the recipe would ask a person. */
const OPENED = { SECRET_STORE_PASSPHRASE: 'gibbon radish tundra' }
const DEFAULT = 'home/.local/share/secret-store'

type Check = (code: readonly string[], context: TestContext) => Promise<void>

const CHECKS: Readonly<Record<string, Check>> = {
  // npm stands in for a program that shows what it gets.
  'CI without a terminal': async ([code = '']) => {
    await program('npm', 'echo "$1 sees $DB_URL"')
    await store('first', { 'db.url': 'postgres://example' }, OPENED.SECRET_STORE_PASSPHRASE)
    bash(`secret-store backup ci/secrets.backup --store ${root}/first`, OPENED)
    const variables = { ...OPENED, RUNNER_TEMP: join(root, 'var') }
    expect(bash(code, variables)).toBe('test sees postgres://example\n')
    expect(() => bash(code, { RUNNER_TEMP: join(root, 'work') })).toThrow(/no key was given|no terminal/)
    const wrong = { RUNNER_TEMP: join(root, 'home'), SECRET_STORE_PASSPHRASE: 'wrong' }
    expect(() => bash(code, wrong)).toThrow(/^exit code 3/)
  },
  "A team's `.env`": async ([first = '', second = '']) => {
    await program('npm', 'echo "$1 sees $DB_URL and $GREETING"')
    await writeFile(join(root, 'work/.env'), "DB_URL=postgres://example\nGREETING='two words'\n")
    bash('git init -q')
    expect(bash(first)).toContain('imported: 2 created')
    expect(bash('git ls-files; ls -A')).toBe('secrets.backup\n.git\nci\nsecrets.backup\n')
    expect(bash(second)).toContain('start sees postgres://example and two words\n')
  },
  'A job of cron': async ([line = '']) => {
    await store('var/lib/app/secrets', { 'db.url': 'postgres://example', other: 'not this one' })
    await program('report', 'env | sort | grep -E "^(DB_URL|OTHER)="')
    expect(cron(line)).toBe('DB_URL=postgres://example\n')
    await writeFile(join(root, 'etc/app/store.key'), new Uint8Array(32).fill(8))
    expect(() => cron(line)).toThrow(/^exit code 3: error: /)
  },
  'ssh-agent': async ([code = ''], context) => {
    needs('ssh-add', context)
    await store(DEFAULT, {}, OPENED.SECRET_STORE_PASSPHRASE)
    bash('ssh-keygen -q -t ed25519 -N "" -C ada -f ~/.ssh/id_ed25519')
    const [, key] = (await readFile(join(root, 'home/.ssh/id_ed25519.pub'), 'utf8')).split(' ')
    const output = bash(
      `eval "$(ssh-agent -s)" >/dev/null; trap 'ssh-agent -k >/dev/null' EXIT\n${code}\nssh-add -L; ls ~/.ssh`,
      OPENED,
    )
    expect(output).toContain(`ssh-ed25519 ${key} `)
    expect(output).toMatch(/^id_ed25519\.pub$/m)
    expect(output).not.toMatch(/^id_ed25519$/m)
  },
  // docker stands in for the client: a daemon would be needed. It reads an --env-file as Docker does, quotes and all.
  'docker run': async ([byName = '', byFile = ''], context) => {
    needs('jq', context)
    await store(DEFAULT, { 'db.url': 'postgres://example' }, OPENED.SECRET_STORE_PASSPHRASE)
    await program(
      'docker',
      'echo "$@" | sed "s:/dev/fd/[0-9]*:FD:"; echo "DB_URL=$DB_URL"; test "$3" != --env-file || cat "$4"',
    )
    expect(bash(byName, OPENED)).toBe('run --rm --env DB_URL example/app\nDB_URL=postgres://example\n')
    bash('printf "it\'s \\$HOME" | secret-store set GREETING; printf "\\377" | secret-store set bin2', OPENED)
    const given = bash(byFile, OPENED)
      .split('\n')
      .filter((line) => !line.startsWith('note: '))
    expect(given).toEqual([
      'run --rm --env-file FD example/app',
      'DB_URL=',
      "GREETING=it's $HOME",
      'DB_URL=postgres://example',
      '',
    ])
  },
  'A shell function that loads on demand': async ([code = '']) => {
    await store(DEFAULT, { 'github.token': 'ghp_example' }, OPENED.SECRET_STORE_PASSPHRASE)
    await program('gh', 'echo "$* with $GH_TOKEN"')
    expect(bash(`${code}\ngh pr list\necho "here: $GH_TOKEN"`, OPENED)).toBe('pr list with ghp_example\nhere: \n')
  },
  'git over HTTPS': async ([code = ''], context) => {
    needs('git', context)
    await store(DEFAULT, { 'git.example.com': 'glpat-example' }, OPENED.SECRET_STORE_PASSPHRASE)
    const asked = (host: string): string =>
      bash(`printf 'protocol=https\\nhost=${host}\\n\\n' | GIT_TERMINAL_PROMPT=0 git credential fill`, OPENED)
    bash(code)
    expect(asked('git.example.com')).toMatch(/^username=ada\npassword=glpat-example$/m)
    expect(() => asked('git.example.org')).toThrow()
  },
  // The service manager is not there to start it: the unit is checked, and its command runs as it would be started.
  'A systemd service': async ([unit = ''], context) => {
    await store('var/lib/app/secrets', { 'db.url': 'postgres://example' })
    await program('app', 'echo "the service sees $DB_URL"')
    const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
    const [, credential = ''] = /^LoadCredential=store\.key:(.*)$/m.exec(unit) ?? []
    expect(here(` ${credential}`).trim()).toBe(join(root, 'etc/app/store.key'))
    expect(bash(here(command).replace('%d', join(root, 'etc/app')))).toBe('the service sees postgres://example\n')
    needs('systemd-analyze', context)
    const path = join(root, 'app.service')
    await writeFile(path, unit.replaceAll('/usr/local/bin', join(root, 'bin')))
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
    const about = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('app.service'))
    expect(about).toEqual([])
    // It is one that finds mistakes.
    await writeFile(path, unit.replace('LoadCredential=', 'LoadCredentials='))
    expect(spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' }).stderr).toContain(
      'LoadCredentials',
    )
  },
  'A new passphrase': async ([code = ''], context) => {
    needs('jq', context)
    await store(DEFAULT, { token: 'example' }, OPENED.SECRET_STORE_PASSPHRASE)
    const renewed = 'tundra gibbon radish seven'
    expect(bash(code, { ...OPENED, SECRET_STORE_NEW_PASSPHRASE: renewed })).toContain('replaced ')
    expect(bash('secret-store get token', { SECRET_STORE_PASSPHRASE: renewed })).toBe('example')
    expect(() => bash('secret-store get token', OPENED)).toThrow(/^exit code 3/)
  },
  'A backup each night': async ([line = '']) => {
    await store('var/lib/app/secrets', { token: 'example' })
    expect(cron(line)).toBe('')
    const [name = ''] = bash(`ls ${root}/var/backups`).trim().split('\n')
    expect(name).toMatch(/^secrets-\d{4}-\d{2}-\d{2}$/)
    const key = `--key-file ${root}/etc/app/store.key`
    bash(`secret-store restore ${root}/var/backups/${name} --store ${root}/again ${key}`)
    expect(bash(`secret-store get token --store ${root}/again ${key}`)).toBe('example')
  },
  'Beside a running app': async ([app = '', commands = '']) => {
    await store('var/lib/app/secrets', { token: 'example' })
    const running = await startApp(app)
    const output = bash(here(commands))
    expect(output).toMatch(new RegExp(`^${running.pid} +owner +node app\\.mjs `, 'm'))
    expect(output).toMatch(/^mail\.token +/m)
    // The second start makes no second slot.
    running.kill('SIGKILL')
    await once(running, 'exit')
    const again = await startApp(app)
    const variables = { SECRET_STORE: `${root}/var/lib/app/secrets`, SECRET_STORE_KEY_FILE: `${root}/etc/app/cli.key` }
    const slots = JSON.parse(bash('secret-store keys list --json', variables)) as { id: string; label: string | null }[]
    expect(slots.map(({ label }) => label)).toEqual([null, 'command line'])
    expect(bash(`secret-store keys remove ${slots[1]?.id}`, variables)).toContain('removed slot')
    expect(() => bash('secret-store list', variables)).toThrow(/^exit code 3/)
    expect(
      bash('secret-store get mail.token', { ...variables, SECRET_STORE_KEY_FILE: `${root}/etc/app/store.key` }),
    ).toBe('example')
    expect(again.exitCode).toBeNull()
  },
}

/** The app of a recipe, running until the test ends. */
async function startApp(code: string): Promise<ChildProcess> {
  const path = join(root, 'app.mjs')
  await writeFile(path, `${withModuleUrls(here(code))}\nprocess.send('open')\nsetInterval(() => {}, 1000)\n`)
  const app = spawn(process.execPath, [path], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void app.kill('SIGKILL'))
  await once(app, 'message')
  return app
}

/** What cron does of a line: five times, then a command for sh, in which `%` would be a line end. */
function cron(line: string): string {
  const [, command = ''] = /^(?:[\d*]+ ){5}(.*)\n$/.exec(line) ?? []
  expect(command.replaceAll('\\%', '')).not.toContain('%')
  const script = here(command).replaceAll('\\%', '%')
  const options = {
    env: { HOME: env['HOME'], PATH: '/usr/bin:/bin', SHELL: '/bin/sh' },
    encoding: 'utf8',
    input: '',
  } as const
  const { status, stdout, stderr } = spawnSync('setsid', ['-w', 'sh', '-c', script], options)
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`)
  return stdout + stderr
}

test('there are ten recipes at least, and each is checked', () => {
  expect(RECIPES.length).toBeGreaterThanOrEqual(10)
  expect(RECIPES.map(({ title }) => title)).toEqual(Object.keys(CHECKS))
})

describe.skipIf(process.platform !== 'linux')('the recipe', () => {
  test.for(RECIPES)('$title', async ({ title, blocks }, context) => {
    await CHECKS[title]?.(
      blocks.map(([, code]) => code),
      context,
    )
  })
})

test('the table for users of another program names commands that there are', () => {
  const [, table = ''] = /^## Coming from another program\n(.*?)^## /ms.exec(PAGE) ?? []
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
  expect(rows.length).toBeGreaterThan(10)
  for (const row of rows) {
    const cell = row.split('|').at(-2) as string
    for (const [, words = ''] of cell.matchAll(/`([^`]+)`/g)) {
      if (words.startsWith('-')) continue
      const [first = '', second = ''] = words.split(' ')
      expect(Object.keys(EXAMPLES), row).toContain(first === 'keys' ? `${first} ${second}` : first)
    }
  }
})
