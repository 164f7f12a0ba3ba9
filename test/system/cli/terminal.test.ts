import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, SecretStore } from '../../../src/index'
import { run, SHELL_COMMAND } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'
import { hasTerminals, Terminal } from '../../support/terminal'

const PASSPHRASE = 'gibbon radish tundra'

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
})

const program = (...args: string[]): Terminal => Terminal.ofProgram(args, { env })

describe.skipIf(!hasTerminals)('at a terminal', () => {
  test('a new passphrase is hidden, judged, asked for twice, and again if the two are not the same', async () => {
    const terminal = program('init')
    await terminal.sees('New passphrase')
    terminal.type('password\r')
    await terminal.sees('Strength: very weak; a few unrelated words are better.')
    await terminal.sees('The same again')
    terminal.type('passwort\r')
    await terminal.sees('These were not the same. Once more.')
    await terminal.sees('New passphrase', 2)
    terminal.type(`${PASSPHRASE}\r`)
    await terminal.sees('The same again', 2)
    terminal.type(`${PASSPHRASE}\r`)
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toContain('made a store at')
    for (const typed of ['password\r', 'passwort', PASSPHRASE, 'gibbon']) expect(terminal.text).not.toContain(typed)
    const store = await SecretStore.open(join(directory, 'store'), {
      key: passphrase(PASSPHRASE),
      createIfMissing: false,
    })
    await store.close()
  })

  test('a payload is hidden, and shown with a line end', async () => {
    await init()
    const setting = program('set', 'token')
    // The key first, so that nobody types a payload for a store that does not open.
    await setting.sees('Passphrase')
    setting.type(`${PASSPHRASE}\r`)
    await setting.sees('Payload of token')
    setting.type('s3cret payload\r')
    expect(await setting.exitCode).toBe(0)
    expect(setting.text).not.toContain('s3cret')
    expect(setting.text).not.toContain('gibbon')
    const getting = program('get', 'token')
    await getting.sees('Passphrase')
    getting.type(`${PASSPHRASE}\r`)
    expect(await getting.exitCode).toBe(0)
    expect(getting.text.endsWith('s3cret payload\r\n')).toBe(true)
  })

  test.each([
    ['at once', ['line one\rline two\rline three\r']],
    ['as some terminals mark it', ['\u001b[200~line one\nline two\u001b[201~']],
    ['in pieces, longer than a terminal buffers', ['line one\rline two', `\r${'x'.repeat(3000)}\r`.repeat(4)]],
    ['with a line end alone first', ['line one\n', 'line two\r']],
  ])('several lines pasted as a payload, %s: refused, and none of them is kept or shown', async (_, pieces) => {
    await init()
    const terminal = new Terminal(
      'bash',
      ['-c', `${SHELL_COMMAND} set token; echo "code $?"; read -t 0.5 rest; echo "rest:$rest"`],
      { env },
    )
    await terminal.sees('Passphrase')
    terminal.type(`${PASSPHRASE}\r`)
    await terminal.sees('Payload of token')
    for (const piece of pieces) terminal.type(piece)
    await terminal.exitCode
    expect(terminal.text).toContain('Payload of token: expected one line, got several; nothing was kept')
    expect(terminal.text).toContain('code 2')
    expect(terminal.text).toMatch(/rest:\r\n$/)
    expect(terminal.text).not.toMatch(/line (?:one|two|three)|xxx/)
  })

  test('Ctrl-D at a prompt is 130', async () => {
    await init()
    const terminal = program('list')
    await terminal.sees('Passphrase')
    terminal.type('\u0004')
    expect(await terminal.exitCode).toBe(130)
    expect(terminal.text).toContain('interrupted')
  })

  test('the passphrase is asked for at the terminal when stdin is a pipe', async () => {
    await init()
    const terminal = new Terminal(
      'sh',
      ['-c', `printf piped | ${SHELL_COMMAND} set token && ${SHELL_COMMAND} get token | tr a-z A-Z`],
      { env },
    )
    await terminal.sees('Passphrase')
    terminal.type(`${PASSPHRASE}\r`)
    await terminal.sees('created token in the account scope')
    await terminal.sees('Passphrase', 2)
    terminal.type(`${PASSPHRASE}\r`)
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toContain('PIPED')
  })

  test('Ctrl-C at a prompt is 130, and nothing is made', async () => {
    const terminal = program('init')
    await terminal.sees('New passphrase')
    terminal.type('half')
    terminal.type('\u0003')
    expect(await terminal.exitCode).toBe(130)
    expect(terminal.text).toContain('interrupted')
    expect(await readdir(directory)).not.toContain('store')
  })

  describe('what takes long', () => {
    beforeEach(async () => {
      const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(new Uint8Array(32).fill(7)) })
      await store.batch(
        Array.from(
          { length: 4000 },
          (_, n) => ({ type: 'set', scope: account, name: `${n}`, payload: 'x'.repeat(300) }) as const,
        ),
      )
      await store.close()
      env['KEY'] = join(directory, 'key')
      const { writeFile } = await import('node:fs/promises')
      await writeFile(env['KEY'], Buffer.alloc(32, 7), { mode: 0o600 })
    })

    /** The arguments of each, on a store as above. */
    async function prepared(name: string): Promise<string[]> {
      const keyFile = env['KEY'] as string
      const file = join(directory, 'file')
      if (name === 'backup') return [name, file, '--key-file', keyFile]
      if (name === 'restore') {
        await run(['backup', file, '--key-file', keyFile], { env })
        return [name, file, '--key-file', keyFile, '--store', join(directory, 'second')]
      }
      if (name === 'import') {
        await run(['export', '--format', 'json', '--output', file, '--key-file', keyFile], { env })
        return [name, file, '--format', 'json', '--user', 'usr_1', '--key-file', keyFile]
      }
      return [name, '--key-file', keyFile]
    }

    const LONG = ['verify', 'rotate', 'backup', 'restore', 'import']

    test.each(LONG)('%s shows a bar with rate and time left', async (name) => {
      const terminal = program(...(await prepared(name)))
      expect(await terminal.exitCode).toBe(0)
      expect(terminal.text).toMatch(new RegExp(`${name} \\[.+\\] \\d+% \\d+/\\d+ \\d+/s, \\S+ left`))
    })

    test.each(LONG)('%s is ended by Ctrl-C: 130, and the store is sound', async (name) => {
      const terminal = program(...(await prepared(name)))
      await terminal.sees(`${name} [`)
      terminal.type('\u0003')
      expect(await terminal.exitCode).toBe(130)
      expect(terminal.text).toContain('interrupted; the store is sound')
      if (name === 'backup') expect(await readdir(directory)).not.toContain('file')
      if (name === 'restore') expect(await readdir(directory)).not.toContain('second')
      const verified = await run(['verify', '--key-file', env['KEY'] as string], { env })
      const records = verified.stdout.toString()
      // An import is one write, which may have been under way.
      const expected = name === 'import' ? /^sound: (?:4000|8000) records/ : /^sound: 4000 records/
      expect(records).toMatch(expected)
    })
  })

  test('colours are for terminals, and not with NO_COLOR', async () => {
    const colour = '\u001b[31merror:'
    const plain = program('list')
    expect(await plain.exitCode).toBe(1)
    expect(plain.text).toContain(colour)
    const without = Terminal.ofProgram(['list'], { env: { ...env, NO_COLOR: '1' } })
    expect(await without.exitCode).toBe(1)
    expect(without.text).not.toContain('\u001b[')
    expect((await run(['list'], { env })).stderr).not.toContain('\u001b[')
  })

  async function init(): Promise<void> {
    const store = await SecretStore.open(join(directory, 'store'), { key: passphrase(PASSPHRASE, { N: 2 ** 14 }) })
    await store.close()
  }
})
