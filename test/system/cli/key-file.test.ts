import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { environment, SHELL_COMMAND, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { eventually } from '../../support/waiting'

const STRANGER = 12_345

async function store(): Promise<{ readonly directory: string; readonly env: Record<string, string> }> {
  const directory = await temporaryDirectory()
  const env = { SECRET_STORE: join(directory, 'store'), DIR: directory, HOME: directory }
  await writeFile(join(directory, 'key'), Buffer.alloc(32, 7), { mode: 0o600 })
  expect(await shell('secret-store init --quiet --key-file $DIR/key', env)).toMatchObject({ code: 0 })
  return { directory, env }
}

describe.skipIf(process.platform === 'win32')('a key', () => {
  test.each([
    ['a pipe at stdin', 'cat $DIR/key | secret-store status --key-file /dev/stdin'],
    ['a pipe at a descriptor', 'secret-store status --key-file /dev/fd/3 3< <(cat $DIR/key)'],
    ['a process substitution', 'secret-store status --key-file <(cat $DIR/key)'],
    ['a named pipe', 'mkfifo -m 644 $DIR/pipe; cat $DIR/key >$DIR/pipe & secret-store status --key-file $DIR/pipe'],
    ['a file at stdin', 'secret-store status --key-file /dev/stdin <$DIR/key'],
    ['a here document', 'secret-store status --key-file /dev/stdin <<<$(base64 <$DIR/key)'],
  ])('comes out of %s', async (_, line) => {
    const { env } = await store()
    expect(await shell(line, env)).toMatchObject({ code: 0, stderr: '' })
  })

  test('that others may read is refused by its name, and warned of at stdin', async () => {
    const { directory, env } = await store()
    await chmod(join(directory, 'key'), 0o640)
    expect(await shell('secret-store status --key-file $DIR/key', env)).toMatchObject({
      code: 1,
      stderr:
        `error: key file ${directory}/key: expected it to be for you alone, got mode 0640\n` +
        'hint: `chmod 600` it; if others may have read it, replace the key with `secret-store keys replace`\n',
    })
    const { code, stderr } = await shell('secret-store status --key-file /dev/stdin <$DIR/key', env)
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'warning: others on this machine may read /dev/stdin; `chmod 600` it\n',
    })
  })

  test.skipIf(process.getuid?.() !== 0)('in a named pipe of another user is refused, unread', async () => {
    const { directory, env } = await store()
    await shell('mkfifo $DIR/pipe', env)
    await chown(join(directory, 'pipe'), STRANGER, STRANGER)
    const line = 'cat $DIR/key >$DIR/pipe & secret-store init --store $DIR/second --key-file $DIR/pipe'
    const { code, stderr } = await shell(line, env)
    expect(code).toBe(1)
    expect(stderr).toContain("expected it to belong to you or to root, got another user's")
  })
})

if (process.platform !== 'linux') console.warn('skipped: only Linux tells that a process waits for a pipe')

describe.skipIf(process.platform !== 'linux')('while a key is waited for', () => {
  const WAYS = [
    ['a named pipe that nobody opens', 'status --key-file $DIR/pipe', 'wait_for_partner'],
    ['a named pipe that nobody fills', 'status --key-file /dev/fd/3 3<>$DIR/pipe', 'pipe_read'],
    ['a passphrase on a descriptor', 'status --passphrase-fd 3 3<>$DIR/pipe', 'pipe_read'],
    [
      'a new passphrase on a descriptor',
      'keys add --key-file $DIR/key --new-passphrase-fd 3 3<>$DIR/pipe',
      'pipe_read',
    ],
  ] as const

  /** The program, once it waits in the system; with the exit code that a shell makes of its end. */
  async function waiting(
    line: string,
    place: string,
  ): Promise<{
    kill: (signal: NodeJS.Signals) => void
    feed: () => Promise<unknown>
    ended: Promise<[number, string]>
  }> {
    const { directory, env } = await store()
    const child = spawn('bash', ['-c', `mkfifo $DIR/pipe; (exec ${SHELL_COMMAND} ${line}); exit $?`], {
      env: environment(env),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let text = ''
    child.stderr.on('data', (part) => {
      text += part
    })
    const ended = once(child, 'close').then(([code]): [number, string] => [code as number, text])
    const own = await eventually(async () => {
      const [found = ''] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).split(' ')
      expect(await readFile(`/proc/${found}/wchan`, 'utf8')).toContain(place)
      expect(await readFile(`/proc/${found}/cmdline`, 'utf8')).toContain('secret-store')
      return Number(found)
    })
    onTestFinished(() => {
      if (child.exitCode === null) process.kill(own, 'SIGKILL')
    })
    const feed = (): Promise<unknown> => shell('cat $DIR/key >$DIR/pipe', { DIR: directory })
    return { kill: (signal) => void process.kill(own, signal), feed, ended }
  }

  test.each(
    WAYS.flatMap(([what, line, place]) =>
      (
        [
          ['SIGINT', 130],
          ['SIGTERM', 143],
          ['SIGHUP', 129],
        ] as const
      ).map(([signal, code]) => [what, signal, code, line, place] as const),
    ),
  )('%s: %s ends the program with %i', async (_, signal, code, line, place) => {
    const { kill, ended } = await waiting(line, place)
    kill(signal)
    expect((await ended)[0]).toBe(code)
  })

  test.each(WAYS.slice(0, 1))('%s: SIGUSR1 opens no debugger', async (_, line, place) => {
    const { kill, feed, ended } = await waiting(line, place)
    kill('SIGUSR1')
    await feed()
    expect(await ended).toEqual([0, ''])
  })

  test.each(WAYS.slice(0, 1))('%s: SIGQUIT writes no memory, and ends the program after it', async (_, line, place) => {
    const { kill, feed, ended } = await waiting(line, place)
    kill('SIGQUIT')
    await feed()
    expect(await ended).toEqual([131, expect.stringContaining('interrupted')])
  })
})
