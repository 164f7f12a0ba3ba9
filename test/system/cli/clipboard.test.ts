import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { environment, run } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal } from '../../support/terminal'

const PROGRAMS = process.env['SECRET_STORE_TEST_PROGRAMS'] ?? ''
const PAYLOAD = 'pä$$word-that-nobody-may-see'
const key = Uint8Array.from({ length: 32 }, (_, index) => index)
const hasX = ['Xvfb', 'xsel'].every((name) => spawnSync('which', [name]).status === 0)
if (!hasX) console.warn('skipped: Xvfb or xsel is not installed')

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
  await writeFile(join(directory, 'key'), Buffer.from(key).toString('hex'), { mode: 0o600 })
  const store = await SecretStore.open(env['SECRET_STORE'] ?? '', { key: rawKey(key) })
  await store.set({ scope: account, name: 'token', payload: PAYLOAD })
  await store.set({ scope: account, name: 'lines', payload: `${PAYLOAD}\n` })
  await store.set({ scope: account, name: 'bytes', payload: Uint8Array.of(0xff) })
  await store.close()
})

const args = (name: string, ...more: string[]): string[] => [
  'get',
  name,
  '--copy',
  '--key-file',
  join(directory, 'key'),
  ...more,
]

/** Processes of this run that wait to empty a clipboard. */
function clearing(): { readonly pid: number; readonly line: string }[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
  return stdout
    .split('\n')
    .filter((line) => line.includes(`${PROGRAMS}/secret-store.mjs clear-clipboard`))
    .map((line) => ({ pid: Number.parseInt(line, 10), line }))
}

describe.skipIf(!hasX)('the clipboard of X', () => {
  let server: ChildProcess
  let display = ''

  beforeAll(async () => {
    server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '640x480x8', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    const number = await new Promise<string>((resolve, reject) => {
      server.once('error', reject)
      server.stdio[3]?.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()))
    })
    display = `:${number}`
  })

  afterAll(() => {
    server.kill()
  })

  const xsel = (...given: string[]): string =>
    spawnSync('xsel', ['--clipboard', ...given], {
      env: environment({ DISPLAY: display, HOME: directory }),
      encoding: 'utf8',
    }).stdout

  function fill(text: string): void {
    spawnSync('xsel', ['--clipboard', '--input'], {
      env: environment({ DISPLAY: display, HOME: directory }),
      input: text,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
  }

  beforeEach(() => {
    env = { ...env, DISPLAY: display }
    fill('before')
  })

  // What a test has left waiting.
  afterEach(() => {
    for (const { pid } of clearing()) {
      process.kill(pid, 'SIGKILL')
    }
  })

  test('has the payload, stdout has not, and it is emptied', async () => {
    const { code, stdout, stderr } = await run(args('token', '--clear-after', '1'), { env })
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: 'copied token to the clipboard (xsel), for 1 second\n',
      stderr: '',
    })
    expect(xsel('--output')).toBe(PAYLOAD)
    while (xsel('--output') !== '') await setTimeout(50)
    while (clearing().length > 0) await setTimeout(20)
  })

  test('keeps what somebody has copied meanwhile', async () => {
    await run(args('token', '--clear-after', '1'), { env })
    fill('something else')
    while (clearing().length > 0) await setTimeout(20)
    expect(xsel('--output')).toBe('something else')
  })

  test('is emptied by a process that knows no payload, has a session of its own and no arguments that say anything', async () => {
    const { stdout } = await run(args('token', '--json'), {
      env: { ...env, SECRET_STORE_PASSPHRASE: 'unused-passphrase' },
    })
    expect(JSON.parse(stdout.toString())).toMatchObject({ name: 'token', clears_after: 30 })
    expect(stdout.toString()).not.toContain(PAYLOAD)
    const [waiting, ...others] = clearing()
    expect(others).toEqual([])
    const { pid = 0, line = '' } = waiting ?? {}
    expect(line.replace(/^.*clear-clipboard/, '')).toBe('')
    const told = await readFile(`/proc/${pid}/environ`, 'utf8')
    expect(told).not.toContain('unused-passphrase')
    const session = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')[3])
    expect(session).toBe(pid)
    // At the end of a session it is emptied at once.
    process.kill(pid, 'SIGTERM')
    while (xsel('--output') !== '') await setTimeout(20)
  })

  test('keeps it where that is said', async () => {
    const { stdout } = await run(args('token', '--clear-after', '0'), { env })
    expect(stdout.toString()).toBe('copied token to the clipboard (xsel); it stays there\n')
    expect(clearing()).toEqual([])
    expect(xsel('--output')).toBe(PAYLOAD)
  })

  test('gets a line end, which is told of, and no bytes', async () => {
    const { stderr } = await run(args('lines', '--clear-after', '0'), { env })
    expect(stderr).toBe('note: the payload ends in a line end, which was copied, too\n')
    expect(xsel('--output')).toBe(`${PAYLOAD}\n`)
    fill('before')
    const bytes = await run(args('bytes'), { env })
    expect({ code: bytes.code, clipboard: xsel('--output'), clearing: clearing() }).toEqual({
      code: 2,
      clipboard: 'before',
      clearing: [],
    })
  })

  test('cannot be reached', async () => {
    const { code, stderr } = await run(args('token'), { env: { ...env, DISPLAY: ':9999' } })
    expect(code).toBe(1)
    expect(stderr).toContain('error: --copy: xsel has failed (exit code 1)')
    expect(stderr).not.toContain(PAYLOAD)
    expect(clearing()).toEqual([])
  })

  test.skipIf(!hasTerminals)('is emptied after the terminal has gone', async () => {
    const terminal = new Terminal(
      'bash',
      ['-c', `"$@"; kill -HUP $$`, 'bash', process.execPath, ...programArgs('token', '2')],
      { env },
    )
    await terminal.sees('copied token')
    await terminal.exitCode
    expect(terminal.text).not.toContain(PAYLOAD)
    expect(xsel('--output')).toBe(PAYLOAD)
    while (xsel('--output') !== '') await setTimeout(50)
  })
})

const programArgs = (name: string, seconds: string): string[] => [
  join(PROGRAMS, 'secret-store.mjs'),
  ...args(name, '--clear-after', seconds),
]

describe.skipIf(process.platform === 'win32')('which program reaches the clipboard', () => {
  /** Programs of these names, which write down what they get. */
  async function programs(...names: string[]): Promise<string> {
    const folder = join(directory, 'bin')
    await mkdir(folder)
    for (const name of names) {
      const help = name === 'wl-copy' ? `[ "$1" = --help ] && { echo '  --sensitive  hints'; exit; }\n` : ''
      await writeFile(join(folder, name), `#!/bin/sh\n${help}{ echo "${name} $*"; cat; echo; } >>${directory}/log\n`)
      await chmod(join(folder, name), 0o700)
    }
    return `${folder}:/usr/bin:/bin`
  }

  const copied = (more: Record<string, string>) =>
    run(args('token', '--clear-after', '0'), { env: { ...env, ...more } })

  test.skipIf(process.platform === 'darwin')('is that of Wayland, which is told that it is a password', async () => {
    const PATH = await programs('wl-copy', 'wl-paste', 'xclip', 'xsel')
    expect((await copied({ PATH, WAYLAND_DISPLAY: 'wayland-0', DISPLAY: ':0' })).code).toBe(0)
    expect(await readFile(join(directory, 'log'), 'utf8')).toBe(`wl-copy --sensitive --type text/plain\n${PAYLOAD}\n`)
  })

  test.skipIf(process.platform === 'darwin')('is that of X', async () => {
    const PATH = await programs('wl-copy', 'wl-paste', 'xclip', 'xsel')
    await copied({ PATH, DISPLAY: ':0' })
    // Then it looks whether the text has arrived.
    const [first = ''] = (await readFile(join(directory, 'log'), 'utf8')).split('xclip -selection clipboard -out')
    expect(first).toBe(`xclip -selection clipboard -in\n${PAYLOAD}\n`)
  })

  test.skipIf(process.platform === 'darwin')('is emptied at once if it fails after it has copied', async () => {
    const PATH = await programs('xsel')
    const clipboard = join(directory, 'clipboard')
    await writeFile(
      join(directory, 'bin', 'xsel'),
      `#!/bin/sh\ncase "$*" in
        *--input*) cat >${clipboard}; exit 3 ;;
        *--output*) cat ${clipboard} ;;
        *--clear*) : >${clipboard} ;;
      esac\n`,
    )
    const { code, stderr } = await run(args('token'), { env: { ...env, PATH, DISPLAY: ':0' } })
    expect({ code, said: stderr.includes('xsel has failed (exit code 3)') }).toEqual({ code: 1, said: true })
    expect(await readFile(clipboard, 'utf8')).toBe('')
    expect(clearing()).toEqual([])
  })

  test.skipIf(process.platform === 'darwin')(
    'is that of Windows in WSL, and the history is asked to leave it out',
    async () => {
      const PATH = await programs('powershell.exe')
      await copied({ PATH, WSL_DISTRO_NAME: 'Debian' })
      const log = await readFile(join(directory, 'log'), 'utf8')
      expect(log).toContain('CanIncludeInClipboardHistory')
      expect(log.trimEnd().split('\n').at(-1)).toBe(Buffer.from(PAYLOAD).toString('base64'))
      expect(log).not.toContain(PAYLOAD)
    },
  )
})
