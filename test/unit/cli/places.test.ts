import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rawKey, SecretStore } from 'app-secret-store'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../../support/stores'
import { Machine } from './transcript'

/** What the command line says of a place that others could exchange, and of a backup that is too old. */

const STRANGER = 12_345
const key = Buffer.alloc(32, 7)

/** A store with one secret at DIR/store, its backup, and DIR/open, which everybody may write to. */
async function place(): Promise<{ directory: string; run: (command: string, stdin?: string) => Promise<string> }> {
  const directory = await temporaryDirectory()
  const machine = new Machine(directory)
  const run = (command: string, stdin = ''): Promise<string> =>
    machine.run({ before: [], command: `secret-store ${command} --key-file DIR/key`, stdin, expected: '' })
  await writeFile(join(directory, 'key'), key, { mode: 0o600 })
  await mkdir(join(directory, 'open'))
  await chmod(join(directory, 'open'), 0o777)
  await run('init --store DIR/store')
  await run('set name --store DIR/store', 'payload')
  expect(await run('backup DIR/backup --store DIR/store')).toMatch(/^> backed up/)
  return { directory, run }
}

describe.runIf(process.getuid !== undefined)('--allow-unsafe-location', () => {
  test.each([
    ['init', 'init --store DIR/open/new'],
    ['restore', 'restore DIR/backup --store DIR/open/new'],
    ['recover', 'recover DIR/open/new --store DIR/store'],
  ])('has %s make a store below a folder of others, which is refused without', async (_, command) => {
    const { directory, run } = await place()
    const said = await run(command)
    expect(said).toMatch(/^! error: location: expected folders above it .*\n! hint: .*--allow-unsafe-location/)
    expect(said).toMatch(/\n\? 1\n$/)
    expect(await readdir(join(directory, 'open'))).toEqual([])
    expect(await run(`${command} --allow-unsafe-location`)).not.toMatch(/error|\? /)
    expect(await readdir(join(directory, 'open', 'new'))).toContain('keyring.json')
  })

  test.skipIf(process.getuid?.() !== 0)('opens a store of another user, which is refused without', async () => {
    const { directory, run } = await place()
    await chown(join(directory, 'store'), STRANGER, STRANGER)
    expect(await run('get name --store DIR/store')).toContain("another user's")
    expect(await run('--allow-unsafe-location get name --store DIR/store')).toBe('>> payload\n')
  })
})

describe('restore --minimum', () => {
  async function checkpointOf(directory: string): Promise<string> {
    const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
    try {
      return await store.checkpoint()
    } finally {
      await store.close()
    }
  }

  test('refuses a backup that is older than the checkpoint, and takes one that is not', async () => {
    const { directory, run } = await place()
    expect(await run(`restore DIR/backup --store DIR/same --minimum ${await checkpointOf(directory)}`)).toMatch(
      /^> rest/,
    )
    await run('set name --store DIR/store', 'newer')
    const minimum = await checkpointOf(directory)
    const said = await run(`restore DIR/backup --store DIR/second --minimum ${minimum}`)
    expect(said).toMatch(/^! error: .*\n! hint: .*a newer backup\n\? 5\n$/)
    expect(await readdir(directory)).not.toContain('second')
    await run('backup DIR/backup2 --store DIR/store')
    expect(await run(`restore DIR/backup2 --store DIR/second --minimum ${minimum}`)).toMatch(/^> restored/)
  })

  test('refuses what is no token', async () => {
    const { run } = await place()
    expect(await run('restore DIR/backup --store DIR/second --minimum nonsense')).toMatch(
      /^! error: minimum: expected a token from checkpoint\(\), got something else\n\? 2\n$/,
    )
  })
})
