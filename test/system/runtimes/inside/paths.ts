import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, parse, sep } from 'node:path'
import { account, SecretStore } from 'app-secret-store'
import { describe, expect, onTestFinished, test } from '../../../support/runner'
import { codeOf, newLocation, openStore, temporaryDirectory, testKey } from '../../../support/stores'

const isWindows = process.platform === 'win32'

/** Other ways of writing a path, as the system has them, where the working directory is the folder that it is in. */
function spellings(path: string): Readonly<Record<string, string>> {
  const { root } = parse(path)
  const everywhere = {
    'a separator at its end': `${path}${sep}`,
    'a way there and back': join(dirname(path), '.') + sep + ['x', '..', basename(path)].join(sep),
    'relative to the working directory': basename(path),
  }
  if (!isWindows) return { ...everywhere, 'two slashes': path.replace('/', '//') }
  return {
    ...everywhere,
    'forward slashes': path.replaceAll('\\', '/'),
    'forward and backward slashes': path.replace(/\\/g, (_, at: number) => (at % 2 === 0 ? '/' : '\\')),
    'the drive in the other case': root.toLowerCase() + path.slice(root.length),
    'all in capitals': path.toUpperCase(),
    'the device namespace': `\\\\?\\${path}`,
    'no drive, from its root': path.slice(2),
  }
}

test('temporary directories are where this system has them', async () => {
  expect(await temporaryDirectory()).toMatch(isWindows ? /^[A-Z]:\\/ : /^\//)
})

describe('a store made at one spelling of its path', () => {
  test.each(Object.keys(spellings(join(process.cwd(), 'secrets'))))('is the same one at another: %s', async (way) => {
    const location = await newLocation()
    const before = process.cwd()
    process.chdir(dirname(location))
    onTestFinished(() => process.chdir(before))
    const store = await openStore(location)
    await store.set({ scope: account, name: 'a', payload: 'here' })
    const other = spellings(location)[way] ?? ''
    expect(await codeOf(() => SecretStore.open(other, { key: testKey() }))).toBe('ERR_LOCKED')
    await store.close()
    const again = await openStore(other)
    expect(await again.get({ scope: account, name: 'a' })).toBe('here')
    expect(await codeOf(() => SecretStore.open(location, { key: testKey() }))).toBe('ERR_LOCKED')
  })
})

test.each([
  'with spaces in it',
  'caf\u00e9 \u65e5\u672c \u{1f600}',
  "it's [a] (store) & more; 100 %",
  'dots.in.it',
  'x'.repeat(100),
])('a folder named %s takes a store, a backup and what is restored of it', async (name) => {
  const folder = join(await temporaryDirectory(), name)
  await mkdir(folder, { mode: 0o700 })
  const [location, backup, restored] = ['secrets', 'backup', 'restored'].map((one) => join(folder, one)) as [
    string,
    string,
    string,
  ]
  const store = await openStore(location)
  await store.set({ scope: account, name: 'a', payload: 'p'.repeat(5000) })
  await store.compact()
  await store.rotate()
  expect(await store.backup(backup)).toEqual({ records: 1, bytes: (await stat(backup)).size })
  await store.close()
  await SecretStore.restore(backup, restored, { key: testKey() })
  const again = await openStore(restored)
  expect(await again.get({ scope: account, name: 'a' })).toBe('p'.repeat(5000))
  expect((await readdir(folder)).sort()).toEqual(['backup', 'restored', 'secrets'])
})

test('a place that cannot be is ERR_IO or a TypeError that names the field, and nothing is left', async () => {
  const folder = await temporaryDirectory()
  const store = await openStore(join(folder, 'secrets'))
  const absent = isWindows ? 'Q:\\nowhere\\backup' : '/nowhere/at/all/backup'
  expect(await codeOf(() => store.backup(absent))).toBe('ERR_IO')
  expect(await codeOf(() => store.backup(join(folder, 'secrets', 'keyring.json', 'backup')))).toBe('ERR_IO')
  expect(await readdir(folder)).toEqual(['secrets'])
  expect(await readFile(join(folder, 'secrets', 'keyring.json'), 'utf8')).toMatch(/^\{/)
})
