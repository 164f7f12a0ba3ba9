import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SecretStoreError } from '../../../../src/errors'
import { alreadyThere, system } from '../../../../src/storage/directory/system-errors'
import { droppedBytes } from '../../../../src/storage/level/logs'
import { temporaryDirectory } from '../../../support/stores'

describe('what the system refuses', () => {
  test('is ERR_IO, and the system’s own error its cause', async () => {
    const path = join(await temporaryDirectory(), 'absent')
    const error = await system('backup', () => readFile(path)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SecretStoreError)
    expect(error).toMatchObject({
      code: 'ERR_IO',
      message: 'backup: expected to read and write it, got a refusal by the system (ENOENT)',
      cause: { code: 'ENOENT', syscall: 'open' },
    })
  })

  test('is ERR_EXISTS if something is there already', async () => {
    const path = join(await temporaryDirectory(), 'file')
    await writeFile(path, '')
    const error = await system('backup', () => open(path, 'wx')).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_EXISTS',
      message: 'backup: expected nothing there yet, got something',
      cause: { code: 'EEXIST' },
    })
    expect(alreadyThere('location')).toMatchObject({
      code: 'ERR_EXISTS',
      message: 'location: expected nothing there yet, got something',
      cause: undefined,
    })
  })

  test.each([
    [
      'an error with a code',
      new SecretStoreError('ERR_CORRUPT', 'x', { cause: Object.assign(new Error(), { syscall: 'read' }) }),
    ],
    ['a coded error of a call', Object.assign(new SecretStoreError('ERR_LOCKED', 'x'), { syscall: 'open' })],
    ['another error', new TypeError('x')],
    ['an error with no call of the system', Object.assign(new Error('x'), { code: 'EEXIST' })],
    ['what is no error', { syscall: 'open', code: 'EEXIST' }],
    ['a text', 'syscall'],
    ['nothing', undefined],
  ])('but %s stays as it is', async (_, thrown) => {
    const failing = system('location', async () => {
      throw thrown
    })
    expect(await failing.catch((caught: unknown) => caught)).toBe(thrown)
  })

  test('a call of the system that failed without a code is ERR_IO', async () => {
    const failing = system('location', async () => {
      throw Object.assign(new Error('x'), { syscall: 'read' })
    })
    await expect(failing).rejects.toMatchObject({ code: 'ERR_IO' })
  })

  test('what is done is handed on', async () => {
    expect(await system('location', async () => 'done')).toBe('done')
  })
})

describe('what LevelDB says it passed over', () => {
  const MIB = 1024 * 1024

  test.each([
    ['nothing', '2026/11/28 Recovering log #3\n', 0],
    ['one place', 'x 3.log: dropping 17 bytes; Corruption: checksum mismatch\n', 17],
    ['two', 'dropping 17 bytes\nand\ndropping 4000 bytes\n', 4017],
    ['words that are like it', 'dropping  bytes, dropping x bytes, dropped 5 bytes, dropping 6 byte', 0],
    ['a character cut at the end', 'dropping 3 bytes \xc3', 3],
    ['what is far behind the beginning', `${'x'.repeat(MIB - 9)}dropping 8 bytes`, 0],
    ['what is just within it', `${'x'.repeat(MIB - 16)}dropping 8 bytes`, 8],
  ])('is counted in a LOG with %s', async (_, text, bytes) => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'LOG'), text, 'latin1')
    expect(await droppedBytes(directory)).toBe(bytes)
  })

  test('is nothing where there is no LOG, or where that is no file', async () => {
    const directory = await temporaryDirectory()
    expect(await droppedBytes(directory)).toBe(0)
    await mkdir(join(directory, 'LOG'))
    expect(await droppedBytes(directory)).toBe(0)
  })
})
