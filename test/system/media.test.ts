import { execFile, execFileSync, spawn } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../src/index'
import { dotenv, importFrom } from '../../src/migrate/index'
import { builtProgram } from '../support/programs'
import { codeOf, directoryDigest, openStore, temporaryDirectory, testKey } from '../support/stores'

const target = { scope: account, name: 'n' }
const isPosix = process.platform !== 'win32'
const canMount = process.platform === 'linux' && process.getuid?.() === 0 && mounts()
if (!canMount) console.warn('skipped: read-only and full disks (needs Linux, root and the right to mount)')

function mounts(): boolean {
  try {
    const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', directory], { stdio: 'ignore' })
    execFileSync('umount', [directory])
    execFileSync('rmdir', [directory])
    return true
  } catch {
    return false
  }
}

/** Puts a disk in the place of a new directory. */
async function mounted(...args: readonly string[]): Promise<string> {
  const directory = join(await temporaryDirectory(), 'disk')
  await mkdir(directory, { mode: 0o700 })
  execFileSync('mount', [...args, directory])
  onTestFinished(() => void execFileSync('umount', [directory]))
  await chmod(directory, 0o700)
  return directory
}

async function messageOf(work: () => Promise<unknown>): Promise<string> {
  return work().then(
    () => 'no error',
    (error: Error) => error.message,
  )
}

const run = promisify(execFile)

describe.skipIf(!canMount)('a disk', () => {
  test('that is read-only is read with readOnly; for writing, the message says EROFS, and nothing is left behind', async () => {
    const disk = await mounted('-t', 'tmpfs', 'tmpfs')
    const location = join(disk, 'store')
    const store = await openStore(location)
    await store.set({ ...target, payload: 'on a read-only disk' })
    await store.close()
    const keyFile = join(await temporaryDirectory(), 'key')
    await writeFile(keyFile, new Uint8Array(32).fill(7), { mode: 0o600 })
    execFileSync('mount', ['-o', 'remount,ro', disk])
    const before = await directoryDigest(location)

    expect(await messageOf(() => openStore(location))).toMatch(/: expected .*, got a refusal by the system \(EROFS\)$/)
    expect(await codeOf(() => openStore(location))).toBe('ERR_IO')
    expect(await messageOf(() => openStore(join(disk, 'new')))).toMatch(/\(EROFS\)$/)

    const reader = await openStore(location, { readOnly: true })
    expect(await reader.get(target)).toBe('on a read-only disk')
    expect(await codeOf(() => reader.set({ ...target, payload: 'p' }))).toBe('ERR_READ_ONLY')
    await reader.close()
    const cli = [builtProgram('secret-store'), '--store', location, '--key-file', keyFile]
    expect((await run(process.execPath, [...cli, '--read-only', 'get', 'n'])).stdout).toBe('on a read-only disk')
    const refused = await run(process.execPath, [...cli, 'get', 'n']).catch((error: { stderr: string }) => error)
    expect(refused.stderr).toMatch(/\(EROFS\)\nhint: .*--read-only/)
    expect(await directoryDigest(location)).toBe(before)
  })

  test('that is full says ENOSPC, in the message of the making of a store and of a backup', async () => {
    const disk = await mounted('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs')
    const store = await openStore(join(await temporaryDirectory(), 'store'))
    await store.set({ ...target, payload: new Uint8Array(200_000) })
    expect(await messageOf(() => store.backup(join(disk, 'backup')))).toMatch(/\(ENOSPC\)$/)
    await pipeline(
      createReadStream('/dev/zero', { end: 64 * 1024 - 1 }),
      createWriteStream(join(disk, 'ballast')),
    ).catch(() => {})
    expect(await messageOf(() => openStore(join(disk, 'store')))).toMatch(/\(ENOSPC\)$/)
  })
})

describe.skipIf(!isPosix)('a FIFO', () => {
  /** A pipe that gives these bytes once, as password managers serve them. */
  async function pipeOf(bytes: string): Promise<string> {
    const directory = await temporaryDirectory()
    const path = join(directory, 'pipe')
    execFileSync('mkfifo', [path])
    await writeFile(join(directory, 'bytes'), bytes, 'latin1')
    const writer = spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', join(directory, 'bytes'), path], { stdio: 'ignore' })
    onTestFinished(() => void writer.kill())
    return path
  }

  test('is a .env file', async () => {
    const store = await openStore(join(await temporaryDirectory(), 'store'))
    const report = await importFrom(dotenv({ path: await pipeOf('TOKEN="from a pipe"\n') }), store)
    expect(report.created).toBe(1)
    expect(await store.get({ scope: account, name: 'TOKEN' })).toBe('from a pipe')
  })

  test('is a backup, of any length', async () => {
    const directory = await temporaryDirectory()
    const store = await openStore(join(directory, 'store'))
    for (const name of ['a', 'b']) await store.set({ scope: account, name, payload: new Uint8Array(400_000).fill(1) })
    await store.backup(join(directory, 'backup'))
    const bytes = await import('node:fs/promises').then(({ readFile }) => readFile(join(directory, 'backup'), 'latin1'))
    await SecretStore.restore(await pipeOf(bytes), join(directory, 'restored'), { key: testKey() })
    const restored = await openStore(join(directory, 'restored'))
    expect(await restored.getBytes({ scope: account, name: 'b' })).toEqual(new Uint8Array(400_000).fill(1))
  })

  test('is what the command line restores and imports from, also as /dev/stdin', async () => {
    const directory = await temporaryDirectory()
    const keyFile = join(directory, 'key')
    await writeFile(keyFile, new Uint8Array(32).fill(7), { mode: 0o600 })
    const location = join(directory, 'store')
    await (await openStore(location)).close()
    const cli = [process.execPath, builtProgram('secret-store'), '--key-file', keyFile, '--store']
    const quoted = cli.map((one) => `'${one}'`).join(' ')
    await run('sh', ['-c', `echo A=1 | ${quoted} '${location}' import /dev/stdin`])
    await run('sh', ['-c', `${quoted} '${location}' backup '${join(directory, 'b')}'`])
    await run('sh', ['-c', `cat '${join(directory, 'b')}' | ${quoted} '${join(directory, 'r')}' restore /dev/stdin`])
    const restored = await openStore(join(directory, 'r'))
    expect(await restored.get({ scope: account, name: 'A' })).toBe('1')
  })
})
