import { chmod, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, SecretStore } from '../../../src/index'
import { SHELL_COMMAND as NODE, run, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

// Hostile names and descriptors: what the command of `run` gets, it must not be able to turn against its user.

const PASSPHRASE = 'a passphrase that no command may read'
const key = Uint8Array.from({ length: 32 }, (_, index) => index)

let directory: string
let env: Record<string, string>

async function fill(secrets: Record<string, string>): Promise<void> {
  await writeFile(join(directory, 'key'), Buffer.from(key).toString('hex'), { mode: 0o600 })
  await writeFile(join(directory, 'passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
  await store.addKey(passphrase(PASSPHRASE, { N: 16_384 }))
  await store.batch(Object.entries(secrets).map(([name, payload]) => ({ type: 'set', scope: account, name, payload })))
  await store.close()
}

/** A bash with a socket for its stdin takes itself for one over the network, and does not look at BASH_ENV. */
const BASH = ['sh', '-c', 'bash -c true </dev/null']
const keyed = (command: string, ...args: string[]): string[] => [command, '--key-file', join(directory, 'key'), ...args]
const wasRun = async (): Promise<boolean> => {
  const found = await stat(join(directory, 'was-run')).catch(() => undefined)
  return found !== undefined
}

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory }
})

describe('a secret with the name of a loader', () => {
  /** A program in each of the ways that a command can be made to load one. */
  async function plant(): Promise<void> {
    const marker = join(directory, 'was-run')
    await writeFile(join(directory, 'evil.sh'), `touch ${marker}\n`)
    await writeFile(join(directory, 'evil.cjs'), `require('node:fs').writeFileSync(${JSON.stringify(marker)}, '')`)
    await mkdir(join(directory, 'bin'))
    await writeFile(join(directory, 'bin', 'true'), `#!/bin/sh\n/usr/bin/touch ${marker}\n`)
    await chmod(join(directory, 'bin', 'true'), 0o755)
  }

  test.each([
    ['bash.env', 'evil.sh', [], BASH],
    ['NODE_OPTIONS', '--require=evil.cjs', [], [process.execPath, '-e', '0']],
    ['options', '--require=evil.cjs', ['--prefix', 'NODE_'], [process.execPath, '-e', '0']],
    ['path', 'bin', ['--override'], ['true']],
    ['bash-env', 'evil.sh', ['--only', 'bash-env'], BASH],
    ['bash-env', 'evil.sh', ['--allow-loader-names'], BASH],
  ])('%s (%s, %j) runs nothing in the command', async (name, payload, flags, command) => {
    await plant()
    await fill({ [name]: payload.replace(/(?<==)|^(?=[a-z])/, `${directory}/`), other: 'x' })
    const { code, stderr } = await run(keyed('run', ...flags, '--', ...command), { env })
    expect(await wasRun()).toBe(false)
    expect(stderr).toMatch(/^error: /)
    expect(code).not.toBe(0)
  })

  test('is given where somebody names it and says so', async () => {
    await plant()
    await fill({ 'bash.env': join(directory, 'evil.sh') })
    const flags = ['--only', 'bash.env', '--allow-loader-names']
    expect((await run(keyed('run', ...flags, '--', ...BASH), { env })).code).toBe(0)
    expect(await wasRun()).toBe(true)
  })
})

test('a prefix that is no part of a name replaces no variable', async () => {
  await fill({ x: 'payload' })
  const { code, stderr } = await run(keyed('run', '--prefix', 'A=', '--', 'sh', '-c', 'echo "$A"'), {
    env: { ...env, A: 'there' },
  })
  expect(code).toBe(2)
  expect(stderr).toContain('--prefix')
})

describe.skipIf(process.platform === 'win32')('the command cannot read again what opened the store', () => {
  const rewind = [
    process.execPath,
    '-e',
    `const fs = require('node:fs')
    const seen = []
    for (let fd = 0; fd < 300; fd++) {
      // Of a pipe nothing can be read again.
      try { if (!fs.fstatSync(fd).isFile()) continue } catch { continue }
      try { seen.push(fs.readFileSync('/dev/fd/' + fd, 'utf8')) } catch {}
      const bytes = Buffer.alloc(1000)
      try { seen.push(bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, 1000, 0))) } catch {}
    }
    fs.writeSync(1, JSON.stringify(seen))`,
  ]
  const quoted = rewind.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')

  test.each([
    ['a file at stdin', '--passphrase-fd 0 --', '<DIR/passphrase'],
    ['a file at both', '--passphrase-fd 3 --', '<DIR/passphrase 3<DIR/passphrase'],
    ['a file at another descriptor', '--passphrase-fd 3 --', '3<DIR/passphrase </dev/null'],
    ['a file at a high descriptor', '--passphrase-fd 200 --', '200<DIR/passphrase </dev/null'],
    ['a file at two descriptors', '--passphrase-fd 3 --', '3<DIR/passphrase 200<DIR/passphrase </dev/null'],
    ['a key file by the name of stdin', '--key-file /dev/stdin --', '<DIR/key'],
    ['a key file by the name of a descriptor', '--key-file /dev/fd/201 --', '201<DIR/key </dev/null'],
  ])('%s', async (_, flags, redirections) => {
    await fill({ token: 'payload' })
    const place = redirections.replaceAll('DIR', directory)
    const { code, stdout, stderr } = await shell(`secret-store run ${flags} ${quoted} ${place}`, env)
    expect(code, stderr).toBe(0)
    expect(stdout.toString()).toMatch(/^\[.*\]$/s)
    expect(stdout.toString()).not.toContain(PASSPHRASE)
    expect(stdout.toString()).not.toContain(Buffer.from(key).toString('hex'))
  })

  test('and still has its own stdin', async () => {
    await fill({ token: 'payload' })
    const { stdout } = await shell(
      `echo words | secret-store run --passphrase-fd 3 3<${directory}/passphrase -- cat`,
      env,
    )
    expect(stdout.toString()).toBe('words\n')
  })
})

describe.skipIf(process.platform !== 'linux')('a variable that is not UTF-8', () => {
  test('is refused, because the command would get other bytes, and goes with `env -u`', async () => {
    await fill({ token: 'payload' })
    const line = (before: string): string =>
      `X=$(printf 'caf\\351'); export X; ${before} ${NODE} run --key-file ${directory}/key -- sh -c 'printf %s "$X"'`
    const refused = await shell(line(''), env)
    expect(refused.code).toBe(1)
    expect(refused.stdout.length).toBe(0)
    expect(refused.stderr).toBe(
      'error: the command would get other bytes than are in X: it is not UTF-8\n' +
        'hint: leave it out with `env -u NAME secret-store run …`, or give it UTF-8\n',
    )
    expect(await shell(line('env -u X'), env)).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('options of the command without `--`', () => {
  test.each([
    ['sh -c true', "expected `--` before 'sh', got its option '-c' without"],
    ['env --json', "expected `--` before 'env', got its option '--json' without"],
    ['--prefix A_ npm --version', "expected `--` before 'npm', got its option '--version' without"],
    ['env --key-file other', "expected `--` before 'env', got its option '--key-file' without"],
  ])('are refused in %s, with what to type', async (words, message) => {
    await fill({ token: 'payload' })
    const { code, stderr, stdout } = await shell(`secret-store run --key-file ${directory}/key ${words}`, env)
    expect(code).toBe(2)
    expect(stdout.length).toBe(0)
    expect(stderr).toContain(message)
    // Of the command no more than its name: the rest may be secret.
    expect(stderr).toContain(` -- ${/(?<=^|A_ )(?!--)\w+/.exec(words)?.[0]} …`)
  })

  test('are expected after options that take several words', async () => {
    await fill({ token: 'payload' })
    const line = `secret-store run --only token --key-file ${directory}/key printenv TOKEN`
    const { code, stderr } = await shell(line, env)
    expect(code).toBe(2)
    expect(stderr).toBe(
      'error: run: expected `--` before the command, got none: --only takes every word up to it\n' +
        'hint: type `secret-store run --only NAME… -- COMMAND`\n',
    )
  })

  test('are no matter where there are none', async () => {
    await fill({ token: 'payload' })
    const line = `secret-store run --key-file ${directory}/key printenv TOKEN`
    const { code, stdout, stderr } = await shell(line, env)
    expect({ code, stderr, stdout: stdout.toString() }).toEqual({ code: 0, stderr: '', stdout: 'payload\n' })
  })
})
