import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { run, SHELL_COMMAND, start } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal } from '../../support/terminal'
import { eventually } from '../../support/waiting'

// Whoever ends the program finds the terminal, and those who wait for an answer, as they should be.

let directory: string
let env: Record<string, string>
let keyFile: string

async function fill(secrets: number): Promise<void> {
  const store = await SecretStore.open(env['SECRET_STORE'] as string, { key: rawKey(new Uint8Array(32).fill(7)) })
  await store.batch(
    Array.from({ length: secrets }, (_, n) => {
      return { type: 'set', scope: account, name: `${n}`, payload: 'x'.repeat(300) } as const
    }),
  )
  await store.close()
}

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
  keyFile = join(directory, 'key')
  await writeFile(keyFile, Buffer.alloc(32, 7), { mode: 0o600 })
})

describe.skipIf(!hasTerminals)('a terminal', () => {
  const [HIDES_CURSOR, SHOWS_CURSOR, WRAPS_NOT, WRAPS] = ['\u001b[?25l', '\u001b[?25h', '\u001b[?7l', '\u001b[?7h']

  /** The last word on each. */
  function expectAsBefore(text: string): void {
    expect(text).toContain(HIDES_CURSOR)
    expect(text.lastIndexOf(SHOWS_CURSOR)).toBeGreaterThan(text.lastIndexOf(HIDES_CURSOR))
    expect(text.lastIndexOf(WRAPS)).toBeGreaterThan(text.lastIndexOf(WRAPS_NOT))
  }

  async function restoring(): Promise<Terminal> {
    await fill(4000)
    const file = join(directory, 'file')
    await run(['backup', file, '--key-file', keyFile], { env })
    const args = ['restore', file, '--key-file', keyFile, '--store', join(directory, 'second')]
    const terminal = Terminal.ofProgram(args, { env })
    await terminal.sees('restore [')
    return terminal
  }

  test('is as it was after Ctrl-C, and after a second one that ends the program at once', async () => {
    for (const presses of ['\u0003', '\u0003\u0003']) {
      const terminal = await restoring()
      terminal.type(presses)
      expect(await terminal.exitCode).toBe(130)
      expectAsBefore(terminal.text)
      directory = await temporaryDirectory()
      env = { ...env, SECRET_STORE: join(directory, 'store') }
    }
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('is as it was after %s', async (signal, code) => {
    const terminal = await restoring()
    process.kill(terminal.pid, signal)
    expect(await terminal.exitCode).toBe(code)
    expectAsBefore(terminal.text)
  })

  test('is as it was while the program is stopped', async () => {
    await fill(4000)
    const file = join(directory, 'file')
    await run(['backup', file, '--key-file', keyFile], { env })
    const terminal = new Terminal('bash', ['--norc', '--noprofile', '-i'], { env: { ...env, PS1: 'prompt> ' } })
    await terminal.sees('prompt> ')
    terminal.type(`${SHELL_COMMAND} restore ${file} --key-file ${keyFile} --store ${directory}/second\r`)
    await terminal.sees('restore [')
    terminal.type('\u001a')
    await terminal.sees('Stopped')
    expectAsBefore(terminal.text.slice(0, terminal.text.indexOf('Stopped')))
    terminal.type('fg\r')
    await terminal.sees('restored: 4000 records')
    expectAsBefore(terminal.text)
    terminal.type('exit\r')
    await terminal.exitCode
  })
})

describe('serve', () => {
  async function serving(): Promise<{ running: ReturnType<typeof start>; port: number }> {
    await fill(1)
    const running = start(['serve', '--key-file', keyFile], { env: { ...env, SECRET_STORE_API_KEY: 'sk_test_given' } })
    const [ready] = (await once(running.child.stdout as NonNullable<typeof running.child.stdout>, 'data')) as [Buffer]
    return { running, port: Number(/:(\d+)/.exec(ready.toString())?.[1]) }
  }

  const body = 'scope[type]=account&name=late&payload=example'
  const head = (port: number): string =>
    `POST /v1/apps/secrets HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer sk_test_given\r\n` +
    `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n`

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends in order with %s: a request that is under way is answered, and kept', async (signal, code) => {
    const { running, port } = await serving()
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(head(port) + body.slice(0, 10))
    let answer = ''
    socket.on('data', (part) => {
      answer += part
    })
    // So that the request is under way, and not only on its way.
    await new Promise((resolve) => setTimeout(resolve, 300))
    running.child.kill(signal)
    await eventually(() => expect(connectionTo(port)).rejects.toThrow('ECONNREFUSED'))
    expect(running.child.exitCode).toBeNull()
    socket.write(body.slice(10))
    expect((await running.outcome).code).toBe(code)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    const found = await run(['get', 'late', '--key-file', keyFile], { env })
    expect(found.stdout.toString()).toBe('example')
  })

  test('ends at once with a second signal', async () => {
    const { running, port } = await serving()
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(head(port) + body.slice(0, 10))
    await new Promise((resolve) => setTimeout(resolve, 300))
    running.child.kill('SIGTERM')
    await eventually(() => expect(connectionTo(port)).rejects.toThrow('ECONNREFUSED'))
    expect(running.child.exitCode).toBeNull()
    running.child.kill('SIGTERM')
    expect((await running.outcome).code).toBe(143)
    const found = await run(['get', 'late', '--key-file', keyFile], { env })
    expect(found.code).toBe(1)
  })

  async function connectionTo(port: number): Promise<void> {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
    } finally {
      socket.destroy()
    }
  }
})
