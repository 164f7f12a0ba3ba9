import { execFileSync } from 'node:child_process'
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { type ImportReport, importFrom, type SafeStorageLike, safeStorageFiles } from '../../../src/migrate'
import { directoryDigest, temporaryDirectory } from '../../support/stores'

// With Electron's own: test/system/electron.

const PREFIX = 'v10'
const key = Buffer.alloc(16, 1)

/** As Electron on Linux: a mark, and AES-CBC. */
function encryptString(text: string): Buffer {
  const cipher = createCipheriv('aes-128-cbc', key, Buffer.alloc(16, ' '))
  return Buffer.concat([Buffer.from(PREFIX), cipher.update(text), cipher.final()])
}

function decryptString(encrypted: Uint8Array): string {
  const bytes = Buffer.from(encrypted)
  if (bytes.toString('latin1', 0, 3) !== PREFIX) throw new Error('payload-nobody-may-see')
  const decipher = createDecipheriv('aes-128-cbc', key, Buffer.alloc(16, ' '))
  return Buffer.concat([decipher.update(bytes.subarray(3)), decipher.final()]).toString()
}

const safeStorage: SafeStorageLike = { decryptString }
const UNDECRYPTED = 'safeStorage: expected to decrypt it, got an error (another app, another user, or no keyring?)'
const outcomes = ({ entries }: ImportReport): unknown[] =>
  entries.map(({ from, outcome, reason }) => [from, outcome, ...(reason === undefined ? [] : [reason])])

describe('files of safeStorage', () => {
  test('of a directory are read, reported one by one, and left as they are', async () => {
    const directory = await temporaryDirectory()
    const file = (name: string, content: Uint8Array | string): Promise<void> =>
      writeFile(join(directory, name), content)
    await file('token.enc', encryptString('example-token'))
    await file('a.b.enc', encryptString('päyload 😀\n'))
    await file('.hidden', encryptString('x'))
    await file('plain', 'payload-nobody-may-see')
    await file('cut', encryptString('example').subarray(0, 10))
    await file('none', '')
    await file('empty', encryptString(''))
    await mkdir(join(directory, 'folder'))
    await symlink(join(directory, 'token.enc'), join(directory, 'link'))
    await symlink(join(directory, 'nowhere'), join(directory, 'loose'))
    execFileSync('mkfifo', [join(directory, 'pipe')])
    const before = await directoryDigest(directory)
    const store = SecretStore.memory()
    const report = await importFrom(safeStorageFiles({ safeStorage, directory }), store)
    expect(outcomes(report)).toEqual([
      ['.hidden', 'created'],
      ['a.b', 'created'],
      ['cut', 'failed', UNDECRYPTED],
      ['empty', 'failed', 'payload: expected at least one byte, got none'],
      ['folder', 'failed', 'file: expected a file, got a directory or something else'],
      ['link', 'created'],
      ['loose', 'failed', 'file: expected to read it, got ENOENT'],
      ['none', 'failed', UNDECRYPTED],
      ['pipe', 'failed', 'file: expected a file, got a directory or something else'],
      ['plain', 'failed', UNDECRYPTED],
      ['token', 'created'],
    ])
    expect(JSON.stringify(report)).not.toContain('nobody-may-see')
    expect(await store.get({ scope: account, name: 'token' })).toBe('example-token')
    expect(await store.get({ scope: account, name: 'a.b' })).toBe('päyload 😀\n')
    expect(await directoryDigest(directory)).toBe(before)
  })

  test('are the ones that are named, under the names they are given', async () => {
    const directory = await temporaryDirectory()
    const files = ['one/token', 'two/token', 'absent'].map((path) => join(directory, path))
    await mkdir(join(directory, 'one'))
    await mkdir(join(directory, 'two'))
    await writeFile(files[0] as string, encryptString('1'))
    await writeFile(files[1] as string, encryptString('2'))
    const twice = await importFrom(safeStorageFiles({ safeStorage, files }), SecretStore.memory())
    expect(outcomes(twice)).toEqual([
      ['token', 'failed', 'name: expected one entry for it, got 2'],
      ['token', 'failed', 'name: expected one entry for it, got 2'],
      ['absent', 'failed', 'file: expected to read it, got ENOENT'],
    ])
    const nameOf = (path: string): string => path.slice(directory.length + 1)
    const store = SecretStore.memory()
    const named = await importFrom(safeStorageFiles({ safeStorage, files: files.slice(0, 2), nameOf }), store)
    expect(outcomes(named)).toEqual([
      ['one/token', 'created'],
      ['two/token', 'created'],
    ])
    expect(await store.get({ scope: account, name: 'two/token' })).toBe('2')
  })

  test.each(['base64', 'hex'] as const)('hold it as %s, or are reported', async (encoding) => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'good'), `\n${encryptString('example').toString(encoding)}\n`)
    await writeFile(join(directory, 'bad'), 'payload nobody may see!')
    await writeFile(join(directory, 'none'), '')
    await writeFile(join(directory, 'raw'), encryptString('example'))
    const report = await importFrom(safeStorageFiles({ safeStorage, directory, encoding }), SecretStore.memory())
    const problem = `file: expected ${encoding}, got something else`
    expect(outcomes(report)).toEqual([
      ['bad', 'failed', problem],
      ['good', 'created'],
      ['none', 'failed', problem],
      ['raw', 'failed', problem],
    ])
  })

  test('are decrypted by the newer method where there is one, and by the older one where that fails', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'a'), encryptString('example'))
    const importing = async (storage: SafeStorageLike): Promise<unknown[]> => {
      const store = SecretStore.memory()
      const report = await importFrom(safeStorageFiles({ safeStorage: storage, directory }), store)
      return [report.entries[0]?.outcome, await store.get({ scope: account, name: 'a' })]
    }
    const newer = async (): Promise<{ result: string; shouldReEncrypt: boolean }> => ({
      result: 'newer',
      shouldReEncrypt: true,
    })
    const broken = async (): Promise<never> => {
      throw new Error('temporarily unavailable')
    }
    expect(await importing({ decryptStringAsync: newer })).toEqual(['created', 'newer'])
    expect(await importing({ decryptStringAsync: newer, decryptString })).toEqual(['created', 'newer'])
    expect(await importing({ decryptStringAsync: broken, decryptString })).toEqual(['created', 'example'])
    expect(await importing({ decryptStringAsync: broken })).toEqual(['failed', undefined])
    expect(await importing({ decryptString: () => 5 as never })).toEqual(['failed', undefined])
  })

  test('under another key are never other text, though CBC finds nothing wrong with one in 256', async () => {
    const directory = await temporaryDirectory()
    for (let n = 0; n < 2_000; n++) await writeFile(join(directory, `${n}`), encryptString(`example token number ${n}`))
    let decrypted = 0
    const other: SafeStorageLike = {
      decryptString(encrypted) {
        const decipher = createDecipheriv('aes-128-cbc', Buffer.alloc(16, 2), Buffer.alloc(16, ' '))
        const text = Buffer.concat([decipher.update(encrypted.subarray(3)), decipher.final()]).toString()
        decrypted++
        return text
      },
    }
    const report = await importFrom(safeStorageFiles({ safeStorage: other, directory }), SecretStore.memory())
    expect(decrypted).toBeGreaterThan(0)
    const garbled = 'safeStorage: expected text, got bytes that are none (encrypted under another key?)'
    expect(report.entries.filter(({ reason }) => reason === garbled)).toHaveLength(decrypted)
    expect(report).toMatchObject({ created: 0, failed: 2_000 })
  })

  test('are given to safeStorage as a Buffer, and on itself', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'a'), encryptString('example').toString('hex'))
    const strict = {
      decryptString: vi.fn(function (this: unknown, encrypted: Uint8Array) {
        if (this !== strict || !Buffer.isBuffer(encrypted)) throw new TypeError('Illegal invocation')
        return 'x'
      }),
    }
    const source = safeStorageFiles({ safeStorage: strict, directory, encoding: 'hex' })
    expect((await importFrom(source, SecretStore.memory())).created).toBe(1)
  })

  test('in a directory that cannot be read are no import at all', async () => {
    const directory = join(await temporaryDirectory(), 'absent')
    const importing = importFrom(safeStorageFiles({ safeStorage, directory }), SecretStore.memory())
    await expect(importing).rejects.toMatchObject({
      code: 'ERR_IO',
      message: 'directory: expected to read it, got a refusal by the system (ENOENT)',
      cause: { code: 'ENOENT' },
    })
  })
})

test.each<[object, string]>([
  [{ directory: 'a' }, 'safeStorage: expected electron.safeStorage, got something else'],
  [{ safeStorage: {}, directory: 'a' }, 'safeStorage: expected electron.safeStorage, got something else'],
  [{ safeStorage }, "safeStorageFiles: expected either 'directory' or 'files', got both or neither"],
  [
    { safeStorage, directory: 'a', files: [] },
    "safeStorageFiles: expected either 'directory' or 'files', got both or neither",
  ],
  [{ safeStorage, directory: '' }, 'directory: expected a path, got something else'],
  [{ safeStorage, files: 'a' }, 'files: expected an array of paths, got something else'],
  [{ safeStorage, files: [5] }, 'files: expected a path, got something else'],
  [{ safeStorage, files: [], encoding: 'utf8' }, "encoding: expected 'raw', 'base64' or 'hex', got something else"],
  [{ safeStorage, files: [], nameOf: 'x' }, 'nameOf: expected a function, got a string'],
  [
    { safeStorage, file: 'a' },
    "safeStorageFiles: expected only safeStorage, directory, files, encoding, nameOf, got 'file' (did you mean 'files'?)",
  ],
])('refuses %j', (options, message) => {
  expect(() => safeStorageFiles(options as never)).toThrow(new TypeError(message))
})
