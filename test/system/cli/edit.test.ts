import { existsSync, statfsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { run, SHELL_COMMAND, shell, start } from '../../support/cli-program'
import { processState } from '../../support/process-state'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal } from '../../support/terminal'
import { eventually } from '../../support/waiting'

const PAYLOAD = 'payload-that-nobody-may-see'
const key = Uint8Array.from({ length: 32 }, (_, index) => index)
const vim = ['/usr/bin/vim', '/usr/local/bin/vim'].find(existsSync)

let directory: string
let runtime: string
let env: Record<string, string>

/** A store with one secret, and a folder of its own for the files of an editor: in memory where there is such a place. */
beforeEach(async () => {
  directory = await temporaryDirectory()
  runtime = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : directory, 'runtime-'))
  env = {
    SECRET_STORE: join(directory, 'store'),
    HOME: directory,
    XDG_RUNTIME_DIR: runtime,
    TMPDIR: runtime,
    TERM: 'xterm',
  }
  await writeFile(join(directory, 'key'), Buffer.from(key).toString('hex'), { mode: 0o600 })
  await put(PAYLOAD)
})

afterEach(() => rm(runtime, { recursive: true, force: true }))

const open = (): Promise<SecretStore> =>
  SecretStore.open(join(directory, 'store'), { key: rawKey(key), sweepIntervalMs: 0, compactIntervalMs: 0 })

async function put(payload: string | Uint8Array): Promise<void> {
  const store = await open()
  await store.set({ scope: account, name: 'token', payload })
  await store.close()
}

async function stored(): Promise<Buffer> {
  const store = await open()
  const bytes = await store.getBytes({ scope: account, name: 'token' })
  await store.close()
  return Buffer.from(bytes ?? [])
}

/** Whether it is tmpfs, on Linux. */
function isInMemory(path: string): boolean {
  return process.platform === 'linux' && existsSync(path) && statfsSync(path).type === 0x01021994
}

/** An editor in the words of sh, in which `$1` is the file. */
async function editor(script: string): Promise<Record<string, string>> {
  const path = join(directory, 'editor.sh')
  await writeFile(path, script)
  return { ...env, EDITOR: `sh ${path}` }
}

const args = (...more: string[]): string[] => ['edit', 'token', '--key-file', join(directory, 'key'), ...more]

/** What is left where the files of an editor have been. */
async function leftovers(): Promise<string[]> {
  return (await readdir(runtime)).filter((name) => name.startsWith('secret-store-edit-'))
}

/** Fails if anything at or below a folder has the payload in it. */
async function expectNowhere(folder: string, payload: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    expect({ name: entry.name, found: bytes.includes(payload) }).toEqual({ name: entry.name, found: false })
  }
}

describe.skipIf(process.platform === 'win32')('the file of an editor', () => {
  test('is for its owner alone, in a folder for its owner alone, and gone afterwards', async () => {
    const report = join(directory, 'report')
    const edited = await editor(`ls -ld "$(dirname "$1")" "$1" >${report}; printf changed >"$1"`)
    const { code, stdout } = await run(args(), { env: edited })
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'replaced token in the account scope\n' })
    const modes = (await readFile(report, 'utf8')).split('\n').map((line) => line.slice(0, 10))
    expect(modes.slice(0, 2)).toEqual(['drwx------', '-rw-------'])
    expect((await stored()).toString()).toBe('changed')
    expect(await leftovers()).toEqual([])
  })

  test('is overwritten, whatever the editor has left beside it', async () => {
    // A second name of each file, outside, shows what became of its bytes; of those, the names within are not overwritten.
    const seen = join(directory, 'seen')
    const edited = await editor(
      `d=$(dirname "$1"); cp "$1" "$1~"; cp "$1" "$d/#payload.txt#"; cp "$1" "$d/.payload.txt.swp"
      mkdir "$d/sub"; cp "$1" "$d/sub/undo"; ln -s ${directory}/key "$d/link"
      exec 5<"$1~" 6<"$d/sub/undo"; ( while [ -e "$d" ]; do sleep 0.05; done; cat <&5 >${seen}; cat <&6 >>${seen} ) &
      exit 0`,
    )
    expect((await run(args(), { env: edited })).code).toBe(0)
    expect(await leftovers()).toEqual([])
    // The process that held the files open has read them after they were removed.
    while (
      !(await readFile(seen).then(
        (bytes) => bytes.length === 2 * PAYLOAD.length,
        () => false,
      ))
    )
      await setTimeout(20)
    expect((await readFile(seen)).every((byte) => byte === 0)).toBe(true)
    expect(await readFile(join(directory, 'key'), 'utf8')).toBe(Buffer.from(key).toString('hex'))
    await expectNowhere(directory, PAYLOAD)
  })

  test('may be another one afterwards: editors write by renaming', async () => {
    const { code } = await run(args(), { env: await editor('printf renamed >"$1.new"; mv "$1.new" "$1"') })
    expect(code).toBe(0)
    expect((await stored()).toString()).toBe('renamed')
  })

  test('is in memory where the system has a place, and the disk is told of', async () => {
    const changed = await editor('printf changed >"$1"')
    const told = 'note: this system has no place for files in memory; the payload is on the disk while it is edited'
    const { stderr } = await run(args(), { env: changed })
    expect(stderr.includes(told)).toBe(!isInMemory(runtime))
    // Elsewhere than there, the next place is taken.
    const elsewhere = { ...changed, XDG_RUNTIME_DIR: directory, TMPDIR: directory }
    const anywhere = [directory, '/dev/shm'].some(isInMemory)
    expect((await run(args(), { env: { ...elsewhere, EDITOR: 'true' } })).stderr.includes(told)).toBe(!anywhere)
  })
})

describe.skipIf(process.platform === 'win32')('an editor', () => {
  test.each([
    ['fails', 'printf changed >"$1"; exit 3', 1, 'it has failed (exit code 3); nothing was changed'],
    ['leaves nothing in it', ': >"$1"', 2, 'expected at least one byte, got none; nothing was changed'],
    ['leaves a line end', 'echo >"$1"', 2, 'expected at least one byte, got none; nothing was changed'],
    ['removes it', 'rm "$1"', 1, 'the editor has left no file that can be read (ENOENT)'],
    ['puts a link in its place', 'ln -sf /etc/passwd "$1"', 1, 'no file that can be read (ELOOP)'],
    ['puts a pipe in its place', 'rm "$1"; mkfifo "$1"', 1, 'something else than a file'],
    ['leaves what is no UTF-8', `printf '\\377' >"$1"`, 2, 'expected it to leave UTF-8 text'],
    ['is ended by a signal', 'kill -KILL $$', 1, 'it has failed (exit code 137)'],
  ])('that %s changes nothing', async (_, script, expected, said) => {
    const { code, stdout, stderr } = await run(args(), { env: await editor(script) })
    expect({ code, stdout: stdout.toString() }).toEqual({ code: expected, stdout: '' })
    expect(stderr).toContain(said)
    expect(stderr).not.toContain(PAYLOAD)
    expect((await stored()).toString()).toBe(PAYLOAD)
    expect(await leftovers()).toEqual([])
  })

  test.each([
    ['a', 'a', 'a'],
    ['a', 'a\n', 'a'],
    ['a', 'a\r\n', 'a'],
    ['a', 'a\n\n', 'a\n'],
    ['a', 'b\n', 'b'],
    ['a\n', 'b\n', 'b\n'],
    ['a\n', 'b', 'b'],
    ['a\r\n', 'a\r\n', 'a\r\n'],
    ['a\nb', 'a\nb\n', 'a\nb'],
  ])('of %j that leaves %j: %j is stored', async (before, left, after) => {
    await put(before)
    const { code } = await run(args(), {
      env: await editor(`printf '${left.replaceAll('\n', '\\n').replaceAll('\r', '\\r')}' >"$1"`),
    })
    expect(code).toBe(0)
    expect((await stored()).toString()).toBe(after)
  })

  test('that changes nothing writes nothing, and a window that was not waited for is told of', async () => {
    const { code, stdout, stderr } = await run(args(), { env: { ...env, EDITOR: 'true' } })
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'unchanged: token was not written\n' })
    expect(stderr).toContain('`code --wait`')
  })

  test('may have arguments, quotes and a path with spaces; VISUAL comes first', async () => {
    const folder = join(directory, 'my editor')
    await mkdir(folder)
    await writeFile(join(folder, 'ed it'), `#!/bin/sh\nprintf '%s %s' "$1" "$2" >"$3"\n`, { mode: 0o700 })
    const both = { ...env, VISUAL: `'${folder}/ed it' --wait "a b"`, EDITOR: 'false' }
    expect((await run(args(), { env: both })).code).toBe(0)
    expect((await stored()).toString()).toBe('--wait a b')
  })

  test('may be a word with a variable before it, or several commands', async () => {
    expect((await run(args(), { env: { ...env, EDITOR: `SAID='a b' sh -c 'printf "$SAID" >"$0"'` } })).code).toBe(0)
    expect((await stored()).toString()).toBe('a b')
    expect((await run(args(), { env: { ...env, EDITOR: 'true; truncate -s 1' } })).code).toBe(0)
    expect((await stored()).toString()).toBe('a')
  })

  describe('that is vim is told to keep nothing', () => {
    /** What an editor was started with, before the file. */
    async function toldTo(EDITOR: string): Promise<string> {
      const folder = join(directory, 'bin')
      await mkdir(folder)
      const script = `#!/bin/sh\nprintf '%s ' "$@" >${directory}/report\n`
      for (const name of ['vim.basic', 'nvi']) await writeFile(join(folder, name), script, { mode: 0o700 })
      for (const [name, target] of [
        ['editor', 'vim.basic'],
        ['my vim', 'vim.basic'],
        ['vi', 'nvi'],
      ] as const) {
        await symlink(join(folder, target), join(folder, name))
      }
      const PATH = `${folder}:${process.env['PATH']}`
      expect((await run(args(), { env: { ...env, PATH, EDITOR } })).code).toBe(0)
      const told = await readFile(join(directory, 'report'), 'utf8')
      return told.replace(/ ?\S+\/payload\.txt $/, '')
    }
    const NOTHING = '-n -i NONE -c set nobackup nowritebackup noundofile'

    test.each([
      'vim.basic',
      'FOO=1 vim.basic',
      'env vim.basic',
      `FOO='a b' BAR= env -i PATH=$PATH vim.basic`,
      'editor',
      `'my vim'`,
    ])('%s', async (words) => {
      expect(await toldTo(words)).toBe(NOTHING)
    })

    test.each(['vi', 'env nvi', 'FOO=vim nvi'])('but not %s, which is another', async (words) => {
      expect(await toldTo(words)).toBe('')
    })
  })

  test.skipIf(process.platform === 'darwin').each(['VISUAL', 'EDITOR'])(
    'of a %s that is not UTF-8 is refused',
    async (name) => {
      const line = `export ${name}=$'caf\\xe9'; secret-store edit token --key-file ${directory}/key`
      const { code, stderr } = await shell(line, env)
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `error: the variable ${name}: expected UTF-8, got other bytes\nhint: set it again, in UTF-8\n`,
      })
    },
  )

  test('is not found', async () => {
    const { code, stderr } = await run(args(), { env: { ...env, EDITOR: 'no-such-editor' } })
    expect(code).toBe(1)
    expect(stderr).toContain("error: editor 'no-such-editor': there is no such program; nothing was changed\n")
    expect(stderr).toContain('hint: VISUAL or EDITOR names the editor')
  })

  test('is not given what is no UTF-8', async () => {
    await put(Uint8Array.of(0xff, 0x00))
    const { code, stderr } = await run(args(), { env: await editor('printf changed >"$1"') })
    expect(code).toBe(2)
    expect(stderr).toContain("'token' is no UTF-8 text")
    expect([...(await stored())]).toEqual([0xff, 0x00])
  })

  test('gets no passphrase and no open file', async () => {
    const report = join(directory, 'report')
    const edited = await editor(`{ env; ls -l /proc/self/fd 2>/dev/null; } >${report}`)
    await run(args(), { env: { ...edited, SECRET_STORE_PASSPHRASE: 'unused-passphrase' } })
    const text = await readFile(report, 'utf8')
    expect(text).toContain('EDITOR=')
    expect(text).not.toContain('unused-passphrase')
    expect(text).not.toContain('/data/')
  })

  test.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
    'is ended by %s with the program, and the file is wiped',
    async (signal) => {
      const ready = join(directory, 'ready')
      const edited = await editor(`printf changed >"$1"; : >${ready}; exec sleep 600`)
      const { child, outcome } = start(args(), { env: edited })
      while (!existsSync(ready)) await setTimeout(20)
      child.kill(signal)
      const { code, stderr } = await outcome
      expect({ code, stderr: stderr.includes('interrupted') }).toEqual({
        code: { SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }[signal],
        stderr: true,
      })
      expect((await stored()).toString()).toBe(PAYLOAD)
      expect(await leftovers()).toEqual([])
    },
  )

  // Whoever logs out sends two of them at once.
  test.each(['kill -TERM', 'kill -HUP $PPID; kill -TERM'])(
    'has ended when the end comes to the program: %s, and the file is wiped',
    async (kill) => {
      for (let round = 0; round < 24; round++) {
        const seconds = (round / 2 / 1000).toFixed(4)
        const edited = await editor(`printf changed >"$1"; ( sleep ${seconds}; ${kill} $PPID ) & exit 0`)
        const { code } = await run(args(), { env: edited })
        expect([0, 129, 143]).toContain(code)
        expect({ round, left: await leftovers() }).toEqual({ round, left: [] })
      }
    },
  )

  test('that ignores the end is ended all the same', async () => {
    const ready = join(directory, 'ready')
    const edited = await editor(`trap '' TERM; : >${ready}; while :; do sleep 1; done`)
    const { child, outcome } = start(args(), { env: edited })
    while (!existsSync(ready)) await setTimeout(20)
    child.kill('SIGTERM')
    expect((await outcome).code).toBe(143)
    expect(await leftovers()).toEqual([])
  })
})

describe.skipIf(process.platform === 'win32')('a command', () => {
  test('gets the bytes, and what it writes is stored to the byte', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x0a])
    await put(bytes)
    expect((await run(args('--', 'sh', '-c', 'cat; printf "\\000\\n"'), { env })).code).toBe(0)
    expect([...(await stored())]).toEqual([...bytes, 0x00, 0x0a])
    expect(await leftovers()).toEqual([])
  })

  test('need not read it', async () => {
    await put('x'.repeat(1_000_000))
    expect((await run(args('--', 'echo', 'new'), { env })).code).toBe(0)
    expect((await stored()).toString()).toBe('new\n')
  })

  test('that is interrupted changes nothing', async () => {
    const ready = join(directory, 'ready')
    const { child, outcome } = start(args('--', 'sh', '-c', `printf new; : >${ready}; exec sleep 600`), { env })
    while (!existsSync(ready)) await setTimeout(20)
    child.kill('SIGTERM')
    expect((await outcome).code).toBe(143)
    expect((await stored()).toString()).toBe(PAYLOAD)
  })

  test('that takes longer than the secret lives brings nothing back', async () => {
    const store = await open()
    const expires_at = Math.floor(Date.now() / 1000) + 3
    await store.set({ scope: account, name: 'token', payload: PAYLOAD, expires_at })
    await store.close()
    const wait = `while [ "$(date +%s)" -le ${expires_at} ]; do sleep 0.1; done; echo new`
    const { code, stderr } = await run(args('--', 'sh', '-c', wait), { env })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "error: 'token': it has expired meanwhile; nothing was changed\n",
    })
    expect((await stored()).toString()).toBe('')
  })

  test('leaves the expiry as it is', async () => {
    const store = await open()
    const expires_at = Math.floor(Date.now() / 1000) + 3600
    await store.set({ scope: account, name: 'token', payload: PAYLOAD, expires_at })
    await store.close()
    const { code, stdout } = await run(args('--json', '--', 'echo', 'new'), { env })
    expect({ code, ...JSON.parse(stdout.toString()) }).toMatchObject({
      code: 0,
      changed: true,
      expires_at,
    })
  })

  test('without an end is stopped', async () => {
    const { code, stderr } = await run(args('--', 'yes'), { env })
    expect(code).toBe(1)
    expect(stderr).toContain('yes: expected up to 64 MiB from it, got more; nothing was changed')
  })
})

describe.skipIf(!hasTerminals)('an editor at a terminal', () => {
  test('that takes its time to stop has stopped when the shell says so, and goes on', async () => {
    // Its own end of the stop, as that of vim: not at once.
    const script = `trap 'sleep 0.4; kill -STOP $$' TSTP
      echo "ready $$"
      until read line; do :; done
      printf 'new' > "$1"`
    const line = ['PS1=', SHELL_COMMAND, ...args()].join(' ')
    const terminal = new Terminal('bash', ['--norc', '--noprofile', '-i'], { env: await editor(script) })
    terminal.type(`${line}; echo "code $?"\r`)
    await terminal.sees('ready ')
    const pid = Number(/ready (\d+)/.exec(terminal.text)?.[1])
    terminal.type('\u001a')
    await terminal.sees('Stopped')
    expect(processState(pid)).toBe('T')
    terminal.type('fg\r')
    await eventually(() => expect(processState(pid)).not.toBe('T'))
    terminal.type('a line\r')
    await terminal.sees('replaced token')
    terminal.type('exit\r')
    await terminal.exitCode
    expect((await stored()).toString()).toBe('new')
    expect(await leftovers()).toEqual([])
  })
})

if (vim === undefined) console.warn('skipped: vim is not installed')

describe.skipIf(!hasTerminals || vim === undefined)('vim at a terminal', () => {
  /** Settings by which vim keeps copies everywhere. */
  const KEEPS_ALL = (folder: string): string =>
    `set backup backupdir=${folder} undofile undodir=${folder} directory=${folder} viminfo='100,<1000,n${folder}/viminfo\n`

  test('is left nothing to keep, and the line end that it adds is left out', async () => {
    const kept = join(directory, 'kept')
    await mkdir(kept)
    await writeFile(join(directory, '.vimrc'), KEEPS_ALL(kept))
    const terminal = Terminal.ofProgram(args(), { env: { ...env, EDITOR: vim as string } })
    await terminal.sees(PAYLOAD)
    expect(await leftovers()).toHaveLength(1)
    terminal.type('yyA-changed\u001b')
    await terminal.sees('-changed')
    terminal.type(':wq\r')
    expect(await terminal.exitCode).toBe(0)
    expect((await stored()).toString()).toBe(`${PAYLOAD}-changed`)
    expect(await leftovers()).toEqual([])
    await expectNowhere(directory, PAYLOAD)
  })

  test('survives Ctrl-C, and :cq gives the edit up', async () => {
    const terminal = Terminal.ofProgram(args(), { env: { ...env, EDITOR: vim as string } })
    await terminal.sees(PAYLOAD)
    // It hears neither while it starts, and throws away what was typed before Ctrl-C: so both are typed until they are heard.
    const until = async (typed: string, seen: string): Promise<void> => {
      for (; !terminal.text.includes(seen); await setTimeout(100)) terminal.type(typed)
    }
    await until('\u0003', ':qa')
    await until(':echo "he" . "ard"\r', 'heard')
    terminal.type('A-changed\u001b')
    await terminal.sees('-changed')
    terminal.type(':w\r')
    await terminal.sees('written')
    terminal.type(':cq\r')
    expect(await terminal.exitCode).toBe(1)
    expect(terminal.text).toContain('nothing was changed')
    expect((await stored()).toString()).toBe(PAYLOAD)
    expect(await leftovers()).toEqual([])
  })

  test('is stopped by Ctrl-Z together with the program, and goes on', async () => {
    const line = ['PS1=', SHELL_COMMAND, ...args()].join(' ')
    const terminal = new Terminal('bash', ['--norc', '--noprofile', '-i'], { env: { ...env, EDITOR: vim as string } })
    terminal.type(`${line}; echo "code $?"\r`)
    await terminal.sees(PAYLOAD)
    terminal.type('\u001a')
    await terminal.sees('Stopped')
    terminal.type('fg\r')
    await terminal.sees(PAYLOAD, 2)
    terminal.type('A-changed\u001b')
    await terminal.sees('-changed')
    terminal.type(':wq\r')
    await terminal.sees('replaced token')
    terminal.type('exit\r')
    await terminal.exitCode
    expect((await stored()).toString()).toBe(`${PAYLOAD}-changed`)
    expect(await leftovers()).toEqual([])
  })

  test('and an editor that Ctrl-C ends', async () => {
    const terminal = Terminal.ofProgram(args(), { env: await editor('echo ready; exec sleep 600') })
    await terminal.sees('ready')
    terminal.type('\u0003')
    expect(await terminal.exitCode).toBe(130)
    expect((await stored()).toString()).toBe(PAYLOAD)
    expect(await leftovers()).toEqual([])
  })
})
