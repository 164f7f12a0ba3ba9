import { chmod, chown, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isEndpoint, MOST_PATH_BYTES, newEndpoint, removeStaleSocket } from '../../../src/platform/endpoints'
import { temporaryDirectory } from '../../support/stores'

const STRANGER = 12_345
const NAME = 'AbCdEfGhIjKlMnOpQrSt-_'
const isPosix = process.platform !== 'win32'
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: folders of another user (needs root)')
const own = `secret-store-${process.getuid?.()}`

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A folder of that path's length in bytes, below a new one. */
async function folderOf(lengthBytes: number): Promise<string> {
  const parent = await temporaryDirectory('/tmp')
  let path = parent
  while (path.length < lengthBytes)
    path = join(path, 'x'.repeat(Math.min(200, Math.max(1, lengthBytes - path.length - 1))))
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}

/** `XDG_RUNTIME_DIR` and `TMPDIR`: the second is the way out of a first that is not to be used. */
async function environment(runtime: string | undefined): Promise<string> {
  const temporary = await temporaryDirectory('/tmp')
  vi.stubEnv('XDG_RUNTIME_DIR', runtime)
  vi.stubEnv('TMPDIR', temporary)
  return join(temporary, own)
}

describe.runIf(isPosix)('a new endpoint', () => {
  test('is in a folder of mode 700 below XDG_RUNTIME_DIR, whatever the umask', async () => {
    const runtime = await temporaryDirectory()
    await environment(runtime)
    const umask = process.umask(0)
    try {
      expect(await newEndpoint(NAME)).toBe(join(runtime, 'secret-store', NAME))
    } finally {
      process.umask(umask)
    }
    expect((await lstat(join(runtime, 'secret-store'))).mode & 0o777).toBe(0o700)
    expect(isEndpoint(join(runtime, 'secret-store', NAME))).toBe(true)
    // And again, when the folder is there.
    expect(await newEndpoint(NAME)).toBe(join(runtime, 'secret-store', NAME))
  })

  test("is in a folder below the system's temporary one where there is no XDG_RUNTIME_DIR", async () => {
    for (const runtime of [undefined, '', 'relative/path', '/nowhere/at/all', '/dev/null']) {
      const folder = await environment(runtime)
      expect([runtime, await newEndpoint(NAME)]).toEqual([runtime, join(folder, NAME)])
      expect(isEndpoint(join(folder, NAME))).toBe(true)
    }
  })

  test('is below /tmp where the temporary folder is relative or too deep, and nowhere if that is taken', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', '')
    for (const temporary of ['.', await folderOf(90)]) {
      vi.stubEnv('TMPDIR', temporary)
      expect(await newEndpoint(NAME)).toBe(join('/tmp', own, NAME))
    }
  })

  test('has a path of at most 100 bytes', async () => {
    const most = MOST_PATH_BYTES - '/secret-store/'.length - NAME.length
    for (const [length, isTaken] of [
      [most, true],
      [most + 1, false],
      [108, false],
      [300, false],
    ] as const) {
      const runtime = await folderOf(length)
      expect(runtime.length).toBe(length)
      const folder = await environment(runtime)
      const path = await newEndpoint(NAME)
      expect([length, path]).toEqual([length, isTaken ? join(runtime, 'secret-store', NAME) : join(folder, NAME)])
      expect(path.length).toBeLessThanOrEqual(MOST_PATH_BYTES)
    }
  })

  test('is in no folder that is a link or a file, and shuts others out of one that was open to them', async () => {
    const elsewhere = await temporaryDirectory()
    const runtime = await temporaryDirectory()
    const folder = await environment(runtime)
    await symlink(elsewhere, join(runtime, 'secret-store'))
    expect(await newEndpoint(NAME)).toBe(join(folder, NAME))
    expect(await readdir(elsewhere)).toEqual([])
    await writeFile(join(await temporaryDirectory(), 'x'), '')

    const other = await temporaryDirectory()
    await writeFile(join(other, 'secret-store'), '')
    vi.stubEnv('XDG_RUNTIME_DIR', other)
    expect(await newEndpoint(NAME)).toBe(join(folder, NAME))

    const open = await temporaryDirectory()
    await mkdir(join(open, 'secret-store'))
    await chmod(join(open, 'secret-store'), 0o777)
    vi.stubEnv('XDG_RUNTIME_DIR', open)
    expect(await newEndpoint(NAME)).toBe(join(open, 'secret-store', NAME))
    expect((await lstat(join(open, 'secret-store'))).mode & 0o777).toBe(0o700)
  })

  test('is in no folder that others could exchange', async () => {
    const runtime = await temporaryDirectory()
    await chmod(runtime, 0o777)
    const folder = await environment(runtime)
    expect(await newEndpoint(NAME)).toBe(join(folder, NAME))
    await chmod(runtime, 0o1777)
    expect(await newEndpoint(NAME)).toBe(join(runtime, 'secret-store', NAME))
  })

  test.skipIf(!isRoot)('is in no folder of another user, nor below one', async () => {
    const runtime = await temporaryDirectory()
    const folder = await environment(runtime)
    await mkdir(join(runtime, 'secret-store'), { mode: 0o700 })
    await chown(join(runtime, 'secret-store'), STRANGER, STRANGER)
    expect(await newEndpoint(NAME)).toBe(join(folder, NAME))
    const foreign = await temporaryDirectory()
    await chown(foreign, STRANGER, STRANGER)
    vi.stubEnv('XDG_RUNTIME_DIR', foreign)
    expect(await newEndpoint(NAME)).toBe(join(folder, NAME))
    expect(await readdir(foreign)).toEqual([])
  })

  test.skipIf(!isRoot)('is refused, with a reason for each folder, where there is none', async () => {
    const runtime = await temporaryDirectory('/tmp')
    await environment(runtime)
    const user = vi.spyOn(process, 'getuid').mockReturnValue(STRANGER)
    try {
      await expect(newEndpoint(NAME)).rejects.toThrow(
        /^socket: expected a folder of this user's own for it, got none \(.*secret-store: .*; .*secret-store-12345: .*\); set XDG_RUNTIME_DIR to .*$/,
      )
    } finally {
      user.mockRestore()
    }
  })
})

describe.runIf(isPosix)('a text is an endpoint', () => {
  test('only if it is a short absolute path of the form that a process makes', () => {
    expect(isEndpoint(`/run/user/1000/secret-store/${NAME}`)).toBe(true)
    expect(isEndpoint(`/tmp/secret-store-1000/${NAME}`)).toBe(true)
    for (const text of [
      '',
      '8080',
      'localhost:8080',
      `\0secret-store/${NAME}`,
      `secret-store/${NAME}`,
      `/tmp/secret-store-1000/${NAME}A`,
      '/tmp/secret-store-1000/short',
      '/run/docker.sock',
      `/tmp/secret-store-x/${NAME}`,
      `/tmp/a\0/secret-store/${NAME}`,
      `/${'x'.repeat(70)}/secret-store/${NAME}`,
      `\\\\.\\pipe\\secret-store-${NAME}`,
      `\\\\elsewhere\\pipe\\secret-store-${NAME}`,
    ]) {
      expect([text, isEndpoint(text)]).toEqual([text, false])
    }
  })
})

describe.runIf(isPosix)('the socket of an owner that died', () => {
  test('is removed; a file, a link, another name and nothing are left alone', async () => {
    const folder = join(await temporaryDirectory('/tmp'), 'secret-store')
    await mkdir(folder)
    const path = join(folder, NAME)
    await removeStaleSocket(path)
    await writeFile(path, 'a file')
    await removeStaleSocket(path)
    expect(await readdir(folder)).toEqual([NAME])
    const server = createServer()
    const named = join(folder, 'B'.repeat(22))
    await new Promise<void>((resolve) => server.listen(named, resolve))
    const link = join(folder, 'C'.repeat(22))
    await symlink(named, link)
    await removeStaleSocket(link)
    await removeStaleSocket(`${folder}/../secret-store/${'B'.repeat(21)}`)
    expect((await readdir(folder)).length).toBe(3)
    await removeStaleSocket(named)
    expect((await readdir(folder)).sort()).toEqual([NAME, 'C'.repeat(22)])
    server.close()
  })
})
