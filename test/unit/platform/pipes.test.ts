import { execFileSync, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { concatAll, utf8 } from '../../../src/base/bytes'
import { namedPieces } from '../../../src/platform/pipes'
import { temporaryDirectory } from '../../support/stores'

const isPosix = process.platform !== 'win32'
if (!isPosix) console.warn('skipped: Windows has no FIFOs')

async function readAll(path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of namedPieces(path)) pieces.push(piece)
  return concatAll(pieces)
}

describe.skipIf(!isPosix)('a FIFO', () => {
  async function newPipe(): Promise<string> {
    const path = join(await temporaryDirectory(), 'pipe')
    execFileSync('mkfifo', [path])
    return path
  }

  function writer(path: string, script: string): void {
    const child = spawn('sh', ['-c', `exec 1> "$1"; ${script}`, 'sh', path], { stdio: 'ignore' })
    onTestFinished(() => void child.kill())
  }

  test.each([
    ['at once', "printf 'one two'", 'one two'],
    ['in pieces, with pauses', "printf one; sleep 0.2; printf ' two'", 'one two'],
    ['nothing, and its writer has pauses', 'sleep 0.2', ''],
  ])('is read to its end: %s', async (_, script, text) => {
    const path = await newPipe()
    writer(path, script)
    expect(await readAll(path)).toEqual(utf8(text))
  })

  test('of a megabyte is read whole', async () => {
    const path = await newPipe()
    writer(path, 'head -c 1000000 /dev/zero')
    expect(await readAll(path)).toEqual(new Uint8Array(1_000_000))
  })

  test('to which nobody writes is empty after a while', async () => {
    const path = await newPipe()
    const clock = vi.spyOn(performance, 'now')
    let now = 0
    clock.mockImplementation(() => (now += 1000))
    onTestFinished(() => clock.mockRestore())
    expect(await readAll(path)).toEqual(new Uint8Array())
    expect(now).toBeGreaterThan(10_000)
  })
})

test('a regular file is read as one, and a directory is refused', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'file'), 'text')
  expect(await readAll(join(directory, 'file'))).toEqual(utf8('text'))
  await expect(readAll(directory)).rejects.toMatchObject({ code: expect.stringMatching(/^E(ISDIR|FTYPE)$/) })
})
