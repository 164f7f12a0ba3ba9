import { spawnSync } from 'node:child_process'
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { account, type SecretStoreErrorCode } from 'app-secret-store'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { LevelEngine } from '../../src/storage/level/engine'
import { newStore, ownerOf, plantOwner, Sharer, sharerOf, socketsFolder, socketsIn } from '../support/sharing'
import { codeOf, newLocation, openStore, temporaryDirectory, testKey } from '../support/stores'

/**
 * What a planted file, an old one, a process of another user, or a hostile peer can do to processes that share a store, with
 * real sockets and processes.
 */

const STRANGER = 12_345
const SECRET = { scope: account, name: 'n' }
const isPosix = process.platform !== 'win32'
const isLinux = process.platform === 'linux'
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: files and folders of another user (needs root)')

afterEach(() => {
  vi.restoreAllMocks()
})

/** What is left of owners when everybody has gone: nothing. */
async function expectNothingLeft(location: string, sockets: string): Promise<void> {
  expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  expect(await socketsIn(sockets)).toEqual([])
}

/** Opens the store for all, uses it, and closes it. */
async function shareOnce(location: string, options = {}): Promise<void> {
  const store = await openStore(location, { shared: true, ...options })
  await store.set({ ...SECRET, payload: 'p' })
  expect(await store.get(SECRET)).toBe('p')
  await store.close()
}

/** The error of an opening for all. */
async function refusalOf(location: string, options = {}): Promise<{ code: SecretStoreErrorCode; message: string }> {
  return openStore(location, { shared: true, ...options }).then(
    () => Promise.reject(new Error('expected a refusal, got a store')),
    (error) => error,
  )
}

/** Somebody who listens where the test says, and what he hears. */
async function impostor(
  path: string,
  answer: (socket: Socket, bytes: Buffer) => void = () => {},
): Promise<{ readonly heard: Buffer[]; readonly sockets: Set<Socket> }> {
  const heard: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      heard.push(bytes)
      answer(socket, bytes)
    })
  })
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { heard, sockets }
}

describe.runIf(isPosix)('an owner.json of before', () => {
  test('of a process that was killed, its socket with it, stops nobody, and both are gone after the next', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const owner = await sharerOf(location)
    expect(await owner.ask({ do: 'set', name: 'n', payload: 'of the owner' })).toEqual({ value: 'set' })
    const { endpoint } = await ownerOf(location)
    await owner.kill()
    expect(await socketsIn(sockets)).toEqual([endpoint.slice(sockets.length + 1)])
    const store = await openStore(location, { shared: true })
    expect(await store.get(SECRET)).toBe('of the owner')
    expect((await ownerOf(location)).pid).toBe(process.pid)
    expect((await socketsIn(sockets)).length).toBe(1)
    await store.close()
    await expectNothingLeft(location, sockets)
  })

  test('stops nobody who takes the store alone', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    const owner = await sharerOf(location)
    await owner.kill()
    await (await openStore(location)).close()
    await shareOnce(location)
  })

  test('that names a process which has got the same id since stops nobody, also if that is this one', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const other = new Sharer()
    for (const pid of [process.pid, other.process.pid as number, 1]) {
      await plantOwner(location, { pid, endpoint: join(sockets, 'A'.repeat(22)) })
      await shareOnce(location)
      await expectNothingLeft(location, sockets)
    }
  })

  test('of another machine, boot or PID namespace stops nobody where the files are free', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    await plantOwner(location, { machine: 'another', endpoint: join(sockets, 'A'.repeat(22)) })
    await shareOnce(location)
    await plantOwner(location, { machine: 'another', endpoint: join(sockets, 'A'.repeat(22)) })
    await (await openStore(location)).close()
  })
})

describe.runIf(isLinux)('an owner who cannot be reached', () => {
  test('of another machine, boot or PID namespace is the reason of the refusal', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    const owner = await sharerOf(location)
    await plantOwner(location, { ...(await ownerOf(location)), machine: 'another' })
    expect(await refusalOf(location)).toMatchObject({
      code: 'ERR_LOCKED',
      message: expect.stringContaining('owner.json names one of another machine, boot or container'),
    })
    expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
    await owner.kill()
    await (await openStore(location)).close()
    await shareOnce(location)
  })

  test('who does not share is told from one who does', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    await sharerOf(location, { shared: false })
    const { code, message } = await refusalOf(location)
    expect(code).toBe('ERR_LOCKED')
    expect(message).not.toContain('owner.json')
  })
})

describe.runIf(isPosix)('a planted owner.json', () => {
  test('that others may write to, a link, of 1 MiB, or of other text leads nowhere', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const endpoint = join(sockets, 'A'.repeat(22))
    const { heard } = await impostor(endpoint)
    const plants: (() => Promise<unknown>)[] = [
      async () => chmod(await plantOwner(location, { endpoint }), 0o666),
      async () => {
        const path = await plantOwner(location, { endpoint })
        const text = await readFile(path)
        await rm(path)
        await writeFile(`${path}.elsewhere`, text)
        await symlink(`${path}.elsewhere`, path)
      },
      async () => {
        const path = await plantOwner(location, { endpoint })
        await writeFile(path, (await readFile(path, 'utf8')).padEnd(2 ** 20))
      },
      async () => writeFile(join(location, 'owner.json'), '{"endpoint":'),
      ...(isRoot ? [async () => chown(await plantOwner(location, { endpoint }), STRANGER, STRANGER)] : []),
    ]
    for (const plant of plants) {
      await plant()
      await shareOnce(location)
      await rm(join(location, 'owner.json.elsewhere'), { force: true })
    }
    expect(heard).toEqual([])
  })

  test('leads to no port, no other socket and no path that the system would cut', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const elsewhere = join(await temporaryDirectory('/tmp'), 'some.sock')
    const { heard, sockets: connected } = await impostor(elsewhere)
    const port = createServer((socket) => void connected.add(socket))
    await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void port.close())
    const address = port.address() as { port: number }
    const cut = join(await temporaryDirectory('/tmp'), 'x'.repeat(60), 'secret-store', 'A'.repeat(22))
    for (const endpoint of [elsewhere, `${address.port}`, `127.0.0.1:${address.port}`, cut, '', '\0abstract']) {
      await plantOwner(location, { endpoint })
      await shareOnce(location)
      await expectNothingLeft(location, sockets)
    }
    expect([heard, connected.size]).toEqual([[], 0])
  })
})

describe.runIf(isPosix)('a hostile process that listens where owner.json says', () => {
  const answers: Readonly<Record<string, (socket: Socket, bytes: Buffer) => void>> = {
    'says nothing': () => {},
    'says noise': (socket) => void socket.write(Buffer.alloc(64, 7)),
    'says much': (socket) => void socket.write(Buffer.alloc(1_000_000, 7)),
    'says what it hears': (socket, bytes) => void socket.write(bytes),
    'hangs up': (socket) => void socket.destroy(),
  }
  test.each(Object.entries(answers))(
    'and %s gets 38 bytes, and stops nobody where the files are free',
    async (_, say) => {
      const [location, sockets] = [await newStore(), await socketsFolder()]
      const endpoint = join(sockets, 'A'.repeat(22))
      const { heard } = await impostor(endpoint, say)
      // Of another process, which has got that id.
      await plantOwner(location, { endpoint, pid: new Sharer().process.pid as number })
      await shareOnce(location)
      const bytes = Buffer.concat(heard)
      expect([bytes.length, bytes.subarray(0, 6)]).toEqual([38, Buffer.from('SSCH\0\x01')])
    },
  )

  test.runIf(isLinux)('gets no more where they are not free, and the opener is told', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    await sharerOf(location, { shared: false })
    const endpoint = join(sockets, 'A'.repeat(22))
    const { heard } = await impostor(endpoint, answers['says noise'])
    const named = new Sharer().process.pid as number
    await plantOwner(location, { endpoint, pid: named })
    expect(await refusalOf(location)).toMatchObject({
      code: 'ERR_LOCKED',
      message: expect.stringContaining('did not prove that it holds the keys'),
    })
    expect(Buffer.concat(heard).length % 38).toBe(0)
  })

  test('as a store that is not this one, with the same file name, proves nothing', async () => {
    const [location, other] = [await newStore(), await newLocation()]
    await socketsFolder()
    const owner = await openStore(other, { key: testKey(9), shared: true })
    await plantOwner(location, { ...(await ownerOf(other)), pid: new Sharer().process.pid as number })
    await shareOnce(location)
    await owner.close()
  })
})

describe.runIf(isPosix)('a process that owner.json names as itself', () => {
  test('only connects: it does not open a file, since a second handle of LOCK could drop the lock', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const endpoint = join(sockets, 'A'.repeat(22))
    await impostor(endpoint, (socket) => void socket.destroy())
    await plantOwner(location, { endpoint, pid: process.pid })
    const opening = vi.spyOn(LevelEngine, 'open')
    expect((await refusalOf(location)).code).toBe('ERR_LOCKED')
    expect(opening).not.toHaveBeenCalled()
    // Once nobody listens there, the name was an old one.
    await plantOwner(location, { endpoint: join(sockets, 'B'.repeat(22)), pid: process.pid })
    await shareOnce(location)
    expect(opening).toHaveBeenCalledTimes(1)
  })

  test('follows itself', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const owner = await openStore(location, { shared: true })
    const opening = vi.spyOn(LevelEngine, 'open')
    await shareOnce(location)
    expect(opening).not.toHaveBeenCalled()
    expect(await owner.get(SECRET)).toBe('p')
    await owner.close()
    await expectNothingLeft(location, sockets)
  })
})

describe.runIf(isPosix)('another version of what is spoken', () => {
  test('is said to be one as long as somebody speaks it, and no longer', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const endpoint = join(sockets, 'A'.repeat(22))
    const { heard } = await impostor(endpoint)
    await plantOwner(location, { endpoint, protocol: 2 })
    expect(await refusalOf(location)).toMatchObject({
      code: 'ERR_UNSUPPORTED_VERSION',
      message: 'sharing: expected a process that speaks version 1 to hold the store, got version 2',
    })
    expect(heard).toEqual([])
    await plantOwner(location, { endpoint: join(sockets, 'B'.repeat(22)), protocol: 2 })
    await shareOnce(location)
  })
})

describe.runIf(isPosix)('the folder of the sockets', () => {
  async function expectElsewhere(location: string, runtime: string | undefined): Promise<void> {
    vi.stubEnv('XDG_RUNTIME_DIR', runtime)
    const store = await openStore(location, { shared: true })
    const { endpoint } = await ownerOf(location)
    expect(endpoint.startsWith(`${process.env['TMPDIR']}/secret-store-`)).toBe(true)
    expect((await lstat(dirname(endpoint))).mode & 0o777).toBe(0o700)
    await store.close()
  }

  test('is no planted link, no file and none of another user; missing and foreign runtime folders are passed over', async () => {
    const location = await newStore()
    vi.stubEnv('TMPDIR', await temporaryDirectory('/tmp'))
    onTestFinished(() => void vi.unstubAllEnvs())
    const planted = await temporaryDirectory('/tmp')
    const elsewhere = await temporaryDirectory('/tmp')
    await symlink(elsewhere, join(planted, 'secret-store'))
    const isFile = await temporaryDirectory('/tmp')
    await writeFile(join(isFile, 'secret-store'), '')
    const open = await temporaryDirectory('/tmp')
    await chmod(open, 0o777)
    for (const runtime of [undefined, '/nowhere', join(isFile, 'secret-store'), planted, isFile, open])
      await expectElsewhere(location, runtime)
    expect(await readdir(elsewhere)).toEqual([])
    if (!isRoot) return
    const foreign = await temporaryDirectory('/tmp')
    await chown(foreign, STRANGER, STRANGER)
    await expectElsewhere(location, foreign)
  })

  test('is short enough for every system, however long XDG_RUNTIME_DIR is', async () => {
    const location = await newStore()
    vi.stubEnv('TMPDIR', await temporaryDirectory('/tmp'))
    onTestFinished(() => void vi.unstubAllEnvs())
    const parent = await temporaryDirectory('/tmp')
    for (const length of [90, 100, 104, 107, 108, 109, 200, 300]) {
      const runtime = join(parent, 'x'.repeat(100), 'y'.repeat(100), 'z'.repeat(100))
        .slice(0, length)
        .replace(/\/$/, 'x')
      await mkdir(runtime, { recursive: true, mode: 0o700 })
      await expectElsewhere(location, runtime)
      expect(await readdir(runtime).then((names) => names.filter((name) => name.startsWith('secret')))).toEqual([])
    }
  })

  test('where there is none, sharing is refused with the reason, and the files are not held', async () => {
    const location = await newStore()
    const endpoints = await import('../../src/platform/endpoints')
    // A limit that no path keeps.
    const byteLength = vi.spyOn(Buffer, 'byteLength').mockReturnValue(endpoints.MOST_PATH_BYTES + 1)
    expect(await refusalOf(location)).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining("expected a folder of this user's own for it, got none"),
    })
    byteLength.mockRestore()
    await (await openStore(location)).close()
  })

  test("and what is in it are nobody else's, whatever the umask of the owner", async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    const umask = process.umask(0)
    try {
      const owner = await sharerOf(location)
      const { endpoint } = await ownerOf(location)
      expect((await lstat(sockets)).mode & 0o777).toBe(0o700)
      expect((await lstat(endpoint)).mode & 0o777).toBe(0o600)
      expect((await lstat(join(location, 'owner.json'))).mode & 0o777).toBe(0o600)
      await owner.kill()
    } finally {
      process.umask(umask)
    }
  })

  test.skipIf(!isRoot)('lets no process of another user reach the owner', async (context) => {
    const stranger = { uid: STRANGER, gid: STRANGER, cwd: '/' }
    const isThere = spawnSync(process.execPath, ['-e', ''], stranger).status === 0
    if (!isThere) context.skip('another user may not run this Node: it lies in a folder that is private')
    const [location, sockets] = [await newStore(), await socketsFolder()]
    await chmod(dirname(sockets), 0o755)
    await sharerOf(location)
    const { endpoint } = await ownerOf(location)
    const program = `require('node:net').connect({ path: ${JSON.stringify(endpoint)} })
      .on('connect', () => console.log('connected')).on('error', ({ code }) => console.log(code))`
    const connectAs = (uid: number): string =>
      `${spawnSync(process.execPath, ['-e', `${program}.on('connect', () => process.exit())`], { uid, gid: uid, cwd: '/' }).stdout}`
    expect(connectAs(0)).toBe('connected\n')
    expect(connectAs(STRANGER)).toBe('EACCES\n')
  })
})
