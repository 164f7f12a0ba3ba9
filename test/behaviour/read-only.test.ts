import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, type BatchOperation, SecretStore, user } from 'app-secret-store'
import { Draws, describe, expect, test } from '../support/runner'
import {
  codeOf,
  copyStore,
  directoryDigest,
  newLocation,
  openStore,
  TestClock,
  temporaryDirectory,
  testKey,
} from '../support/stores'

const target = { scope: account, name: 'n' }

/** A closed store of secrets of every sort, after writes, deletions, a compaction and writes behind it. */
async function closedStore(names: 'plain' | 'sealed' = 'plain'): Promise<string> {
  const location = await newLocation()
  const draws = new Draws(5)
  const store = await openStore(location, { names })
  for (let round = 0; round < 3; round++) {
    const operations = Array.from({ length: 60 }, (_, n): BatchOperation => {
      const scope = n % 3 === 0 ? user(`usr_${n % 2}`) : account
      const name = `name ${draws.below(50)}`
      if (draws.below(4) === 0) return { type: 'delete', scope, name }
      return {
        type: 'set',
        scope,
        name,
        payload: draws.below(2) === 0 ? `${round} ${n}` : new Uint8Array(3000).fill(n),
      }
    })
    await store.batch(operations)
    if (round === 1) await store.compact()
  }
  await store.view({ livemode: true, account: 'acct_1' }).set({ ...target, payload: 'live' })
  await store.set({ ...target, payload: 'p' })
  await store.close()
  return location
}

async function everything(store: SecretStore): Promise<unknown[]> {
  const found: unknown[] = []
  for (const scope of [account, user('usr_0'), user('usr_1')]) {
    for await (const secret of store.list({ scope })) {
      found.push([
        secret,
        Buffer.from((await store.getBytes({ scope, name: secret.name })) as Uint8Array).toString('base64'),
      ])
    }
  }
  found.push(
    await store.view({ livemode: true, account: 'acct_1' }).get(target),
    store.keys(),
    await store.checkpoint(),
  )
  return found
}

describe.each(['plain', 'sealed'] as const)('a store with %s names, opened to be read,', (names) => {
  test('has what it has when it is opened for writing, is whole, and not a byte of it changes', async () => {
    const location = await closedStore(names)
    const before = await directoryDigest(location)
    const store = await openStore(location, { readOnly: true })
    const found = await everything(store)
    expect(found.length).toBeGreaterThan(60)
    expect(store.getSync(target)).toBe('p')
    expect(await store.verify()).toMatchObject({ ok: true })
    expect((await store.status()).records).toBeGreaterThan(60)
    await store.close()
    expect(await codeOf(() => store.get(target))).toBe('ERR_CLOSED')
    expect(await directoryDigest(location)).toBe(before)
    const written = await openStore(location)
    expect(await everything(written)).toEqual(found)
  })
})

test('what would write is ERR_READ_ONLY, after bad input and before anything else', async () => {
  const location = await closedStore()
  const before = await directoryDigest(location)
  const store = await openStore(location, { readOnly: true })
  const [slot] = store.keys()
  for (const write of [
    () => store.set({ ...target, payload: 'p' }),
    () => store.delete(target),
    () => store.batch([{ type: 'delete', ...target }]),
    () => store.view({ livemode: true }).set({ ...target, payload: 'p' }),
    () => store.sweep(),
    () => store.compact(),
    () => store.rotate(),
    () => store.rotate({ root: true, keys: [testKey()] }),
    () => store.addKey(testKey(2)),
    () => store.replaceKey(slot?.id as string, testKey(2)),
    () => store.removeKey(slot?.id as string),
  ]) {
    expect([String(write), await codeOf(write)]).toEqual([String(write), 'ERR_READ_ONLY'])
  }
  expect(await codeOf(() => store.set({ ...target, payload: '' }))).toMatch(/Error: payload/)
  expect(await directoryDigest(location)).toBe(before)
})

test('a backup of it is one of the store', async () => {
  const location = await closedStore()
  const store = await openStore(location, { readOnly: true })
  const found = await everything(store)
  const directory = await temporaryDirectory()
  await store.backup(join(directory, 'backup'))
  await SecretStore.restore(join(directory, 'backup'), join(directory, 'restored'), { key: testKey() })
  expect(await everything(await openStore(join(directory, 'restored')))).toEqual(found)
})

test('secrets that have expired are gone, and stay on disk', async () => {
  const clock = new TestClock()
  const location = await newLocation()
  const written = await openStore(location, { now: clock.now })
  await written.set({ ...target, payload: 'p', expires_at: clock.seconds + 10 })
  await written.close()
  const before = await directoryDigest(location)
  const errors: unknown[] = []
  const store = await openStore(location, { now: clock.now, readOnly: true, onError: (error) => errors.push(error) })
  expect(await store.get(target)).toBe('p')
  clock.advanceSeconds(10)
  expect(await store.get(target)).toBeUndefined()
  expect((await store.list({ scope: account })).data).toEqual([])
  await store.close()
  expect([errors, await directoryDigest(location)]).toEqual([[], before])
})

test('beside whoever has it open for writing it is ERR_LOCKED; readers do not keep out anybody', async () => {
  const location = await closedStore()
  const writer = await openStore(location)
  expect(await codeOf(() => openStore(location, { readOnly: true }))).toBe('ERR_LOCKED')
  await writer.close()
  const readers = await Promise.all([1, 2].map(() => openStore(location, { readOnly: true })))
  const next = await openStore(location)
  await next.set({ ...target, payload: 'newer' })
  // A reader has the state of its opening.
  expect(await Promise.all(readers.map((reader) => reader.get(target)))).toEqual(['p', 'p'])
})

test('nothing is made, and what is no store, or opens with another key, is refused', async () => {
  const location = await newLocation()
  expect(await codeOf(() => openStore(location, { readOnly: true }))).toBe('ERR_NOT_FOUND')
  expect(await codeOf(() => readdir(location))).toBe('ENOENT')
  expect(await codeOf(async () => openStore(await temporaryDirectory(), { readOnly: true }))).toBe('ERR_NOT_FOUND')
  const store = await closedStore()
  const before = await directoryDigest(store)
  expect(await codeOf(() => openStore(store, { readOnly: true, key: testKey(9) }))).toBe('ERR_WRONG_KEY')
  for (const more of [{ createIfMissing: true }, { acceptRollback: true }]) {
    expect(await codeOf(() => openStore(store, { readOnly: true, ...more }))).toMatch(/^TypeError/)
  }
  expect(await codeOf(() => openStore(store, { readOnly: 1 as unknown as boolean }))).toMatch(/^TypeError/)
  expect(await directoryDigest(store)).toBe(before)
})

test('a log that a killed process left off in the middle of a write ends before it, as for LevelDB', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  for (let n = 0; n < 8; n++) await store.set({ scope: account, name: `name ${n}`, payload: 'p'.repeat(200) })
  const killed = await newLocation()
  await copyStore(location, killed)
  const [log] = (await readdir(join(killed, 'data'))).filter((name) => name.endsWith('.log'))
  const path = join(killed, 'data', log as string)
  const bytes = await readFile(path)
  for (let cut = 1; cut < 1200; cut += 97) {
    await writeFile(path, bytes.subarray(0, -cut))
    const errors: unknown[] = []
    const reader = await openStore(killed, { readOnly: true, onError: (error) => errors.push(error) })
    const read = await everything(reader)
    await reader.close()
    const other = await newLocation()
    await copyStore(killed, other)
    const writer = await openStore(other)
    expect([cut, read]).toEqual([cut, await everything(writer)])
    expect(read.length).toBeLessThan(3 + 8)
    expect(errors).toEqual([])
    await writer.close()
  }
})

test('a log that LevelDB takes to end early is read to its end, and that is told', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const ends: number[] = []
  const [log] = (await readdir(join(location, 'data'))).filter((name) => name.endsWith('.log'))
  const path = join(location, 'data', log as string)
  for (let n = 0; n < 8; n++) {
    await store.set({ ...target, payload: `payload ${n}` })
    ends.push((await stat(path)).size)
  }
  const killed = await newLocation()
  await copyStore(location, killed)
  const bytes = await readFile(path)
  // The header of a write that the ones behind it have replaced: a log that was allocated ahead looks like that.
  bytes.fill(0, ends[3], (ends[3] as number) + 7)
  await writeFile(join(killed, 'data', log as string), bytes)
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const reader = await openStore(killed, { readOnly: true, onError })
  expect(await reader.get(target)).toBe('payload 7')
  expect(errors).toMatchObject([{ code: 'ERR_CORRUPT', message: expect.stringMatching(/passed over \d+ bytes/) }])
  await reader.close()
  // What LevelDB makes of it is a whole state, and an older one.
  const writer = await openStore(killed)
  expect(await writer.get(target)).toBe('payload 3')
})

describe('what is damaged is refused, and not shown in part:', () => {
  test.each([
    ['a file that is gone', (files: readonly string[]) => files.filter((name) => name.endsWith('.ldb')).slice(0, 1)],
    ['the MANIFEST gone', (files: readonly string[]) => files.filter((name) => name.startsWith('MANIFEST'))],
  ])('%s', async (_, pick) => {
    const location = await closedStore()
    const names = pick(await readdir(join(location, 'data')))
    expect(names).toHaveLength(1)
    for (const name of names) await rm(join(location, 'data', name))
    expect(await codeOf(() => openStore(location, { readOnly: true }))).toBe('ERR_CORRUPT')
  })

  test('a bit flipped, wherever it is, or it changes nothing', async () => {
    const location = await closedStore()
    const whole = await everything(await openStore(location, { readOnly: true }))
    const draws = new Draws(3)
    const codes = new Map<string, number>()
    for (const name of (await readdir(join(location, 'data'))).filter((one) => /\.(ldb|log)$|^MANIFEST/.test(one))) {
      const path = join(location, 'data', name)
      const bytes = await readFile(path)
      for (let time = 0; bytes.length > 0 && time < 12; time++) {
        const altered = Buffer.from(bytes)
        const at = draws.below(bytes.length)
        altered.writeUInt8(altered.readUInt8(at) ^ (1 << draws.below(8)), at)
        await writeFile(path, altered)
        const code = await codeOf(async () => {
          const store = await openStore(location, { readOnly: true, onError: () => {} })
          expect(await everything(store)).toEqual(whole)
        })
        codes.set(code, (codes.get(code) ?? 0) + 1)
        await writeFile(path, bytes)
      }
    }
    for (const code of codes.keys()) expect(['no error', 'ERR_CORRUPT', 'ERR_ROLLBACK']).toContain(code)
    expect(codes.get('ERR_CORRUPT')).toBeGreaterThan(5)
  })

  test('an older state than the checkpoint', async () => {
    const location = await closedStore()
    const older = await newLocation()
    await copyStore(location, older)
    const store = await openStore(location)
    await store.set({ ...target, payload: 'newer' })
    const minimum = await store.checkpoint()
    await store.close()
    expect(await codeOf(() => openStore(older, { readOnly: true, minimum }))).toBe('ERR_ROLLBACK')
    const saved: string[] = []
    const checkpoints = { load: () => minimum, save: (token: string) => void saved.push(token) }
    expect(await codeOf(() => openStore(older, { readOnly: true, checkpoints }))).toBe('ERR_ROLLBACK')
    const reader = await openStore(location, { readOnly: true, checkpoints })
    expect(await reader.get(target)).toBe('newer')
    await reader.close()
    expect(saved).toEqual([])
  })
})
