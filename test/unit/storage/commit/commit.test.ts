import { Level } from 'level'
import { describe, expect, test, vi } from 'vitest'
import { account, SecretStore } from '../../../../src/index'
import { LevelEngine } from '../../../../src/storage/level/engine'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import { engineOf } from '../../../support/engine-spy'
import { failNextWrite, interceptWrites } from '../../../support/engine-writes'
import { codeOf, newLocation, openStore } from '../../../support/stores'
import { turnOfLoop } from '../../../support/waiting'

const set = (store: SecretStore, name: string): Promise<unknown> => store.set({ scope: account, name, payload: name })

describe('group commit', () => {
  test('a hundred concurrent sets are one synced batch, and a lone one is one too', async () => {
    const store = await openStore(await newLocation())
    const commits = (work: () => Promise<unknown>): Promise<number> => engineOf('LevelDB').countCommits(work)
    const hundred = Array.from({ length: 100 }, (_, n) => `n${n}`)
    expect(await commits(() => Promise.all(hundred.map((name) => set(store, name))))).toBe(1)
    expect(await commits(() => set(store, 'lone'))).toBe(1)
    expect(await store.verify()).toMatchObject({ ok: true, records: 101 })
  })

  test('what comes while a commit is on its way is the next one', async () => {
    const store = await openStore(await newLocation())
    const commits = await engineOf('LevelDB').countCommits(async () => {
      const first = set(store, 'first')
      await undefined
      await undefined
      const others = Array.from({ length: 50 }, (_, n) => set(store, `n${n}`))
      await Promise.all([first, ...others])
    })
    expect(commits).toBe(2)
  })

  test('nothing to change is nothing written', async () => {
    const store = SecretStore.memory()
    const commits = await engineOf('memory').countCommits(() => store.delete({ scope: account, name: 'absent' }))
    expect(commits).toBe(0)
  })

  test('of many sets of one name in one group, the last one counts and all are answered', async () => {
    const store = SecretStore.memory()
    const secrets = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        store.set({ scope: account, name: 'n', payload: `${n}`, expand: ['payload'] }),
      ),
    )
    expect(new Set(secrets.map(({ id }) => id)).size).toBe(1)
    expect(secrets.map(({ payload }) => payload)).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
    expect(await store.get({ scope: account, name: 'n' })).toBe('19')
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('more bytes than a group takes, and more operations, become several commits', async () => {
    const store = SecretStore.memory()
    const payload = new Uint8Array(1024 * 1024)
    const commits = await engineOf('memory').countCommits(async () => {
      await Promise.all(Array.from({ length: 9 }, (_, n) => store.set({ scope: account, name: `big${n}`, payload })))
      await Promise.all(Array.from({ length: 1167 }, (_, n) => set(store, `n${n}`)))
    })
    expect(commits).toBe(5)
    expect((await store.verify()).records).toBe(1176)
  })

  test('one operation that cannot be done does not take the others of its group with it', async () => {
    const store = SecretStore.memory()
    await store.set({ scope: account, name: 'bytes', payload: Uint8Array.of(1) })
    const outcomes = await Promise.allSettled([
      set(store, 'a'),
      store.delete({ scope: account, name: 'bytes', expand: ['payload'] }),
      set(store, 'b'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await store.verify()).records).toBe(3)
  })
})

describe('a write that fails', () => {
  test('is also one that the engine says another writer has overtaken, if no newer head is there', async () => {
    const store = await openStore(await newLocation())
    await set(store, 'before')
    const fault = interceptWrites(LevelEngine.prototype, async () => false, 1)
    const write = set(store, 'a')
    await expect(write).rejects.toMatchObject({
      code: 'ERR_FAILED',
      cause: { code: 'ERR_CORRUPT', message: 'head: expected a newer one, got another' },
    })
    expect(fault.count).toBe(1)
    fault.mockRestore()
    expect(await codeOf(() => set(store, 'b'))).toBe('ERR_FAILED')
    expect(await store.get({ scope: account, name: 'before' })).toBe('before')
    expect(await store.get({ scope: account, name: 'a' })).toBeUndefined()
  })

  test.each(['LevelDB', 'memory'] as const)(
    'ends all writing over %s until the store is opened again',
    async (engine) => {
      const location = await newLocation()
      const store = engine === 'memory' ? SecretStore.memory() : await openStore(location)
      await set(store, 'before')
      const prototype: LevelEngine | MemoryEngine = (engine === 'memory' ? MemoryEngine : LevelEngine).prototype
      const fault = failNextWrite(prototype, new Error('disk full'))
      const group = [set(store, 'a'), set(store, 'b'), store.delete({ scope: account, name: 'before' })]
      const codes = await Promise.all(group.map((write) => codeOf(() => write)))
      expect(codes).toEqual(['ERR_FAILED', 'ERR_FAILED', 'ERR_FAILED'])
      fault.mockRestore()
      // The disk has room again, but what LevelDB acknowledges now could be gone tomorrow.
      expect(await codeOf(() => set(store, 'c'))).toBe('ERR_FAILED')
      expect(await codeOf(() => store.compact())).toBe('ERR_FAILED')
      expect(await codeOf(() => store.batch([{ type: 'delete', scope: account, name: 'before' }]))).toBe('ERR_FAILED')
      expect(await store.get({ scope: account, name: 'before' })).toBe('before')
      await store.close()
      if (engine === 'memory') return
      const again = await openStore(location)
      await set(again, 'c')
      expect(await again.get({ scope: account, name: 'before' })).toBe('before')
      expect((await again.verify()).ok).toBe(true)
    },
  )

  test('names the cause', async () => {
    const store = SecretStore.memory()
    const cause = new Error('disk full')
    const fault = failNextWrite(MemoryEngine.prototype, cause)
    await expect(set(store, 'a')).rejects.toMatchObject({ code: 'ERR_FAILED', cause })
    fault.mockRestore()
  })
})

describe('compaction', () => {
  test('synchronous reads are ERR_BUSY while the files are reopened, others wait', async () => {
    const store = await openStore(await newLocation())
    await set(store, 'n')
    const compacting = store.compact()
    const codes = new Set<string>()
    let reads = 0
    let done = false
    void compacting.then(() => {
      done = true
    })
    while (!done) {
      codes.add(await codeOf(() => store.getSync({ scope: account, name: 'n' })))
      expect(await store.get({ scope: account, name: 'n' })).toBe('n')
      expect((await store.list({ scope: account })).data).toHaveLength(1)
      reads++
      await turnOfLoop()
    }
    expect(reads).toBeGreaterThan(0)
    expect([...codes].every((code) => code === 'no error' || code === 'ERR_BUSY')).toBe(true)
    expect(store.getSync({ scope: account, name: 'n' })).toBe('n')
  })

  test('writes that come meanwhile happen after it', async () => {
    const store = await openStore(await newLocation())
    await set(store, 'n')
    await Promise.all([store.compact(), set(store, 'm'), store.compact(), set(store, 'o')])
    expect(await store.verify()).toMatchObject({ ok: true, records: 3 })
  })

  test('one that cannot open the files again says so to every reader, and reopening the store helps', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await set(store, 'n')
    const fault = vi.spyOn(Level.prototype, 'open').mockRejectedValueOnce(new Error('too many open files'))
    const compacting = codeOf(() => store.compact())
    const waiting = codeOf(() => store.list({ scope: account }))
    expect(await compacting).toBe('ERR_FAILED')
    fault.mockRestore()
    await waiting
    expect(await codeOf(() => store.get({ scope: account, name: 'n' }))).toBe('ERR_FAILED')
    expect(await codeOf(() => store.getSync({ scope: account, name: 'n' }))).toBe('ERR_FAILED')
    expect(await codeOf(() => set(store, 'm'))).toBe('ERR_FAILED')
    await store.close()
    const again = await openStore(location)
    expect(await again.get({ scope: account, name: 'n' })).toBe('n')
  })

  test('one that fails ends all writing', async () => {
    const store = await openStore(await newLocation())
    const fault = vi.spyOn(LevelEngine.prototype, 'erase').mockRejectedValueOnce(new Error('disk full'))
    expect(await codeOf(() => store.compact())).toBe('ERR_FAILED')
    fault.mockRestore()
    expect(await codeOf(() => set(store, 'n'))).toBe('ERR_FAILED')
  })
})
