import { execFileSync } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filePieces, NOT_REGULAR, openRegular, readRegularFile, readToEnd } from '../../../src/platform/files'
import { readSourceFile } from '../../../src/platform/source-files'
import { temporaryDirectory } from '../../support/stores'

const CONTENT = Buffer.alloc(600_000, 'secret ')

async function world(): Promise<(name: string) => string> {
  const directory = await temporaryDirectory()
  const at = (name: string): string => join(directory, name)
  await writeFile(at('file'), CONTENT)
  await mkdir(at('directory'))
  await symlink(at('file'), at('link'))
  if (process.platform !== 'win32') execFileSync('mkfifo', [at('fifo')])
  return at
}

const irregular = process.platform === 'win32' ? ['directory'] : ['directory', 'fifo']

async function outcome(path: string, follow: boolean): Promise<unknown> {
  try {
    const file = await openRegular(path, { follow })
    await file.close()
    return 'opened'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('openRegular', () => {
  test.each([true, false])('opens a regular file and nothing else (follow: %s)', async (follow) => {
    const at = await world()
    expect(await outcome(at('file'), follow)).toBe('opened')
    expect(await outcome(at('absent'), follow)).toBe('ENOENT')
    for (const name of irregular) expect([name, await outcome(at(name), follow)]).toEqual([name, NOT_REGULAR])
  })

  test('a link is followed where that is asked for', async () => {
    const at = await world()
    expect([await outcome(at('link'), true), await outcome(at('link'), false)]).toEqual(['opened', NOT_REGULAR])
  })
})

test('each reader of files gives the content, and says in its own way that there is none', async () => {
  const at = await world()
  const pieces = async (name: string): Promise<Buffer> => {
    const all: Uint8Array[] = []
    for await (const piece of filePieces(at(name))) all.push(piece)
    return Buffer.concat(all)
  }
  expect(CONTENT.equals((await readRegularFile(at('file'), CONTENT.length)) ?? new Uint8Array())).toBe(true)
  expect(await readRegularFile(at('file'), 9)).toEqual(new Uint8Array(CONTENT.subarray(0, 10)))
  for (const name of ['absent', 'link', ...irregular]) expect(await readRegularFile(at(name), 9)).toBeUndefined()
  for (const name of ['file', 'link']) expect([name, CONTENT.equals(await pieces(name))]).toEqual([name, true])
  for (const name of irregular) {
    expect(await readSourceFile(at(name))).toBeUndefined()
    await expect(pieces(name)).rejects.toMatchObject({ code: NOT_REGULAR })
    // Whoever is to know that a file can be read must be told that it is none.
    await expect(readToEnd(at(name))).rejects.toMatchObject({ code: NOT_REGULAR })
  }
  await expect(pieces('absent')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(readSourceFile(at('absent'))).rejects.toMatchObject({ code: 'ENOENT' })
  await readToEnd(at('absent'))
  await readToEnd(at('file'))
})
