import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, SecretStore } from '../../../src/index'
import { environment, NODE_ARGS, SHELL_COMMAND } from '../../support/cli-program'
import { processState } from '../../support/process-state'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal } from '../../support/terminal'
import { eventually } from '../../support/waiting'

// What a command of `run` gets, compared with what it gets where nothing stands between it and whoever sends signals.

const isLinux = process.platform === 'linux'
if (process.platform === 'win32') console.warn('skipped: Windows has no signals')

/** Both ways of `run`: to become the command, where Node can, and to stay beside it. */
const WAYS: readonly ('becomes' | 'stays')[] = isLinux && 'execve' in process ? ['becomes', 'stays'] : ['stays']

const ENDING = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const

/** Writes which signals it gets, each on a line, and ends at SIGXCPU. Its process, and that of what started it. */
const NOTES = `
  for (const name of [${ENDING.map((name) => `'${name}'`)}, 'SIGCONT', 'SIGWINCH', 'SIGIO'])
    process.on(name, () => require('node:fs').writeSync(1, name + '\\n'))
  process.on('SIGXCPU', () => process.exit(9))
  setInterval(() => {}, 1000)
  console.log('ready ' + process.pid)`

let directory: string
let env: Record<string, string>
let keyFile: string

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
  keyFile = join(directory, 'key')
  await writeFile(keyFile, Buffer.alloc(32, 7), { mode: 0o600 })
  await writeFile(join(directory, 'stays.cjs'), 'delete process.execve')
  const store = await SecretStore.open(env['SECRET_STORE'] as string, { key: rawKey(new Uint8Array(32).fill(7)) })
  await store.set({ scope: account, name: 'token', payload: 'example' })
  await store.close()
})

/** What makes it go a way, without a word of it in the program. */
function wayEnvironment(way: 'becomes' | 'stays'): Record<string, string> {
  return way === 'becomes' ? {} : { NODE_OPTIONS: `--require=${join(directory, 'stays.cjs')}` }
}

const runArgs = (...command: string[]): string[] => [...NODE_ARGS, 'run', '--key-file', keyFile, '--', ...command]
const notes = [process.execPath, '-e', NOTES]

/** The command, running. */
interface Noted {
  readonly child: ChildProcess
  readonly commandPid: number
  /** The signals that it got, in the order in which it did. */
  signals(): string[]
  ended(): Promise<number | null>
}

/** In a process group of its own. */
async function startNotes(way: 'becomes' | 'stays'): Promise<Noted> {
  const child = spawn(process.execPath, runArgs(...notes), {
    env: environment({ ...env, ...wayEnvironment(way) }),
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (part) => {
    text += part
  })
  const ending = once(child, 'exit').then(([code]) => code as number | null)
  await eventually(() => expect(text).toContain('ready'))
  const commandPid = Number(/ready (\d+)/.exec(text)?.[1])
  return {
    child,
    commandPid,
    signals: () => text.split('\n').filter((line) => line.startsWith('SIG')),
    async ended() {
      process.kill(commandPid, 'SIGXCPU')
      return ending
    },
  }
}

/** Longer than a signal is on its way. Only what comes in excess could still come. */
const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300))

describe.skipIf(process.platform === 'win32').each(WAYS)('run, which %s,', (way) => {
  test(`${way === 'becomes' ? 'is' : 'is not'} the command`, async () => {
    const noted = await startNotes(way)
    expect(noted.commandPid === noted.child.pid).toBe(way === 'becomes')
    expect(await noted.ended()).toBe(9)
  })

  test('gives the command each signal that itself alone is sent, once', async () => {
    const noted = await startNotes(way)
    const names = [...ENDING, 'SIGCONT', 'SIGWINCH', 'SIGIO'] as const
    for (const [index, name] of names.entries()) {
      noted.child.kill(name)
      await eventually(() => expect(noted.signals()).toEqual(names.slice(0, index + 1)))
    }
    await quiet()
    expect(noted.signals()).toEqual(names)
    expect(await noted.ended()).toBe(9)
  })

  test('gives the command each signal that its process group is sent, once', async () => {
    const noted = await startNotes(way)
    for (const [index, name] of ENDING.entries()) {
      process.kill(-(noted.child.pid as number), name)
      await eventually(() => expect(noted.signals()).toEqual(ENDING.slice(0, index + 1)))
      await quiet()
    }
    expect(noted.signals()).toEqual(ENDING)
    expect(await noted.ended()).toBe(9)
  })

  test('gives the command once what a service manager sends to each process', async () => {
    const noted = await startNotes(way)
    const all = spawnSync('pgrep', ['-g', String(noted.child.pid)])
      .stdout.toString()
      .trim()
      .split('\n')
    expect(all).toContain(String(noted.commandPid))
    for (const pid of all) process.kill(Number(pid), 'SIGTERM')
    await eventually(() => expect(noted.signals()).toEqual(['SIGTERM']))
    await quiet()
    expect(noted.signals()).toEqual(['SIGTERM'])
    expect(await noted.ended()).toBe(9)
  })

  test('ends as a command does that a signal ends', async () => {
    for (const [name, number] of [
      ['SIGTERM', 15],
      ['SIGKILL', 9],
      ['SIGSEGV', 11],
    ] as const) {
      const child = spawn(
        'sh',
        [
          '-c',
          `"$@"; echo "code $?"`,
          'sh',
          process.execPath,
          ...runArgs('sh', '-c', `kill -${name.slice(3)} $$; sleep 5`),
        ],
        {
          env: environment({ ...env, ...wayEnvironment(way) }),
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      )
      let text = ''
      child.stdout.on('data', (part) => {
        text += part
      })
      await once(child, 'close')
      expect(text, name).toContain(`code ${128 + number}`)
    }
  })

  describe.skipIf(!hasTerminals)('at a terminal', () => {
    const atTerminal = (script: string, ...args: string[]): Terminal =>
      new Terminal('bash', ['-c', script, 'bash', ...args], { env: { ...env, ...wayEnvironment(way) } })
    const count = (terminal: Terminal, name: string): number => terminal.text.split(name).length - 1

    test.each([
      ['the terminal', ''],
      ['a file', '</dev/null'],
      ['a pipe', '< <(:)'],
    ])(
      'gives the command one Ctrl-C, one Ctrl-\\ and one of each that it is sent, where stdin is %s',
      async (_, stdin) => {
        const terminal = atTerminal(`exec "$@" ${stdin}`, process.execPath, ...runArgs(...notes))
        await terminal.sees('ready')
        terminal.type('\u0003')
        await terminal.sees('SIGINT')
        await quiet()
        expect(count(terminal, 'SIGINT')).toBe(1)
        terminal.type('\u001c')
        await terminal.sees('SIGQUIT')
        await quiet()
        expect(count(terminal, 'SIGQUIT')).toBe(1)
        process.kill(terminal.pid, 'SIGINT')
        await terminal.sees('SIGINT', 2)
        process.kill(terminal.pid, 'SIGTERM')
        await terminal.sees('SIGTERM')
        terminal.resize(80)
        await terminal.sees('SIGWINCH')
        await quiet()
        expect(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGWINCH'].map((name) => count(terminal, name))).toEqual([2, 1, 1, 1])
        process.kill(Number(/ready (\d+)/.exec(terminal.text)?.[1]), 'SIGXCPU')
        expect(await terminal.exitCode).toBe(9)
      },
    )

    test('stops with Ctrl-Z, and goes on with fg', async () => {
      // Its own words, and not what is typed, are looked for.
      const terminal = new Terminal('bash', ['--norc', '--noprofile', '-i'], {
        env: { ...env, ...wayEnvironment(way), PS1: 'prompt> ' },
      })
      await terminal.sees('prompt> ')
      await writeFile(
        join(directory, 'start'),
        `${SHELL_COMMAND} run --key-file ${keyFile} -- ${process.execPath} -e "$(cat ${directory}/notes)"\n`,
      )
      await writeFile(join(directory, 'notes'), NOTES)
      terminal.type(`source ${directory}/start\r`)
      await terminal.sees('ready ')
      const commandPid = Number(/ready (\d+)/.exec(terminal.text)?.[1])
      for (const times of [1, 2]) {
        terminal.type('\u001a')
        await terminal.sees('Stopped', times)
        await eventually(() => expect(processState(commandPid)).toBe('T'))
        terminal.type('fg\r')
        await eventually(() => expect(processState(commandPid)).toBe('S'))
        await quiet()
        expect(count(terminal, 'SIGCONT')).toBe(times)
      }
      terminal.type('\u0003')
      await terminal.sees('SIGINT')
      await quiet()
      expect(count(terminal, 'SIGINT')).toBe(1)
      process.kill(commandPid, 'SIGXCPU')
      await terminal.sees('prompt> ', 4)
      terminal.type('echo "code $?"\r')
      await terminal.sees('code 9')
      terminal.type('exit\r')
      await terminal.exitCode
    })

    test('hands the terminal over as it was, after a passphrase was typed', async () => {
      const store = await SecretStore.open(env['SECRET_STORE'] as string, { key: rawKey(new Uint8Array(32).fill(7)) })
      await store.addKey(passphrase('gibbon radish tundra', { N: 2 ** 14 }))
      await store.close()
      const command = ['sh', '-c', 'stty -a; echo ready; read line; echo "got <$line> $TOKEN"']
      const terminal = atTerminal('stty -a; exec "$@"', process.execPath, ...NODE_ARGS, 'run', '--', ...command)
      await terminal.sees('Passphrase')
      terminal.type('gibbon radish tundra\r')
      await terminal.sees('ready')
      terminal.type('a line\r')
      await terminal.sees('got <a line> example')
      expect(await terminal.exitCode).toBe(0)
      const modes = [...terminal.text.matchAll(/speed.*?echoke[^\r\n]*/gs)].map(([text]) => text)
      expect(modes.length).toBe(2)
      expect(modes[1]).toBe(modes[0])
    })

    test('is ended with the command when the terminal is closed', async () => {
      const terminal = atTerminal('exec "$@"', process.execPath, ...runArgs('sh', '-c', 'echo ready $$; exec sleep 60'))
      await terminal.sees('ready ')
      const commandPid = Number(/ready (\d+)/.exec(terminal.text)?.[1])
      terminal.close()
      await eventually(() => expect(() => process.kill(commandPid, 0)).toThrow('ESRCH'))
      await eventually(() => expect(() => process.kill(terminal.pid, 0)).toThrow('ESRCH'))
    })
  })

  test.skipIf(!isLinux)('stops and continues the command when it is itself stopped and continued', async () => {
    // In a group of its own that nobody looks after, Ctrl-Z would stop nobody.
    const shell = spawn(
      'bash',
      ['-c', `set -m; "$@" & echo "started $!"; read line`, 'bash', process.execPath, ...runArgs(...notes)],
      {
        env: environment({ ...env, ...wayEnvironment(way) }),
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    )
    let text = ''
    shell.stdout.on('data', (part) => {
      text += part
    })
    await eventually(() => expect(text).toContain('ready'))
    const commandPid = Number(/ready (\d+)/.exec(text)?.[1])
    const ownPid = Number(/started (\d+)/.exec(text)?.[1])
    process.kill(ownPid, 'SIGTSTP')
    for (const pid of [ownPid, commandPid]) await eventually(() => expect(processState(pid)).toBe('T'))
    process.kill(ownPid, 'SIGCONT')
    for (const pid of [ownPid, commandPid]) await eventually(() => expect(processState(pid)).toBe('S'))
    await eventually(() => expect(text).toContain('SIGCONT'))
    await quiet()
    expect(text.split('SIGCONT').length).toBe(2)
    process.kill(commandPid, 'SIGXCPU')
    shell.stdin.end()
    await once(shell, 'close')
  })
})

test.skipIf(WAYS.length < 2).each([
  [
    'in the turn before it becomes the command',
    `const timers = require('node:timers/promises')
    const wait = timers.setImmediate
    timers.setImmediate = async () => { await wait(); end() }`,
  ],
  [
    'while it gets ready to',
    `const { on } = process
    process.on = function (name, ...rest) { if (name === 'SIGXFSZ') end(); return on.call(this, name, ...rest) }`,
  ],
])('a signal that comes %s ends run, and the command with it', async (_, hook) => {
  const marker = join(directory, 'was-run')
  const once = `let ended = false; const end = () => { if (!ended) process.kill(process.pid, 'SIGTERM'); ended = true
    require('node:fs').writeFileSync(${JSON.stringify(`${directory}/sent`)}, '') }`
  const sync = `require('node:module').syncBuiltinESMExports()`
  await writeFile(join(directory, 'late.cjs'), [once, hook, sync].join('\n'))
  const { status } = spawnSync(process.execPath, runArgs('touch', marker), {
    env: environment({ ...env, NODE_OPTIONS: `--require=${join(directory, 'late.cjs')}` }),
  })
  // It was sent, and the program has not become the command before.
  expect(await readdir(directory)).toContain('sent')
  expect(await readdir(directory)).not.toContain('was-run')
  expect(status).toBe(143)
})

test.skipIf(WAYS.length < 2)('a command that run becomes has all that one has which is its child', async () => {
  const script = [
    'grep -E "^(Sig[PBIC]|Shd|NoNewPrivs|Seccomp)" /proc/self/status',
    'grep -h flags /proc/self/fdinfo/[0-9]*',
    'ls /proc/self/fd',
    'ulimit -a; umask; pwd; env | sort; echo "$0" "$@"',
    // It writes nowhere, and is ended by that.
    `yes | head -1 >/dev/null; echo "\${PIPESTATUS[@]}"`,
  ].join('; ')
  const seen = WAYS.map((way) => {
    const line = `sleep 1 | "$@" 2>&1 | cat`
    const words = [process.execPath, ...runArgs('bash', '-c', script, 'zero', 'ünï', '', 'a b')]
    const { NODE_OPTIONS = '', ...more } = { ...env, ...wayEnvironment(way) }
    const { stdout } = spawnSync(
      'bash',
      ['-c', `NODE_OPTIONS='${NODE_OPTIONS}'; export NODE_OPTIONS; ${line}`, 'bash', ...words],
      {
        env: environment(more),
      },
    )
    return stdout.toString().replaceAll(/^(?:NODE_OPTIONS|OLDPWD|_|SHLVL)=.*\n/gm, '')
  })
  expect(seen[0]).toContain('TOKEN=example')
  expect(seen[0]).toContain('141 0')
  expect(seen[1]).toBe(seen[0])
})

test.skipIf(process.platform === 'win32')(
  'a command that may be sent no signal is waited for to its own end',
  async () => {
    // As a command that has made itself another user's: the system refuses with EPERM.
    const refusing = `const { ChildProcess } = require('node:child_process')
    const { spawn } = ChildProcess.prototype
    ChildProcess.prototype.spawn = function (options) {
      const result = spawn.call(this, options)
      if (options.file === process.execPath) this._handle.kill = (signal) => {
        require('node:fs').appendFileSync(${JSON.stringify(`${directory}/refused`)}, signal + ' ')
        return -require('node:os').constants.errno.EPERM
      }
      return result
    }`
    await writeFile(join(directory, 'stays.cjs'), `delete process.execve\n${refusing}`)
    const noted = await startNotes('stays')
    const refused = (): Promise<string> => readFile(join(directory, 'refused'), 'utf8')
    noted.child.kill('SIGTERM')
    await eventually(async () => expect(await refused()).toBe('15 '))
    noted.child.kill('SIGHUP')
    await eventually(async () => expect(await refused()).toBe('15 1 '))
    await quiet()
    expect(noted.child.exitCode).toBeNull()
    expect(await noted.ended()).toBe(9)
  },
)

test.skipIf(process.platform === 'win32').each([
  ['while it asks', []],
  ['while it serves', ['serve', '--key-file', 'KEY']],
])('SIGUSR1 opens no debugger %s', async (_, args) => {
  const given = args.map((word) => (word === 'KEY' ? keyFile : word))
  const child = spawn(
    process.execPath,
    [...NODE_ARGS, ...(given.length === 0 ? ['set', 'token', '--key-file', keyFile] : given)],
    {
      env: environment(env),
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part) => {
      text += part
    })
  }
  if (given.length > 0) await eventually(() => expect(text).toContain('listening on'))
  // It waits for its stdin; how long that takes to come to nobody can see.
  else
    await eventually(() => expect(spawnSync('pgrep', ['-f', keyFile]).stdout.toString()).toContain(String(child.pid)))
  await quiet()
  await quiet()
  child.kill('SIGUSR1')
  await quiet()
  child.stdin.end('payload')
  if (given.length > 0) child.kill('SIGINT')
  await once(child, 'close')
  expect(text).not.toMatch(/Debugger|ws:/)
  expect(text).toMatch(given.length > 0 ? /interrupted/ : /(?:created|replaced) token/)
})
