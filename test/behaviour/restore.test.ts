import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  account,
  generateRecoveryCode,
  type NameMode,
  passphrase,
  recoveryCode,
  type Secret,
  SecretStore,
  user,
} from 'app-secret-store'
import { backupOf, beside, everything, fill, LARGE, pieces } from '../support/behaviour/backups'
import { describe, expect, newGate, test } from '../support/runner'
import {
  areFollowers,
  codeOf,
  directoryDigest,
  memoryStore,
  newLocation,
  openStore,
  TestClock,
  testKey,
} from '../support/stores'

const key = testKey()

describe.each<NameMode>(['plain', 'sealed'])('a store with %s names', (names) => {
  test('is restored as it was: partitions, scopes, ids, times, payloads, slots, and goes on', async () => {
    const clock = new TestClock()
    const [location, restored] = [await newLocation(), await newLocation()]
    const code = generateRecoveryCode()
    const keys = [key, testKey(2), passphrase('p', { N: 16_384 }), recoveryCode(code)] as const
    const source = await openStore(location, { names, now: clock.now })
    for (const one of keys.slice(1)) await source.addKey(one)
    const expires_at = clock.seconds + 100
    await fill(source, 150)
    clock.advanceSeconds(5)
    const live = source.view({ account: 'acct_1', livemode: true })
    await source.set({ scope: account, name: 'expiring', payload: 'e', expires_at })
    await source.set({ scope: account, name: 'bytes', payload: Buffer.alloc(2000, 7), expires_at: expires_at + 100 })
    await source.set({ scope: user('usr|1'), name: 'a|b', payload: '\u{1f600}' })
    await live.set({ scope: user('usr|1'), name: 'a|b', payload: 'live' })
    await source.delete({ scope: account, name: '3' })
    await source.set({ scope: account, name: '4', payload: 'replaced' })
    clock.advanceSeconds(5)
    const before = await everything(source)
    const file = `${restored}.backup`
    const report = await source.backup(file)
    expect(report).toEqual({ records: 153, bytes: (await stat(file)).size })
    const minimum = await source.checkpoint()

    for (const [n, one] of keys.entries()) {
      const at = `${restored}-${n}`
      expect(await SecretStore.restore(file, at, { key: one })).toEqual(report)
      const store = await openStore(at, { key: one, now: clock.now, minimum, names })
      expect(await everything(store)).toEqual(before)
      expect(await store.view({ account: 'acct_1', livemode: true }).get({ scope: user('usr|1'), name: 'a|b' })).toBe(
        'live',
      )
      expect(await store.get({ scope: user('usr|1'), name: 'a|b' })).toBe('\u{1f600}')
      expect(await store.verify()).toEqual({ ok: true, records: 153, problems: [] })
      expect(await store.checkpoint()).toBe(minimum)
      expect(store.keys()).toEqual(source.keys())
    }
    // It is open already: others can have it who share it.
    const outcome = await codeOf(() => openStore(`${restored}-0`, { names, now: clock.now }))
    expect(outcome).toBe(areFollowers ? 'no error' : 'ERR_LOCKED')
  })

  test('is for its owner alone, and so is its backup', async () => {
    const at = await newLocation()
    const source = await openStore(`${at}-source`, { names })
    await source.backup(`${at}.backup`)
    expect((await stat(`${at}.backup`)).mode & 0o777).toBe(0o600)
    await SecretStore.restore(`${at}.backup`, at, { key })
    expect((await stat(at)).mode & 0o777).toBe(0o700)
  })

  test('works on once restored: writes, expiry, compaction, keys, rotation, backups of backups', async () => {
    const clock = new TestClock()
    const restored = await newLocation()
    const source = memoryStore({ names, now: clock.now })
    await source.addKey(key)
    await fill(source, 100)
    await source.set({ scope: account, name: 'expiring', payload: 'e', expires_at: clock.seconds + 100 })
    // With sealed names any can be the first; what is to expire must not be set again.
    const { data } = await source.list({ scope: account, limit: 2 })
    const first = data.find(({ name }) => name !== 'expiring') as Secret
    let bytes = await backupOf(source)
    for (let time = 0; time < 3; time++) {
      const at = `${restored}-${time}`
      await SecretStore.restore(pieces(bytes, [1000]), at, { key })
      const store = await openStore(at, { now: clock.now })
      await store.set({ scope: account, name: 'more', payload: `${time}` })
      const replaced = await store.set({ scope: account, name: first.name, payload: LARGE })
      expect(replaced).toMatchObject({ id: first.id, created: first.created })
      const next = await store.list({ scope: account, limit: 5, starting_after: first.id })
      expect(next.data).toHaveLength(5)
      await store.compact()
      expect(await store.rotate()).toMatchObject({ dataKey: time + 2, records: 102 })
      expect(await store.verify()).toEqual({ ok: true, records: 102, problems: [] })
      bytes = await backupOf(store)
      await store.close()
    }
    const at = `${restored}-last`
    expect(await SecretStore.restore(pieces(bytes, [1000]), at, { key })).toMatchObject({ records: 102 })
    clock.advanceSeconds(100)
    const last = await openStore(at, { now: clock.now })
    expect(await last.sweep()).toBe(1)
    expect(await last.get({ scope: account, name: 'more' })).toBe('2')
    expect(await last.verify()).toMatchObject({ ok: true, records: 101 })
  })
})

describe('what is there already', () => {
  test('is never overwritten by a restoration', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 20)
    await store.backup(`${at}.backup`)
    const before = await directoryDigest(`${at}-source`)
    expect(await codeOf(() => SecretStore.restore(`${at}.backup`, `${at}-source`, { key }))).toBe('ERR_EXISTS')
    expect(await directoryDigest(`${at}-source`)).toBe(before)
    await mkdir(`${at}-other`)
    await writeFile(join(`${at}-other`, 'file'), 'precious')
    expect(await codeOf(() => SecretStore.restore(`${at}.backup`, `${at}-other`, { key }))).toBe('ERR_NOT_A_STORE')
    expect(await readdir(`${at}-other`)).toEqual(['file'])
    expect(await codeOf(() => SecretStore.restore(`${at}.backup`, `${at}.backup`, { key }))).toBe('ERR_NOT_A_STORE')
    // Or if it comes meanwhile: two of them, of which one is the first.
    const codes = await Promise.all(
      [1, 2].map(() => codeOf(() => SecretStore.restore(`${at}.backup`, `${at}-both`, { key }))),
    )
    expect(codes.sort()).toEqual(['ERR_EXISTS', 'no error'])
    expect(await (await openStore(`${at}-both`)).verify()).toMatchObject({ ok: true, records: 20 })
    await mkdir(`${at}-empty`)
    expect(await codeOf(() => SecretStore.restore(`${at}.backup`, `${at}-empty`, { key }))).toBe('no error')
    expect((await beside(at)).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

describe('what is ended early', () => {
  test.each([30, 100_000])('by its signal while its source stalls after %i bytes', async (length) => {
    const [store, at] = [await openStore(await newLocation()), await newLocation()]
    await fill(store, 1500)
    const bytes = await backupOf(store)
    const [stalled, gate] = [newGate(), newGate()]
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, length)
      stalled.open()
      await gate.opened
      yield bytes.subarray(length)
    }
    const controller = new AbortController()
    const order: string[] = []
    const reason = new Error('test: enough')
    const restoring = SecretStore.restore(source(), at, { key, signal: controller.signal }).catch((error) => {
      order.push('rejected')
      return error
    })
    await stalled.opened
    controller.abort(reason)
    for (let n = 0; n < 20; n++) await store.set({ scope: account, name: `${n}`, payload: 'p' })
    order.push('goes on')
    gate.open()
    expect(await restoring).toBe(reason)
    expect(order).toEqual(['rejected', 'goes on'])
  })
})
