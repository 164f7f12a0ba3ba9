import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, SecretStore } from '../../../src/index'
import { SHELL_COMMAND } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { answers, hasTerminals, Terminal, type TerminalOptions } from '../../support/terminal'

const PASSPHRASE = 'gibbon radish tundra é'

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
