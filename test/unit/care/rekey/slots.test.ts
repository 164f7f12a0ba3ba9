import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { mapKey } from '../../../../src/base/bytes'
import { account, type KeyProvider, type KeySlotInfo, passphrase, type SecretStore, user } from '../../../../src/index'
import { replaceFile, writeNewFile } from '../../../../src/platform/new-files'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { keyringOf, newStore, opening, stateOf } from '../../../support/behaviour/keys'
import { spyOnCommits } from '../../../support/engine-spy'
import type { ExpectedSecret } from '../../../support/golden-secrets'
import { fromRoot } from '../../../support/paths'
import { allRows, readRow } from '../../../support/raw-rows'
import { codeOf, copyStore, directoryDigest, newLocation, openStore, TestClock, testKey } from '../../../support/stores'

// The real ones, to be made to fail.
vi.mock('../../../../src/platform/new-files', { spy: true })
const files = await vi.importActual<typeof import('../../../../src/platform/new-files')>(
  '../../../../src/platform/new-files',
)
/** version, key id and nonce before a head, and its tag after it. */
const ENVELOPE_BYTES = 29 + 16
const CREATED_HEAD_BYTES = 56
const CHANGED_HEAD_BYTES = 96

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: refused`), { code, syscall: 'write' })
}

describe('keys of a store on disk', () => {
  test('arguments that are wrong are a TypeError before anything is touched', async () => {
    const { location, store } = await newStore()
    const { id } = store.keys()[0] as KeySlotInfo
    const before = [await directoryDigest(location), await store.checkpoint()]
    vi.mocked(writeNewFile).mockClear()
    for (const bad of [
      undefined,
      null,
      'p',
      new Uint8Array(32),
      {},
      { kind: 'x', wrap() {} },
      [testKey()],
    ] as unknown[]) {
      await expect(store.addKey(bad as KeyProvider)).rejects.toThrow(TypeError)
      await expect(store.replaceKey(id, bad as KeyProvider)).rejects.toThrow(TypeError)
    }
    for (const bad of [undefined, null, '', 7, {}, [id], '\ud800']) {
      await expect(store.removeKey(bad as string)).rejects.toThrow(TypeError)
      await expect(store.replaceKey(bad as string, testKey())).rejects.toThrow(TypeError)
    }
    await expect(store.removeKey('x'.repeat(5001))).rejects.toThrow(RangeError)
    expect(writeNewFile).not.toHaveBeenCalled()
    expect([await directoryDigest(location), await store.checkpoint()]).toEqual(before)
  })

  test('nothing but keyring.json and the head changes, whatever the number of secrets', async () => {
    const clock = new TestClock()
    const { location, store } = await newStore()
    for (let start = 0; start < 5000; start += 1000) {
      await store.batch(
        Array.from({ length: 1000 }, (_, n) => ({
          type: 'set' as const,
          scope: n % 3 === 0 ? user(`usr_${n % 7}`) : account,
          name: `${start + n}`,
          payload: `${start + n}`.repeat(n % 250 === 0 ? 900 : 1),
          expires_at: n % 5 === 0 ? Math.floor(clock.ms / 1000) + 1e9 : null,
        })),
      )
    }
    await store.close()
    const [before, keyringBefore] = [await allRows(location), await keyringOf(location)]
    const again = await openStore(location, { key: testKey(1) })
    const { commits, restore } = spyOnCommits()
    onTestFinished(restore)
    const { id } = await again.addKey(testKey(2))
    const replaced = await again.replaceKey(id, testKey(3))
    await again.removeKey(again.keys()[0]?.id as string)
    expect(commits.map((changes) => changes.map(({ key }) => mapKey(key)))).toEqual([['h'], ['h'], ['h']])
    restore()
    expect(again.keys()).toEqual([replaced])
    expect(await again.verify()).toEqual({ ok: true, records: 5001, problems: [] })
    await again.close()
    const after = await allRows(location)
    expect(after.size).toBe(before.size)
    expect(before.size).toBeGreaterThan(5001 * 2)
    const changed = [...after].filter(([key, value]) => before.get(key)?.equals(value) !== true).map(([key]) => key)
    expect(changed).toEqual([mapKey(HEAD_ROW)])
    expect(await keyringOf(location)).not.toBe(keyringBefore)
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  })
})

describe('a change of keys that fails', () => {
  test.each(['ENOSPC', 'EIO', 'EACCES'])(
    'for want of a new file (%s) is ERR_IO, changes nothing, and the store goes on',
    async (code) => {
      const { location, store } = await newStore()
      const { id } = await store.addKey(testKey(2))
      const before = await stateOf(location, store)
      const changes: (() => Promise<unknown>)[] = [
        () => store.addKey(testKey(3)),
        () => store.removeKey(id),
        () => store.replaceKey(id, testKey(3)),
        () => store.rotate(),
        () => store.rotate({ root: true, keys: [testKey(1)] }),
      ]
      for (const change of changes) {
        // Before the file is there, and when half of it is.
        vi.mocked(writeNewFile).mockRejectedValueOnce(failure(code))
        expect(await codeOf(change)).toBe('ERR_IO')
        expect(await stateOf(location, store)).toEqual(before)
        vi.mocked(writeNewFile).mockImplementationOnce(async (path, bytes) => {
          await writeFile(path, bytes.subarray(0, bytes.length / 2))
          throw failure(code)
        })
        expect(await codeOf(change)).toBe('ERR_IO')
        expect(await stateOf(location, store)).toEqual(before)
      }
      await store.set({ scope: account, name: 'later', payload: 'l' })
      await store.removeKey(id)
      await store.addKey(testKey(3))
      expect((await store.rotate()).records).toBe(2)
      expect(await store.verify()).toMatchObject({ ok: true, records: 2 })
      await store.close()
      expect(await opening(location, { 1: testKey(1), 2: testKey(2), 3: testKey(3) })).toEqual(['1', '3'])
    },
  )

  const FAILED_MOMENTS = [
    ['before the new file has its name', ['1'], async () => Promise.reject(failure('EIO'))],
    [
      'after the new file has its name',
      ['1', '2'],
      async (from: string, to: string) => {
        await files.replaceFile(from, to)
        throw failure('EIO')
      },
    ],
  ] as const

  test.each(FAILED_MOMENTS)('%s is ERR_FAILED until the store is opened again', async (_, keys, fail) => {
    const { location, store } = await newStore()
    vi.mocked(replaceFile).mockImplementationOnce(fail)
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_FAILED')
    expect(await codeOf(() => store.set({ scope: account, name: 'x', payload: 'x' }))).toBe('ERR_FAILED')
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_FAILED')
    expect(await codeOf(() => store.rotate())).toBe('ERR_FAILED')
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
    await store.close()
    expect(await opening(location, { 1: testKey(1), 2: testKey(2) })).toEqual(keys)
    const again = await openStore(location, { key: testKey(1) })
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
    expect(again.keys()).toHaveLength(keys.length)
    await again.addKey(testKey(3))
    expect(await again.verify()).toEqual({ ok: true, records: 1, problems: [] })
    await again.close()
    expect(await opening(location, { 1: testKey(1), 3: testKey(3) })).toEqual(['1', '3'])
  })

  test('between keyring.json and its head is ERR_FAILED, and ended when the store is opened again', async () => {
    const { location, store } = await newStore()
    const minimum = await store.checkpoint()
    vi.mocked(replaceFile).mockImplementationOnce(async (from, to) => {
      await files.replaceFile(from, to)
      throw failure('EIO')
    })
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_FAILED')
    await store.close()
    expect(await readRow(location, HEAD_ROW)).toHaveLength(ENVELOPE_BYTES + CREATED_HEAD_BYTES)
    const again = await openStore(location, { key: testKey(2), minimum })
    expect(again.keys()).toHaveLength(2)
    expect(await again.verify()).toEqual({ ok: true, records: 1, problems: [] })
    await again.close()
    expect(await readRow(location, HEAD_ROW)).toHaveLength(ENVELOPE_BYTES + CHANGED_HEAD_BYTES)
    expect(await opening(location, { 1: testKey(1), 2: testKey(2) })).toEqual(['1', '2'])
  })
})

describe.each(['v1', 'v1-sealed'])('the golden store %s', (fixture) => {
  const path = fromRoot(`test/fixtures/${fixture}`)
  const now = (): number => 1_767_312_000_000

  async function copy(): Promise<{ location: string; key: KeyProvider }> {
    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    return { location, key: passphrase(await readFile(join(path, 'passphrase.txt'), 'utf8')) }
  }

  async function checkAll(store: SecretStore): Promise<number> {
    const { secrets } = JSON.parse(await readFile(join(path, 'expected.json'), 'utf8')) as { secrets: ExpectedSecret[] }
    for (const { account: of, livemode, scope, name, id, created, expires_at, type, payload } of secrets) {
      const view = store.view({ livemode, ...(of === null ? {} : { account: of }) })
      expect(await view.find({ scope, name })).toMatchObject({ id, created, expires_at })
      const bytes = Buffer.from(payload, 'base64')
      expect(Buffer.from((await view.getBytes({ scope, name })) as Uint8Array)).toEqual(bytes)
      if (type === 'text') expect(await view.get({ scope, name })).toBe(bytes.toString('utf8'))
      else await expect(view.get({ scope, name })).rejects.toThrow(TypeError)
    }
    return secrets.length
  }

  test('keeps its keyring.json and the length of its head through ordinary writes', async () => {
    const { location, key } = await copy()
    const before = await keyringOf(location)
    for (let time = 0; time < 2; time++) {
      const store = await openStore(location, { key, now })
      await store.set({ scope: account, name: 'new', payload: 'x'.repeat(3000) })
      await store.delete({ scope: account, name: 'new' })
      await store.batch([{ type: 'set', scope: account, name: 'batched', payload: `${time}` }])
      await store.sweep()
      await store.compact()
      await store.checkpoint()
      await store.status()
      await store.backup(join(location, '..', `backup-${time}`))
      await store.close()
      expect(await keyringOf(location)).toBe(before)
      expect(await readRow(location, HEAD_ROW)).toHaveLength(ENVELOPE_BYTES + CREATED_HEAD_BYTES)
    }
    expect(JSON.parse(before).version).toBe(1)
  })

  test('takes another key and a rotation, and opens by old and new key', async () => {
    const { location, key } = await copy()
    const store = await openStore(location, { key, now })
    const { version, keys } = JSON.parse(await keyringOf(location))
    expect([version, keys.length]).toEqual([1, 1])
    await store.addKey(testKey(2))
    const secrets = await checkAll(store)
    const { dataKey, records, resealed } = await store.rotate()
    expect({ dataKey, records, resealed }).toEqual({ dataKey: 2, records: secrets, resealed: secrets })
    await checkAll(store)
    await store.close()
    const keyring = JSON.parse(await keyringOf(location))
    expect(keyring).toMatchObject({ version: 2, generation: 3, keys: [{ id: 2 }] })
    expect(keyring.keys).toHaveLength(1)
    expect(await readRow(location, HEAD_ROW)).toHaveLength(ENVELOPE_BYTES + CHANGED_HEAD_BYTES)
    for (const one of [key, testKey(2)]) {
      const again = await openStore(location, { key: one, now })
      await checkAll(again)
      expect(await again.verify()).toEqual({ ok: true, records: secrets, problems: [] })
      await again.close()
    }
  })
})
