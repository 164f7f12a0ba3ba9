import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { defaultLocation, pathOf } from '../../../src/cli/paths'
import { account, passphrase, rawKey, SecretStore, SecretStoreError } from '../../../src/index'
import { temporaryDirectory } from '../../support/stores'
import { Machine } from './transcript'

/** A directory, and what comes of commands there. */
async function machine(
  more: readonly string[] = [],
): Promise<{ directory: string; run: (command: string) => Promise<string> }> {
  const directory = await temporaryDirectory()
  const own = new Machine(directory)
  await own.prepare(['= SECRET_STORE=DIR/store', ...more])
  return {
    directory,
    run: (command) => own.run({ before: [], command: `secret-store ${command}`, stdin: '', expected: '' }),
  }
}

describe('a damaged backup', () => {
  test.each([
    ['cut off', (path: string) => truncate(path, 1000)],
    [
      'altered',
      async (path: string) => {
        const bytes = await readFile(path)
        bytes[bytes.length - 100] = (bytes.at(-100) ?? 0) ^ 1
        await writeFile(path, bytes)
      },
    ],
  ])('%s, is told of with a hint about backups', async (_, damage) => {
    const { directory, run } = await machine()
    await run('init --generate-key-file DIR/key')
    await run('backup DIR/backup --key-file DIR/key')
    await damage(join(directory, 'backup'))
    const said = await run('restore DIR/backup --store DIR/second --key-file DIR/key')
    expect(said).toMatch(/^! error: backup.*\n! hint: restore another copy of the backup, or an older one; .*\n\? 5\n$/)
    expect(await readdir(directory)).not.toContain('second')
  })
})

describe('a key file made for a store', () => {
  test('is gone again if the store cannot be made, so that the command can be given again', async () => {
    const { directory, run } = await machine()
    await writeFile(join(directory, 'file'), '')
    expect(await run('init --store DIR/file/store --generate-key-file DIR/key')).toMatch(/cannot be made \(E/)
    await mkdir(join(directory, 'open'))
    expect(await readdir(directory)).not.toContain('key')
    expect(await run('init --generate-key-file DIR/key')).toMatch(/^> made a store/)
    // A slot that is not there: nothing was replaced, and the key opens nothing.
    const replacing = 'keys replace AAAAAAAAAAA --generate-key-file DIR/second --key-file DIR/key'
    expect(await run(replacing)).toMatch(/^! error: slot/)
    expect(await readdir(directory)).not.toContain('second')
  })

  test('is gone again if the label is too long', async () => {
    const { directory, run } = await machine()
    const label = `--label ${'x'.repeat(201)}`
    expect(await run(`init --generate-key-file DIR/key ${label}`)).toMatch(
      /^! error: label: expected .*\n(?:!.*\n)?\? 2\n$/,
    )
    expect(await readdir(directory)).toEqual([])
    await run('init --generate-key-file DIR/key')
    const adding = `keys add --generate-key-file DIR/second --key-file DIR/key ${label}`
    expect(await run(adding)).toMatch(/^! error: label: expected /)
    expect(await readdir(directory)).not.toContain('second')
  })

  test('stays if it opens the store, whatever failed', async () => {
    const { directory, run } = await machine()
    await run('init --generate-key-file DIR/key')
    const addKey = SecretStore.prototype.addKey
    const spy = vi.spyOn(SecretStore.prototype, 'addKey').mockImplementation(async function (this: SecretStore, key) {
      await addKey.call(this, key)
      throw Object.assign(new Error('the disk is gone'), { code: 'ERR_IO' })
    })
    expect(await run('keys add --generate-key-file DIR/second --key-file DIR/key')).toContain('the disk is gone')
    spy.mockRestore()
    expect(await run('status --key-file DIR/second')).toContain('key slots  2')
    expect(await readdir(directory)).toContain('second')
  })
})

describe('a process that shares the store, and does not answer,', () => {
  test.each([
    ['ERR_OUTCOME_UNKNOWN', 6, 'hint: it may have taken effect, now or later: look at the store'],
    ['ERR_BUSY', 4, 'hint: continue or end the process that holds the store'],
  ] as const)('is told of by %s, as exit code %i', async (code, exitCode, hint) => {
    const { run } = await machine()
    await run('init --generate-key-file DIR/key')
    const spy = vi.spyOn(SecretStore.prototype, 'removeKey').mockRejectedValue(new SecretStoreError(code, 'no answer'))
    onTestFinished(() => spy.mockRestore())
    const said = await run('keys remove AAAAAAAAAAA --key-file DIR/key')
    expect(said).toMatch(/^! error: no answer\n/)
    expect(said).toContain(hint)
    expect(said.endsWith(`? ${exitCode}\n`)).toBe(true)
  })
})

describe('what earlier versions made of a passphrase', () => {
  test.each([
    ['a byte order mark', '\ufeffradish'],
    ['a line end in a variable', 'radish\n'],
  ])('with %s still opens a store', async (_, former) => {
    const directory = await temporaryDirectory()
    const store = await SecretStore.open(join(directory, 'store'), { key: passphrase(former, { N: 2 ** 14 }) })
    await store.set({ scope: account, name: 'a', payload: 'kept' })
    await store.close()
    const own = new Machine(directory)
    await own.prepare(['= SECRET_STORE=DIR/store'])
    await own.prepare([`= SECRET_STORE_PASSPHRASE=${former}`])
    const run = (command: string): Promise<string> => own.run({ before: [], command, stdin: '', expected: '' })
    expect(await run('secret-store get a')).toBe('>> kept\n')
    expect(await run('secret-store rotate --root --quiet')).toBe('')
    expect(await run('secret-store get a')).toBe('>> kept\n')
  })
})

describe('a variable of the key file that is no path', () => {
  const told = "SECRET_STORE_KEY_FILE: expected a path without ~, got '~ada/key'"

  test('is nothing to a command that needs no key', async () => {
    const { run } = await machine(['= SECRET_STORE_KEY_FILE=~ada/key'])
    expect(await run('completion bash')).not.toContain('SECRET_STORE_KEY_FILE')
    expect(await run('init --generate-key-file DIR/key --quiet')).toBe('')
    expect(await run('list --quiet --key-file DIR/key')).toBe('')
  })

  test.each(['list', 'keys list', 'restore DIR/file', 'restore -', 'set token', 'keys add'])(
    'is refused by %s, which does',
    async (command) => {
      const { directory, run } = await machine(['= SECRET_STORE_KEY_FILE=~ada/key'])
      await writeFile(join(directory, 'file'), '')
      if (!command.startsWith('restore')) await run('init --generate-key-file DIR/key')
      expect(await run(command)).toContain(told)
    },
  )

  test('is refused by init, and nothing is made', async () => {
    const { directory, run } = await machine(['= SECRET_STORE_KEY_FILE=~ada/key'])
    expect(await run('init')).toContain(told)
    expect(await readdir(directory)).toEqual([])
  })
})

describe('a store without a passphrase', () => {
  test('is told of by what opens it', async () => {
    const { directory, run } = await machine()
    const key = { ...rawKey(new Uint8Array(32)), kind: 'my-key' }
    await (await SecretStore.open(join(directory, 'store'), { key })).close()
    expect(await run('list')).toBe(
      '! error: no key was given, and this store has no passphrase: it is opened by my-key\n! hint: use --key-file or SECRET_STORE_KEY_FILE\n? 2\n',
    )
  })
})

describe.skipIf(process.platform === 'win32')('a home', () => {
  const io = (env: Record<string, string>): { env: Record<string, string> } => ({ env })
  function withHome(homedir: string | Error): void {
    const spy = vi.spyOn(os, 'userInfo').mockImplementation((() => {
      if (typeof homedir !== 'string') throw homedir
      return { homedir }
    }) as never)
    syncBuiltinESMExports()
    onTestFinished(() => {
      spy.mockRestore()
      syncBuiltinESMExports()
    })
  }

  test('is where the store is, by the convention of each system', () => {
    expect(defaultLocation(io({ HOME: '/h' }), 'linux')).toBe('/h/.local/share/secret-store')
    expect(defaultLocation(io({ HOME: '/h', XDG_DATA_HOME: '/d' }), 'linux')).toBe('/d/secret-store')
    expect(defaultLocation(io({ HOME: '/h', XDG_DATA_HOME: '/d' }), 'darwin')).toBe(
      '/h/Library/Application Support/secret-store',
    )
  })

  test('without HOME is the one the system has, if it is there', async () => {
    const home = await temporaryDirectory()
    withHome(home)
    expect(defaultLocation(io({}), 'linux')).toBe(`${home}/.local/share/secret-store`)
    expect(pathOf(io({}), '~/x', '--store')).toBe(`${home}/x`)
  })

  test.each([
    ['that is not there', '/nonexistent/home'],
    ['from nowhere', 'home'],
    ['of a user whom the system does not know', new Error('uv_os_get_passwd returned ENOENT')],
  ])('%s is none', (_, homedir) => {
    withHome(homedir)
    expect(() => defaultLocation(io({}), 'linux')).toThrow('HOME: expected the path of your home, got nothing')
  })
})
