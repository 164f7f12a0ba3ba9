import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, recoveryCode, SecretStore } from '../../../src/index'
import { type Outcome, run, SHELL_COMMAND, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { answers, hasTerminals, Terminal, type TerminalOptions } from '../../support/terminal'

const PASSPHRASE = 'gibbon radish tundra é'
const CODE = 'BZR7T-2QX9M-K4WPL-H8DVN-C6GJY-E3FSA-U5T0Z-9XQ2M'

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
})

async function init(): Promise<SecretStore> {
  return SecretStore.open(join(directory, 'store'), { key: passphrase(PASSPHRASE, { N: 2 ** 14 }) })
}

async function payloadOf(name: string): Promise<string | undefined> {
  const store = await init()
  const payload = await store.get({ scope: account, name })
  await store.close()
  return payload
}

const program = (args: readonly string[], options: TerminalOptions = {}): Terminal =>
  Terminal.ofProgram(args, { env, ...options })

describe.skipIf(!hasTerminals)('a key that is typed', () => {
  test('wrongly is asked for again, and then opens the store', async () => {
    await (await init()).close()
    const terminal = program(['list'])
    await answers(terminal, [
      ['Passphrase: ', 'one\r'],
      ['Wrong passphrase. Once more.\r\nPassphrase: ', 'two\r'],
      ['Wrong passphrase. Once more.\r\nPassphrase: ', `${PASSPHRASE}\r`],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toContain('nothing in the account scope')
    expect(terminal.text).not.toMatch(/one\r|two|gibbon/)
  })

  test('wrongly three times is 3, and no payload has been asked for', async () => {
    await (await init()).close()
    const terminal = program(['set', 'token'], { env: { ...env, NO_COLOR: '1' } })
    await answers(
      terminal,
      ['1\r', '2\r', '3\r'].map((typed) => ['Passphrase: ', typed] as const),
    )
    expect(await terminal.exitCode).toBe(3)
    expect(terminal.text.endsWith('error: wrong passphrase\r\nhint: nothing was changed\r\n')).toBe(true)
    expect(terminal.text).not.toContain('Payload')
    expect(terminal.text.split('Passphrase: ')).toHaveLength(4)
  })

  test('wrongly, while the payload is in a pipe: it is kept for the next try', async () => {
    await (await init()).close()
    const terminal = new Terminal('sh', ['-c', `printf piped | ${SHELL_COMMAND} set token`], { env })
    await answers(terminal, [
      ['Passphrase: ', 'wrong\r'],
      ['Passphrase: ', `${PASSPHRASE}\r`],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(await payloadOf('token')).toBe('piped')
  })

  test('is asked for by one program of a pipe after the other', async () => {
    const store = await init()
    await store.set({ scope: account, name: 'from', payload: 'piped' })
    await store.close()
    const terminal = new Terminal('sh', ['-c', `${SHELL_COMMAND} get from | ${SHELL_COMMAND} set to`], { env })
    await answers(terminal, [['Passphrase: ', `${PASSPHRASE}\r`]])
    await answers(terminal, [
      ['Passphrase: ', ''],
      ['Passphrase: ', `${PASSPHRASE}\r`],
    ])
    expect(await terminal.exitCode, terminal.text).toBe(0)
    expect(await payloadOf('to')).toBe('piped')
  })

  test('is a recovery code, too: with a typo, of another store, and right', async () => {
    const store = await init()
    const { generateRecoveryCode } = await import('../../../src/index')
    const code = generateRecoveryCode()
    await store.addKey(recoveryCode(code))
    await store.close()
    const terminal = program(['list', '--recovery'])
    await answers(terminal, [
      ['Recovery code: ', `${CODE}\r`],
      ['Recovery code: ', `${generateRecoveryCode()}\r`],
      ['Recovery code: ', `${code}\r`],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text.split('Wrong recovery code. Once more.\r\nRecovery code: ')).toHaveLength(3)
    expect(terminal.text.match(/recovery code: expected \S+/g)).toHaveLength(1)
    expect(terminal.text).not.toContain(code)
  })

  test('is a recovery code, which somebody has three tries at, typos and all', async () => {
    const store = await init()
    const { generateRecoveryCode } = await import('../../../src/index')
    await store.addKey(recoveryCode(generateRecoveryCode()))
    await store.close()
    const terminal = program(['list', '--recovery'], { env: { ...env, NO_COLOR: '1' } })
    await answers(
      terminal,
      [CODE, generateRecoveryCode(), `${CODE}X`].map((typed) => ['Recovery code: ', `${typed}\r`] as const),
    )
    expect(await terminal.exitCode).toBe(3)
    expect(terminal.text.split('Recovery code: ')).toHaveLength(4)
    expect(terminal.text.match(/recovery code: expected [^\r]+/g)).toHaveLength(2)
    expect(terminal.text.endsWith('error: wrong recovery code\r\nhint: nothing was changed\r\n')).toBe(true)
  })

  test('wrongly is asked for again by restore, and by recover', async () => {
    const store = await init()
    await store.set({ scope: account, name: 'token', payload: 'kept' })
    await store.backup(join(directory, 'backup'))
    await store.close()
    for (const args of [
      ['restore', join(directory, 'backup'), '--store', join(directory, 'restored')],
      ['recover', join(directory, 'recovered')],
    ]) {
      const terminal = program(args)
      await answers(terminal, [
        ['Passphrase: ', 'wrong\r'],
        ['Passphrase: ', `${PASSPHRASE}\r`],
      ])
      expect(await terminal.exitCode, terminal.text).toBe(0)
    }
    expect(await readdir(directory)).toEqual(expect.arrayContaining(['restored', 'recovered']))
  })

  test('wrongly for a backup in a pipe, which is read once, is 3 and says so', async () => {
    const store = await init()
    await store.backup(join(directory, 'backup'))
    await store.close()
    const line = `cat backup | ${SHELL_COMMAND} restore - --store restored`
    const restoring = (given = ''): Terminal =>
      new Terminal('sh', ['-c', `cd ${directory}; ${line} ${given}`], { env: { ...env, NO_COLOR: '1' } })
    const wrong = restoring()
    await answers(wrong, [['Passphrase: ', 'wrong\r']])
    expect(await wrong.exitCode).toBe(3)
    expect(wrong.text).toContain('error: wrong passphrase\r\nhint: try another key: one that opened the store when')
    expect(wrong.text.split('Passphrase: ')).toHaveLength(2)
    const mistyped = restoring('--recovery')
    await answers(mistyped, [['Recovery code: ', `${CODE}\r`]])
    expect(await mistyped.exitCode).toBe(3)
    expect(mistyped.text).toMatch(/recovery code: expected [^\r]*\r\nerror: wrong recovery code\r\n/)
    expect(await readdir(directory)).not.toContain('restored')
    const right = restoring()
    await answers(right, [['Passphrase: ', `${PASSPHRASE}\r`]])
    expect(await right.exitCode).toBe(0)
  })

  test('of a store that has recovery codes alone is a code, unbidden', async () => {
    const { generateRecoveryCode } = await import('../../../src/index')
    const code = generateRecoveryCode()
    await (await SecretStore.open(join(directory, 'store'), { key: recoveryCode(code) })).close()
    const terminal = program(['list'])
    await answers(terminal, [['Recovery code: ', `${code}\r`]])
    expect(await terminal.exitCode).toBe(0)
  })
})

describe('a passphrase on a descriptor', () => {
  const told = 'converts it; PowerShell writes UTF-8 with `-Encoding utf8`'

  test('is the one that is typed, with a byte order mark and a line end or without', async () => {
    await (await init()).close()
    for (const text of [PASSPHRASE, `${PASSPHRASE}\\n`, `${PASSPHRASE}\\r\\n`, `\\xef\\xbb\\xbf${PASSPHRASE}\\n`]) {
      const line = `printf '${text}' | secret-store list --quiet --passphrase-fd 0`
      expect(await shell(line, env), text).toMatchObject({ code: 0, stderr: '' })
    }
  })

  test('in UTF-16 is refused by name, with its mark and without', async () => {
    for (const convert of ['iconv -t UTF-16', 'iconv -t UTF-16LE', 'iconv -t UTF-16BE']) {
      const made = await shell(`echo radish | ${convert} | secret-store init --passphrase-fd 0`, env)
      expect(made.stderr).toContain('--passphrase-fd 0: expected UTF-8, got UTF-16')
      expect(made.code).toBe(2)
    }
    expect(await readdir(directory)).toEqual([])
    await (await init()).close()
    const { code, stderr } = await shell(`echo radish | iconv -t UTF-16 | secret-store list --passphrase-fd 0`, env)
    expect({ code, told: stderr.includes(told) }).toEqual({ code: 2, told: true })
  })

  test('is told of as what it is where it opens no backup in a pipe', async () => {
    const store = await init()
    await store.backup(join(directory, 'backup'))
    await store.close()
    const restoring = (bytes: string): Promise<Outcome> =>
      shell(
        `secret-store restore - --store ${directory}/second --passphrase-fd 3 <${directory}/backup 3< <(${bytes})`,
        env,
      )
    const wide = await restoring('echo radish | iconv -t UTF-16')
    expect({ code: wide.code, told: wide.stderr.includes(told) }).toEqual({ code: 2, told: true })
    const latin1 = await restoring(`printf 'caf\\xe9'`)
    expect(latin1).toMatchObject({ code: 3 })
    expect(latin1.stderr).toMatch(/^error: --passphrase-fd 3: expected UTF-8, got other bytes, which open nothing\n/)
    expect(await readdir(directory)).not.toContain('second')
  })

  test('in Latin-1 is refused for a new key, and opens what the library made with these bytes', async () => {
    const bytes = Uint8Array.of(0x63, 0x61, 0x66, 0xe9)
    const give = `printf 'caf\\xe9\\n' |`
    const made = await shell(`${give} secret-store init --passphrase-fd 0`, env)
    expect(made).toMatchObject({ code: 2 })
    expect(made.stderr).toContain('--passphrase-fd 0: expected UTF-8, got other bytes')
    await (await SecretStore.open(join(directory, 'store'), { key: passphrase(bytes, { N: 2 ** 14 }) })).close()
    expect(await shell(`${give} secret-store list --quiet --passphrase-fd 0`, env)).toMatchObject({ code: 0 })
    // The same letters in UTF-8 are another passphrase, and so are these bytes for another store.
    expect(await shell(`echo café | secret-store list --passphrase-fd 0`, env)).toMatchObject({ code: 3 })
    env['SECRET_STORE'] = join(directory, 'second')
    await (await SecretStore.open(env['SECRET_STORE'], { key: passphrase('café', { N: 2 ** 14 }) })).close()
    const { code, stderr } = await shell(`${give} secret-store list --passphrase-fd 0`, env)
    expect(code).toBe(3)
    expect(stderr).toMatch(/^error: --passphrase-fd 0: expected UTF-8, got other bytes, which open nothing\n/)
  })

  test.skipIf(!hasTerminals)('that is a terminal is refused: it would show what is typed', async () => {
    await (await init()).close()
    const terminal = program(['list', '--passphrase-fd', '0'])
    expect(await terminal.exitCode).toBe(2)
    expect(terminal.text).toContain('expected a file or a pipe, got a terminal, which shows what is typed')
  })
})

test('a key file of the environment that is stdin is not read again by the command of run', async () => {
  const key = join(directory, 'key')
  await writeFile(key, Buffer.alloc(32, 7), { mode: 0o600 })
  await (await SecretStore.open(join(directory, 'store'), { key: rawKey(new Uint8Array(32).fill(7)) })).close()
  const { code, stdout } = await shell(`secret-store run -- cat <${key}`, {
    ...env,
    SECRET_STORE_KEY_FILE: '/dev/stdin',
  })
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: '' })
})

test('Ctrl-C while a store is made leaves both the store and its key file, or neither', async () => {
  await mkdir(join(directory, 'many'))
  for (const wait of ['0', '0.01', '0.02', '0.05', '0.1', '0.2']) {
    const begin = `secret-store init --store many/${wait} --generate-key-file many/key${wait} & `
    const thenStop = `until [ -e many/key${wait} ]; do sleep 0.01; done; sleep ${wait}; kill -INT $!; wait $!`
    const { code } = await shell(`cd ${directory}; set -m; ${begin}${thenStop}`, env)
    expect([0, 130], wait).toContain(code)
    const found = await readdir(join(directory, 'many'))
    if (code === 0) expect(found).toContain(wait)
    expect(found.includes(wait), wait).toBe(found.includes(`key${wait}`))
    if (!found.includes(wait)) continue
    const listing = await run(
      ['list', '--store', join(directory, 'many', wait), '--key-file', join(directory, 'many', `key${wait}`)],
      { env },
    )
    expect(listing.code).toBe(0)
  }
})
