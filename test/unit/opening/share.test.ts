import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import type { Batch } from '../../../src/storage/engine'
import { LevelEngine } from '../../../src/storage/level/engine'
import { Place } from '../../support/behaviour/checkpoints'
import { diskFull } from '../../support/shared-medium'
import { codeOf, copyStore, newLocation, openStore, testKey } from '../../support/stores'
import { eventually, type Gate, newGate } from '../../support/waiting'

const target = { scope: account, name: 'name' }

afterEach(() => {
  vi.restoreAllMocks()
})

/** From now on `around` is called in the place of each write to the files. */
function writesOf(around: (write: () => Promise<boolean>) => Promise<boolean>): void {
  const { batch } = LevelEngine.prototype
  vi.spyOn(LevelEngine.prototype, 'batch').mockImplementation(function (this: LevelEngine): Batch {
    const made = batch.call(this)
    const write = made.write.bind(made)
    return { ...made, write: (expectedHead) => around(() => write(expectedHead)) }
  })
}

test('what a follower knows is never older than what somebody was told is on disk', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const [follower, other] = [await openStore(location, { shared: true }), await openStore(location, { shared: true })]
  for (const [writer, reader] of [
    [owner, follower],
    [other, follower],
    [other, owner],
  ] as const) {
    for (let round = 0; round < 20; round++) {
      const { expires_at } = await writer.set({ ...target, payload: `${round}`, expires_at: 4_000_000_000 + round })
      // Not told yet, or just about to be.
      expect([round, (await reader.find(target))?.expires_at]).toEqual([round, expires_at])
      await writer.set({ ...target, payload: `${round}`, expires_at: 4_100_000_000 + round })
      expect((await reader.list({ scope: account })).data.map((one) => one.expires_at)).toEqual([4_100_000_000 + round])
      await writer.set({ scope: account, name: 'another', payload: 'x' })
      expect((await reader.list({ scope: account })).data.map(({ name }) => name)).toEqual(['another', 'name'])
      await writer.delete({ scope: account, name: 'another' })
      expect((await reader.list({ scope: account })).data.map(({ name }) => name)).toEqual(['name'])
      expect(await reader.find({ scope: account, name: 'another' })).toBeUndefined()
    }
  }
})

test('what somebody has read of a commit, everybody reads from then on, before it is told', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const [follower, other] = [await openStore(location, { shared: true }), await openStore(location, { shared: true })]
  await owner.set({ ...target, payload: 'old', expires_at: 4_000_000_000 })
  // Known to all.
  for (const store of [owner, follower, other]) {
    await store.find(target)
    await store.list({ scope: account })
  }
  const seen: unknown[] = []
  writesOf(async (write) => {
    const isWritten = await write()
    seen.push(await other.get(target))
    for (const store of [owner, follower, other]) {
      seen.push((await store.find(target))?.expires_at)
      seen.push((await store.list({ scope: account })).data[0]?.expires_at)
    }
    seen.push(owner.findSync(target)?.expires_at)
    return isWritten
  })
  await follower.set({ ...target, payload: 'new', expires_at: 4_000_000_001 })
  expect(seen).toEqual(['new', ...Array.from({ length: 7 }, () => 4_000_000_001)])
})

test('an owner whose disk was full writes again when there is room', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const follower = await openStore(location, { shared: true })
  await owner.set({ ...target, payload: 'before' })
  let fails = 1
  writesOf(async (write) => {
    if (fails-- > 0) throw diskFull()
    return write()
  })
  expect(await codeOf(() => owner.set({ ...target, payload: 'lost' }))).toBe('ERR_IO')
  expect([await owner.get(target), await follower.get(target)]).toEqual(['before', 'before'])
  await owner.set({ ...target, payload: 'again' })
  // Somebody else's commit fails there: the next owner writes it.
  const roles = await Promise.all([owner, follower].map(async (store) => (await store.status()).sharing?.role))
  expect([...roles].sort()).toEqual(['follower', 'owner'])
  const asker = roles[0] === 'follower' ? owner : follower
  fails = 1
  await asker.set({ ...target, payload: 'asked' })
  expect([await owner.get(target), await follower.get(target), fails]).toEqual(['asked', 'asked', -1])
  expect((await follower.verify()).ok).toBe(true)
})

test('an owner whose disk was full between keyring.json and the rows goes on with the keys that are in place', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const follower = await openStore(location, { shared: true })
  await owner.set({ ...target, payload: 'before' })
  const { batch } = LevelEngine.prototype
  let fails = 1
  vi.spyOn(LevelEngine.prototype, 'batch').mockImplementation(function (this: LevelEngine): Batch {
    const made = batch.call(this)
    const write = async (expectedHead: Uint8Array | undefined): Promise<boolean> => {
      // The rows alone are refused.
      if (fails-- > 0) await made.close()
      return made.write(expectedHead)
    }
    return { ...made, write }
  })
  // Whoever takes over ends the change, and the rotation goes on from there.
  expect(await owner.rotate()).toMatchObject({ dataKey: 2, records: 1 })
  expect(fails).toBeLessThan(0)
  expect(await readFile(join(location, 'keyring.json'), 'utf8')).toContain('"id": 2')
  for (const [writer, reader] of [
    [follower, owner],
    [owner, follower],
  ] as const) {
    const payload = `${fails}`
    await writer.set({ ...target, payload })
    expect([await reader.get(target), await writer.get(target)]).toEqual([payload, payload])
  }
  expect(await owner.rotate()).toMatchObject({ dataKey: 3, records: 1 })
  expect((await follower.verify()).ok).toBe(true)
})

test('one that cannot say where it is reached lets go of the files', async () => {
  const location = await newLocation()
  await (await openStore(location, { shared: true })).close()
  await mkdir(join(location, 'owner.json', 'in the way'), { recursive: true })
  expect(await codeOf(() => openStore(location, { shared: true }))).toBe('ERR_IO')
  await rm(join(location, 'owner.json'), { recursive: true })
  const alone = await SecretStore.open(location, { key: testKey() })
  await alone.close()
})

test('an owner.json that leads nowhere is no owner', async () => {
  const location = await newLocation()
  await (await openStore(location, { shared: true })).close()
  for (const text of ['', '{', '{}', JSON.stringify({ protocol: 1, endpoint: '/nowhere', pid: 1, machine: 'x' })]) {
    await writeFile(join(location, 'owner.json'), text, { mode: 0o600 })
    const store = await openStore(location, { shared: true })
    await store.set({ ...target, payload: 'x' })
    await store.close()
  }
})

test('events come once and in order in each process, and a gap is told when the owner ends between', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const stores = [await openStore(location, { shared: true }), await openStore(location, { shared: true })] as const
  const heard = stores.map((store) => {
    const names: string[] = []
    store.on('change', ({ name }) => names.push(name))
    store.on('gap', () => names.push('gap'))
    return names
  })
  const set = (store: SecretStore, name: string): Promise<unknown> => store.set({ scope: account, name, payload: 'x' })
  for (let n = 0; n < 10; n++) await Promise.all([owner, ...stores].map((store, who) => set(store, `${who}-${n}`)))
  await owner.close()
  const [one, other] = stores
  await Promise.all([set(one, 'after-1'), set(other, 'after-2')])
  await set(one, 'last')
  await vi.waitFor(() => expect(heard.map((names) => names.at(-1))).toEqual(['last', 'last']))
  const [first, second] = heard as [string[], string[]]
  // Before the owner ended nothing is missing, for anybody.
  expect(first.slice(0, 30)).toEqual(second.slice(0, 30))
  for (const who of [0, 1, 2]) {
    const own = first.slice(0, 30).filter((name) => name.startsWith(`${who}-`))
    expect(own).toEqual(Array.from({ length: 10 }, (_, n) => `${who}-${n}`))
  }
  for (const names of [first, second]) {
    const after = names.slice(30)
    expect(new Set(after).size).toBe(after.length)
    if (!after.includes('gap')) expect([...after].sort()).toEqual(['after-1', 'after-2', 'last'])
  }
})

test('a process that takes the files over saves a checkpoint, though nothing is written', async () => {
  const location = await newLocation()
  const owner = await openStore(location, { shared: true })
  const place = new Place()
  const follower = await openStore(location, { shared: true, checkpoints: place })
  await owner.set({ ...target, payload: 'p' })
  expect(await follower.get(target)).toBe('p')
  expect(place.saved).toEqual([])
  await owner.close()
  expect(await follower.get(target)).toBe('p')
  const token = await follower.checkpoint()
  await place.until(() => place.last === token)
})

test('a process that takes over files which are older than a checkpoint that was saved since answers nothing', async () => {
  const [location, newer] = [await newLocation(), await newLocation()]
  const before = await openStore(location, { shared: true })
  await before.set({ ...target, payload: 'old' })
  await before.close()
  await copyStore(location, newer)
  const later = await openStore(newer, { key: testKey() })
  await later.set({ ...target, payload: 'new' })
  const token = await later.checkpoint()
  const owner = await openStore(location, { shared: true })
  const place = new Place()
  const follower = await openStore(location, { shared: true, checkpoints: place })
  expect(await follower.get(target)).toBe('old')
  place.saved.push(token)
  await owner.close()
  expect(await codeOf(() => follower.get(target))).toBe('ERR_ROLLBACK')
  expect(await codeOf(() => follower.set({ ...target, payload: 'x' }))).toBe('ERR_ROLLBACK')
  expect(place.saved).toEqual([token])
  await follower.close()
  expect(await (await openStore(location, { shared: true })).get(target)).toBe('old')
})

describe('a process whose place for checkpoints does not answer when it is to take the files over', () => {
  /** A follower of an owner that has just closed, and how often it has asked for its checkpoint. */
  async function asking(): Promise<{ location: string; follower: SecretStore; place: { asked: number; gate: Gate } }> {
    const location = await newLocation()
    const owner = await openStore(location, { shared: true })
    const place = { asked: 0, gate: newGate() }
    place.gate.open()
    const load = (): Promise<undefined> => {
      place.asked++
      return place.gate.opened as Promise<undefined>
    }
    const follower = await openStore(location, { shared: true, checkpoints: { load, save() {} } })
    await owner.set({ ...target, payload: 'p' })
    place.gate = newGate()
    place.asked = 0
    await owner.close()
    await eventually(() => expect(place.asked).toBe(1))
    return { location, follower, place }
  }

  test('goes on with whoever has taken them over', async () => {
    const { location, follower, place } = await asking()
    const reading = follower.get(target)
    const other = await openStore(location, { shared: true })
    if (process.platform !== 'linux') place.gate.open()
    expect(await reading).toBe('p')
    await follower.set({ ...target, payload: 'of the follower' })
    expect(await other.get(target)).toBe('of the follower')
  })

  test('closes', async () => {
    const { location, follower } = await asking()
    const reading = codeOf(() => follower.get(target))
    await follower.close()
    expect(await reading).toBe('ERR_CLOSED')
    expect(await (await openStore(location, { shared: true })).get(target)).toBe('p')
  })

  test('refuses what it is asked after some time, and takes them over when the place answers', async () => {
    const { follower, place } = await asking()
    const reading = codeOf(() => follower.get(target))
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 10_001)
    expect(await reading).toBe('ERR_BUSY')
    place.gate.open()
    expect(await follower.get(target)).toBe('p')
    expect((await follower.status()).sharing?.role).toBe('owner')
  })
})
