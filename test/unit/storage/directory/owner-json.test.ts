import { chmod, chown, cp, lstat, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directoryIdentity } from '../../../../src/platform/files'
import { readOwner, removeOwner, writeOwner } from '../../../../src/storage/directory/owner-json'
import { temporaryDirectory } from '../../../support/stores'

const STRANGER = 12_345
const OWNER = { endpoint: `/tmp/secret-store-0/${'A'.repeat(22)}`, pid: 4242, machine: 'boot pid:[1]' }
const WRITTEN = { protocol: 1, ...OWNER }
const isPosix = process.platform !== 'win32'
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: owner.json of another user (needs root)')

/** A directory with that owner.json, as text or as its members, of which `directory` is the right one. */
async function directoryWith(
  contents: string | Uint8Array | object,
  length = 0,
): Promise<{ readonly directory: string; readonly path: string; readonly text: string | Uint8Array }> {
  const directory = await temporaryDirectory()
  const path = join(directory, 'owner.json')
  const isText = typeof contents === 'string' || contents instanceof Uint8Array
  const text = isText
    ? contents
    : JSON.stringify({ directory: await directoryIdentity(directory), ...contents }).padEnd(length)
  await writeFile(path, text, { mode: 0o600 })
  return { directory, path, text }
}

describe('owner.json', () => {
  test('comes back as it was written, for its user alone, whatever the umask', async () => {
    const directory = await temporaryDirectory()
    const umask = process.umask(0)
    try {
      await writeOwner(directory, OWNER)
    } finally {
      process.umask(umask)
    }
    expect(await readOwner(directory)).toEqual(WRITTEN)
    if (isPosix) expect((await lstat(join(directory, 'owner.json'))).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['owner.json'])
    expect(JSON.parse(await readFile(join(directory, 'owner.json'), 'utf8'))).toEqual({
      ...WRITTEN,
      directory: await directoryIdentity(directory),
    })
  })

  test('takes the place of another one, and of what a process left that died while it wrote', async () => {
    const { directory, path } = await directoryWith('of before')
    await writeFile(`${path}.new`, 'half')
    await writeOwner(directory, OWNER)
    expect(await readOwner(directory)).toEqual(WRITTEN)
    expect(await readdir(directory)).toEqual(['owner.json'])
  })

  test('is removed; that there is none is no failure', async () => {
    const { directory } = await directoryWith('')
    await removeOwner(directory)
    await removeOwner(directory)
    expect(await readdir(directory)).toEqual([])
    expect(await readOwner(directory)).toBeUndefined()
  })

  test('may say more, and another protocol: a later version may', async () => {
    const later = { ...WRITTEN, protocol: 7, generation: 3 }
    expect(await readOwner((await directoryWith(later)).directory)).toEqual({ ...WRITTEN, protocol: 7 })
  })

  test('leads to no owner in a copy of its directory, and does where that was renamed', async () => {
    const directory = await temporaryDirectory()
    await writeOwner(directory, OWNER)
    const copy = await temporaryDirectory()
    await cp(directory, copy, { recursive: true })
    expect(await readOwner(copy)).toBeUndefined()
    await rename(directory, `${copy}/renamed`)
    expect(await readOwner(`${copy}/renamed`)).toEqual(WRITTEN)
  })

  test('that says something else is none', async () => {
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '"text"',
      Uint8Array.of(0xff, 0xfe),
      ...[
        { protocol: '1' },
        { protocol: 0 },
        { protocol: 1.5 },
        { pid: 0 },
        { pid: '1' },
        { pid: 1e300 },
        { endpoint: 7 },
        { endpoint: undefined },
        { machine: null },
        { directory: '1:1' },
        { directory: undefined },
      ].map((change) => ({ ...WRITTEN, ...change })),
    ]) {
      expect([text, await readOwner((await directoryWith(text)).directory)]).toEqual([text, undefined])
    }
  })

  test('that is longer than 4 KiB is none: up to 1 MiB, and not read further', async () => {
    const most = await directoryWith(WRITTEN, 4096)
    expect(await readOwner(most.directory)).toEqual(WRITTEN)
    for (const length of [4097, 2 ** 20])
      expect(await readOwner((await directoryWith(WRITTEN, length)).directory)).toBeUndefined()
  })

  test.runIf(isPosix)('that others may write to, a link and a folder are none', async () => {
    for (const mode of [0o620, 0o602, 0o666]) {
      const { directory, path } = await directoryWith(WRITTEN)
      await chmod(path, mode)
      expect(await readOwner(directory)).toBeUndefined()
    }
    const { path: elsewhere, text } = await directoryWith(WRITTEN)
    const directory = await temporaryDirectory()
    await symlink(elsewhere, join(directory, 'owner.json'))
    expect(await readOwner(directory)).toBeUndefined()
    // What is written then takes the place of the link, and not of what it leads to.
    await writeOwner(directory, { ...OWNER, pid: 1 })
    expect(await readOwner(directory)).toEqual({ ...WRITTEN, pid: 1 })
    expect(await readFile(elsewhere, 'utf8')).toBe(text)
  })

  test.skipIf(!isRoot)('of another user is none', async () => {
    const { directory, path } = await directoryWith(WRITTEN)
    await chown(path, STRANGER, STRANGER)
    expect(await readOwner(directory)).toBeUndefined()
  })
})
