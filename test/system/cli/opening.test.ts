import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, recoveryCode, SecretStore } from '../../../src/index'
import { run, SHELL_COMMAND, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal, type TerminalOptions } from '../../support/terminal'

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

/** Somebody types each answer when its question is there. */
async function answers(
  terminal: Terminal,
  questions: readonly (readonly [string, string | Uint8Array])[],
): Promise<void> {
  const asked = new Map<string, number>()
  for (const [question, answer] of questions) {
    const times = (asked.get(question) ?? 0) + 1
    asked.set(question, times)
    await terminal.sees(question, times)
    terminal.type(answer)
  }
}

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
      ['Wrong recovery code. Once more.\r\nRecovery code: ', `${code}\r`],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toMatch(/recovery code: expected \S+/)
    expect(terminal.text).not.toContain(code)
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

  test('of a store that has recovery codes alone is a code, unbidden', async () => {
    const { generateRecoveryCode } = await import('../../../src/index')
    const code = generateRecoveryCode()
    await (await SecretStore.open(join(directory, 'store'), { key: recoveryCode(code) })).close()
    const terminal = program(['list'])
    await answers(terminal, [['Recovery code: ', `${code}\r`]])
    expect(await terminal.exitCode).toBe(0)
  })
})

describe.skipIf(!hasTerminals)('what is typed in another encoding', () => {
  const latin1 = (text: string): Buffer => Buffer.from(`${text}\r`, 'latin1')

  test('is no passphrase, and is asked for again', async () => {
    await (await init()).close()
    const terminal = program(['list'])
    await answers(terminal, [
      ['Passphrase: ', latin1(PASSPHRASE)],
      ['That was not UTF-8: set the terminal to UTF-8, or Ctrl-C to stop.\r\nPassphrase: ', `${PASSPHRASE}\r`],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).not.toContain('Wrong')
  })

  test('is no new passphrase', async () => {
    const terminal = program(['init'])
    await answers(terminal, [
      ['New passphrase: ', latin1('caf\xe9')],
      ['New passphrase: ', 'café\r'],
      ['The same again: ', latin1('caf\xe9')],
      ['The same again: ', 'café\r'],
    ])
    expect(await terminal.exitCode).toBe(0)
    const store = await SecretStore.open(join(directory, 'store'), { key: passphrase('café'), createIfMissing: false })
    await store.close()
  })

  test('is no payload, and nothing is stored', async () => {
    await (await init()).close()
    const terminal = program(['set', 'token'])
    await answers(terminal, [
      ['Passphrase: ', `${PASSPHRASE}\r`],
      ['Payload of token: ', latin1('caf\xe9')],
      ['Payload of token: ', '\u0003'],
    ])
    expect(await terminal.exitCode).toBe(130)
    expect(await payloadOf('token')).toBeUndefined()
  })
})

test.skipIf(!hasTerminals)('keys that edit a line do so, and those that move are passed over', async () => {
  await (await init()).close()
  const terminal = program(['set', 'token'])
  await answers(terminal, [
    ['Passphrase: ', `gone\u0015${PASSPHRASE}\r`],
    // Backspace over two characters of several bytes, arrows, Home and F1, a word, and an escape of its own.
    ['Payload of token: ', '\u001b'],
  ])
  await new Promise((resolve) => setTimeout(resolve, 200))
  terminal.type('p\u001b[Da\u001b[1;5Cyé💥\u007f\u007fl\u001b[H\u001bOPo word\u0017ad\r')
  expect(await terminal.exitCode).toBe(0)
  expect(await payloadOf('token')).toBe('paylo ad')
})

describe.skipIf(!hasTerminals)('a prompt', () => {
  test.each([
    ['a dumb terminal', { TERM: 'dumb' }, 120],
    ['a terminal of no known width', {}, 0],
    ['a narrow terminal', {}, 5],
    ['any other', {}, 120],
  ])('is one line of text at %s', async (_, more, columns) => {
    const terminal = program(['init', '--quiet'], { env: { ...env, ...more }, columns })
    await answers(terminal, [
      ['New passphrase: ', 'gibbon\r'],
      ['The same again: ', 'gibbon\r'],
    ])
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toMatch(/^New passphrase: \r\nStrength: [^\r]*\r\nThe same again: \r\n$/)
  })

  /** What the terminal is like once the program has ended. */
  async function afterwards(command: string, end: (terminal: Terminal) => Promise<void>): Promise<string> {
    const terminal = new Terminal(
      'bash',
      ['-c', `${SHELL_COMMAND} ${command}; echo "code $?"; stty -a | tr ';' '\\n'`],
      {
        env,
      },
    )
    await end(terminal)
    await terminal.exitCode
    return terminal.text
  }

  test.each([
    ['Ctrl-C', '\u0003', 130],
    ['Ctrl-D', '\u0004', 130],
    ['Ctrl-\\', '\u001c', 131],
  ])('leaves the terminal as it was on %s', async (_, typed, code) => {
    await (await init()).close()
    for (const [command, question] of [
      ['list', 'Passphrase: '],
      ['init --store second', 'New passphrase: '],
      ['list --recovery', 'Recovery code: '],
    ] as const) {
      const text = await afterwards(command, (terminal) => answers(terminal, [[question, typed]]))
      expect(text).toContain(`code ${code}`)
      expect(text).toMatch(/[\s;]icanon /)
      expect(text).toMatch(/[\s;]isig /)
      expect(text).toMatch(/[\s;]echo /)
      expect(text.split('\u001b[?25l')).toHaveLength(1)
    }
  })

  test('that is stopped by Ctrl-Z leaves the terminal as it was, and asks again when it goes on', async () => {
    await (await init()).close()
    const line = `set -m; ${SHELL_COMMAND} list; echo "stopped $?"; stty -a; fg >/dev/null; echo "code $?"; stty -a`
    const terminal = new Terminal('bash', ['-ic', line], { env })
    await answers(terminal, [
      ['Passphrase: ', 'gibb\u001a'],
      ['Passphrase: ', `${PASSPHRASE}\r`],
    ])
    await terminal.exitCode
    expect(terminal.text).toContain('stopped 148')
    expect(terminal.text).toContain('code 0')
    expect(terminal.text.match(/[\s;]icanon /g)).toHaveLength(2)
    expect(terminal.text.match(/[\s;]echo /g)).toHaveLength(2)
    expect(terminal.text).not.toContain('gibb')
  })

  test.skipIf(process.platform !== 'linux').each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('leaves the terminal as it was on %s', async (signal, code) => {
    await (await init()).close()
    const text = await afterwards('list', async (terminal) => {
      await terminal.sees('Passphrase: ')
      const children = await readFile(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'latin1')
      process.kill(Number(children.trim()), signal)
    })
    expect(text).toContain(`code ${code}`)
    expect(text).toMatch(/[\s;]icanon /)
    expect(text).toMatch(/[\s;]echo /)
  })
})

describe.skipIf(!hasTerminals)('what takes long', () => {
  async function backup(): Promise<string[]> {
    const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(new Uint8Array(32).fill(7)) })
    const set = (n: number) => ({ type: 'set', scope: account, name: `${n}`, payload: 'x'.repeat(300) }) as const
    await store.batch(Array.from({ length: 4000 }, (_, n) => set(n)))
    await store.backup(join(directory, 'file'))
    await store.close()
    await writeFile(join(directory, 'key'), Buffer.alloc(32, 7), { mode: 0o600 })
    return [join(directory, 'file'), '--key-file', join(directory, 'key'), '--store', join(directory, 'second')]
  }

  test('and is ended by Ctrl-C gives the cursor and the wrapping of lines back', async () => {
    const terminal = program(['restore', ...(await backup())])
    await terminal.sees('restore [')
    terminal.type('\u0003')
    expect(await terminal.exitCode).toBe(130)
    const { text } = terminal
    for (const mode of ['?25', '?7']) {
      expect(text.lastIndexOf(`\u001b[${mode}h`), mode).toBeGreaterThan(text.lastIndexOf(`\u001b[${mode}l`))
    }
  })

  test.each([{ TERM: 'dumb' }, { SECRET_STORE_PLAIN: '1' }])('says so in a line of text with %j', async (more) => {
    const terminal = program(['restore', ...(await backup())], { env: { ...env, ...more } })
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toMatch(/^restore: under way\r\nrestored: 4000 records[^\r]*\r\n$/)
    expect(terminal.text).not.toContain('\u001b')
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
  for (const wait of ['0.05', '0.15', '0.2', '0.25', '0.3', '0.35']) {
    const line = `secret-store init --store many/${wait} --generate-key-file many/key${wait} & sleep ${wait}; kill -INT $!; wait $!`
    await shell(`cd ${directory}; set -m; ${line}`, env)
    const found = await readdir(join(directory, 'many'))
    expect(found.includes(wait), wait).toBe(found.includes(`key${wait}`))
    if (!found.includes(wait)) continue
    const listing = await run(
      ['list', '--store', join(directory, 'many', wait), '--key-file', join(directory, 'many', `key${wait}`)],
      { env },
    )
    expect(listing.code).toBe(0)
  }
})
