import fs from 'node:fs'
import { chmod, chown, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Io } from '../../../src/cli/io'
import { openingKey } from '../../../src/cli/keys'
import { ANOTHER_KEY, newKey } from '../../../src/cli/new-key'
import { Output } from '../../../src/cli/output'
import { noSignals } from '../../support/no-signals'
import { temporaryDirectory } from '../../support/stores'
import { Collected } from './transcript'

/** Who a key file belongs to, and who may read it. */

const STRANGER = 12_345
const forRoot = test.skipIf(process.getuid?.() !== 0)
if (process.getuid?.() !== 0) console.warn('skipped: key files of another user (needs root)')

const io: Io = {
  stdin: Readable.from([]),
  stdout: new Collected(),
  stderr: new Collected(),
  env: {},
  now: Date.now,
  ...noSignals(),
  terminal: () => undefined,
}
const output = new Output(io, { json: false, quiet: false })

const noSlots = async (): Promise<never[]> => []

async function keyFile(mode: number, uid?: number): Promise<string> {
  const path = join(await temporaryDirectory(), 'key')
  await writeFile(path, Buffer.alloc(32, 7))
  if (uid !== undefined) await chown(path, uid, uid)
  await chmod(path, mode)
  return path
}

/** As the key that opens a store, and as one that a store is to be opened with. */
async function expectRefused(path: string, why: string): Promise<void> {
  const refusal = { exitCode: 1, message: expect.stringContaining(why), hint: expect.any(String) }
  await expect(openingKey(io, output, { keyFile: path }, noSlots)).rejects.toMatchObject(refusal)
  await expect(newKey(io, output, { keyFile: path }, ANOTHER_KEY, {})).rejects.toMatchObject(refusal)
}

async function expectTaken(path: string): Promise<void> {
  expect(await openingKey(io, output, { keyFile: path }, noSlots)).toMatchObject({ key: { kind: 'raw-key' } })
  expect(await newKey(io, output, { keyFile: path }, ANOTHER_KEY, {})).toMatchObject({ key: { kind: 'raw-key' } })
}

/** From here on, the process is no longer root's. What root may read it still reads. */
function becomeStranger(): void {
  const spy = vi.spyOn(process as Required<NodeJS.Process>, 'getuid').mockReturnValue(STRANGER)
  onTestFinished(() => spy.mockRestore())
}

describe.runIf(process.getuid !== undefined)('a key file', () => {
  test.each([0o644, 0o640, 0o604, 0o660, 0o602, 0o601, 0o777])('of our own with mode %o is refused', async (mode) => {
    const shown = `expected it to be for you alone, got mode ${mode.toString(8).padStart(4, '0')}`
    await expectRefused(await keyFile(mode), shown)
  })

  test.each([0o600, 0o400, 0o700])('of our own with mode %o is taken', async (mode) => {
    await expectTaken(await keyFile(mode))
  })

  forRoot.each([0o600, 0o644, 0o444])('of another user with mode %o is refused', async (mode) => {
    await expectRefused(await keyFile(mode, STRANGER), "belong to you or to root, got another user's")
    becomeStranger()
    await expectRefused(await keyFile(mode, STRANGER + 1), "belong to you or to root, got another user's")
  })

  forRoot.each([0o400, 0o444, 0o440, 0o644])('of root with mode %o is taken by others', async (mode) => {
    const path = await keyFile(mode)
    becomeStranger()
    await expectTaken(path)
  })

  forRoot.each([0o646, 0o664, 0o422])('of root with mode %o, which others may write, is refused', async (mode) => {
    const path = await keyFile(mode)
    becomeStranger()
    await expectRefused(path, 'expected root alone to write to it')
  })

  test('is judged by what a link leads to', async () => {
    const folder = await temporaryDirectory()
    await symlink(await keyFile(0o644), join(folder, 'open'))
    await symlink(await keyFile(0o600), join(folder, 'private'))
    await expectRefused(join(folder, 'open'), 'got mode 0644')
    await expectTaken(join(folder, 'private'))
  })

  test('with a name like that of a descriptor is none', async () => {
    const folder = join(await temporaryDirectory(), 'dev', 'fd')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, '3'), Buffer.alloc(32, 7), { mode: 0o644 })
    await expectRefused(join(folder, '3'), 'got mode 0644')
  })

  test('is not made where a file system keeps no modes', async () => {
    const folder = await temporaryDirectory()
    const { fstatSync } = fs
    onTestFinished(() => {
      fs.fstatSync = fstatSync
      syncBuiltinESMExports()
    })
    fs.fstatSync = ((fd: number) => Object.assign(fstatSync(fd), { mode: 0o100_777 })) as typeof fstatSync
    syncBuiltinESMExports()
    const making = newKey(io, output, { generateKeyFile: join(folder, 'key') }, ANOTHER_KEY, {})
    await expect(making).rejects.toMatchObject({ message: expect.stringContaining('keeps modes') })
    expect(await readdir(folder)).toEqual([])
  })
})
