import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../../src/base/bytes'
import {
  installKeyring,
  isUnchanged,
  type KeyringStorage,
  stageKeyring,
} from '../../../../src/storage/directory/keyring-json'
import { codeOf, temporaryDirectory } from '../../../support/stores'

const [FIRST, SECOND] = [utf8('first'), utf8('second')]

/** A directory that holds keyring.json and nothing else. */
async function newStorage(): Promise<KeyringStorage & { readonly directory: string }> {
  const directory = await temporaryDirectory()
  await chmod(directory, 0o700)
  await writeFile(join(directory, 'keyring.json'), FIRST, { mode: 0o600 })
  return { location: { directory, state: 'store', allowUnsafe: false }, bytes: FIRST, directory }
}

const contents = async (directory: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(directory)).map(async (name) => [name, await readFile(join(directory, name), 'utf8')] as const),
    ),
  )

describe('the next keyring.json', () => {
  test('stands beside the one that counts until it is put in its place', async () => {
    const storage = await newStorage()
    await stageKeyring(storage, SECOND)
    expect(await contents(storage.directory)).toEqual({ 'keyring.json': 'first', 'keyring.json.new': 'second' })
    expect(storage.bytes).toBe(FIRST)
    expect(await isUnchanged(storage)).toBe(true)
    await installKeyring(storage, SECOND)
    expect(await contents(storage.directory)).toEqual({ 'keyring.json': 'second' })
    expect(storage.bytes).toBe(SECOND)
    expect(await isUnchanged(storage)).toBe(true)
  })

  test('takes the place of one that was staged and never installed', async () => {
    const storage = await newStorage()
    await writeFile(join(storage.directory, 'keyring.json.new'), 'half')
    await stageKeyring(storage, SECOND)
    expect((await contents(storage.directory))['keyring.json.new']).toBe('second')
  })

  test('is not made beside one that another has written', async () => {
    const storage = await newStorage()
    await writeFile(join(storage.directory, 'keyring.json'), 'another')
    expect(await isUnchanged(storage)).toBe(false)
    expect(await codeOf(() => stageKeyring(storage, SECOND))).toBe('ERR_LOCKED')
    expect(await contents(storage.directory)).toEqual({ 'keyring.json': 'another' })
  })

  test('that cannot be staged is ERR_IO, and one that cannot be installed too, with nothing changed', async () => {
    const storage = await newStorage()
    expect(await codeOf(() => installKeyring(storage, SECOND))).toBe('ERR_IO')
    expect(storage.bytes).toBe(FIRST)
    await mkdir(join(storage.directory, 'keyring.json.new'))
    const staging = stageKeyring(storage, SECOND)
    await expect(staging).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(IO|EXISTS)$/),
      message: expect.stringMatching(/^location: /),
    })
    expect(await readFile(join(storage.directory, 'keyring.json'), 'utf8')).toBe('first')
  })

  test('of a store in memory is kept nowhere else', async () => {
    const storage: KeyringStorage = { location: undefined, bytes: FIRST }
    expect(await isUnchanged(storage)).toBe(true)
    await stageKeyring(storage, SECOND)
    expect(storage.bytes).toBe(FIRST)
    await installKeyring(storage, SECOND)
    expect(storage.bytes).toBe(SECOND)
  })
})
