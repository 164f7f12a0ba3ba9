import { mkdtemp, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { dataFiles, readDataFile } from '../../../src/platform/data-files'
import { temporaryDirectory } from '../../support/stores'

/** The class of what `open` gives. */
async function fileHandles(
  directory: string,
): Promise<{ readFile(): Promise<Buffer>; read: (...args: never[]) => Promise<unknown> }> {
  const file = await open(directory, 'r')
  await file.close()
  return Object.getPrototypeOf(file)
}

test('what a disk cannot read is zeros, and the rest of the file is there', async () => {
  const directory = await mkdtemp(join(await temporaryDirectory(), 'data-'))
  await writeFile(join(directory, '000005.ldb'), Buffer.alloc(10_000, 7))
  const [file] = await dataFiles(directory)
  const handles = await fileHandles(directory)
  const { read } = handles
  const badSector = (): Error => Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' })
  vi.spyOn(handles, 'readFile').mockRejectedValue(badSector())
  vi.spyOn(handles, 'read').mockImplementation(function (this: unknown, ...args: never[]) {
    return args[3] === 4096 ? Promise.reject(badSector()) : read.apply(this, args)
  })
  try {
    const bytes = await readDataFile(file as NonNullable<typeof file>)
    expect(bytes).toEqual(
      new Uint8Array([...Array(4096).fill(7), ...Array(4096).fill(0), ...Array(10_000 - 8192).fill(7)]),
    )
  } finally {
    vi.restoreAllMocks()
  }
})

test('a file that is gone is none', async () => {
  const directory = await temporaryDirectory()
  const path = join(directory, '000005.ldb')
  expect(await readDataFile({ name: '000005.ldb', path, bytes: 1, version: '' })).toBeUndefined()
})
