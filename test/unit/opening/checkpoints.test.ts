import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { decodeCheckpoint, type RootedCheckpoint } from '../../../src/format/checkpoint'
import { account, SecretStore } from '../../../src/index'
import { LevelEngine } from '../../../src/storage/level/engine'
import { Place, rolledBack, set } from '../../support/behaviour/checkpoints'
import { failNextWrite } from '../../support/engine-writes'
import { formerToken } from '../../support/former-checkpoint'
import { codeOf, copyStore, newLocation, openStore, testKey } from '../../support/stores'
import { eventually, turnOfLoop } from '../../support/waiting'

function decoded(token: string | undefined): RootedCheckpoint {
  return decodeCheckpoint(token as string) as RootedCheckpoint
}

function sequenceOf(token: string | undefined): number {
  return decoded(token).sequence
}

describe('a place for checkpoints', () => {
  test('gets one token at a time, each newer than the last, and the last one at the end', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    for (let n = 0; n < 60; n++) await Promise.all([set(store, `${n}`), set(store, `${n + 1}`)])
    const token = await store.checkpoint()
    await store.close()
    expect(place.last).toBe(token)
    expect(place.mostBusy).toBe(1)
    const sequences = place.saved.map(sequenceOf)
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
    await openStore(location, { minimum: token })
  })

  test('has the last token of a store before anybody else opens it', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    await set(store, 'n')
    const token = await store.checkpoint()
    place.hold()
    const closing = store.close()
    await place.until(() => place.busy === 1)
    for (let turns = 0; turns < 50; turns++) await turnOfLoop()
    expect(await codeOf(() => SecretStore.open(location, { key: testKey() }))).toBe('ERR_LOCKED')
    place.release()
    await closing
    expect(place.last).toBe(token)
    await openStore(location, { minimum: token })
  })

  test('that does not answer at the end keeps the files of an owner from nobody for long', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, { ...place.options, shared: true })
    await set(store, 'n')
    place.hold()
    const closing = store.close()
    const alone = await eventually(() => SecretStore.open(location, { key: testKey() }))
    expect(await alone.get({ scope: account, name: 'n' })).toBe('p')
    await alone.close()
    place.release()
    await closing
  })

  test('that never answers at the end is waited for no longer than 10 seconds, and gets nothing more', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    place.hold()
    await set(store, 'n')
    await place.until(() => place.busy === 1)
    const { calls, saved } = place
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let isClosed = false
    const closing = store.close().then(() => {
      isClosed = true
    })
    const turnsUntilTimer = async (): Promise<void> => {
      for (let turns = 0; turns < 10_000 && vi.getTimerCount() === 0; turns++) await turnOfLoop()
    }
    await turnsUntilTimer()
    await vi.advanceTimersByTimeAsync(2000)
    await turnsUntilTimer()
    await (await openStore(location)).close()
    await vi.advanceTimersByTimeAsync(7999)
    for (let turns = 0; turns < 50; turns++) await turnOfLoop()
    expect([isClosed, place.onError.mock.calls]).toEqual([false, []])
    await vi.advanceTimersByTimeAsync(1)
    await closing
    const told = {
      code: 'ERR_BUSY',
      message: 'checkpoints: expected save to end within 10000 ms of close, got nothing',
    }
    expect(place.onError.mock.calls).toEqual([[expect.objectContaining(told)]])
    vi.useRealTimers()
    // Others may have saved later states by now.
    place.release()
    await place.until(() => place.saved.length > saved.length || place.busy === 0)
    for (let turns = 0; turns < 50; turns++) await turnOfLoop()
    expect([place.calls, place.busy]).toEqual([calls, 0])
  })

  test('is not given what is not on disk', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    await set(store, 'n')
    const token = await store.checkpoint()
    const commit = failNextWrite(LevelEngine.prototype, new Error('test: disk'))
    onTestFinished(() => commit.mockRestore())
    expect(await codeOf(() => set(store, 'lost'))).toBe('ERR_FAILED')
    await store.close()
    expect(place.last).toBe(token)
    await (await openStore(location, place.options)).close()
  })
})

describe('acceptRollback', () => {
  test.each([0, 1, 5, 50])(
    'opens an older state, and refuses the %i writes that came after it from then on',
    async (writes) => {
      const { location, newer, place } = await rolledBack(writes)
      const abandoned = place.last as string
      let store = await openStore(location, { ...place.options, acceptRollback: true })
      expect(await store.get({ scope: account, name: 'n' })).toBe('old')
      expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
      const token = await store.checkpoint()
      await place.until(() => place.last === token)
      await store.close()
      if (writes === 0) return void expect(token).toBe(abandoned)
      expect(sequenceOf(token)).toBeGreaterThan(sequenceOf(abandoned))
      // What was abandoned has more writes than the state that was accepted had, and is older all the same.
      expect(await codeOf(() => openStore(newer, place.options))).toBe('ERR_ROLLBACK')
      store = await openStore(location, place.options)
      expect(await store.get({ scope: account, name: 'n' })).toBe('old')
      await set(store, 'n', 'goes on')
      await store.close()
      store = await openStore(location, { ...place.options, minimum: abandoned })
      expect(await store.get({ scope: account, name: 'n' })).toBe('goes on')
      expect(await codeOf(() => openStore(newer, place.options))).toBe('ERR_ROLLBACK')
    },
  )

  test('goes past a minimum that was given by hand, and past the greater of two', async () => {
    const { location, place } = await rolledBack(20)
    const [oldest, latest] = [place.saved[0] as string, place.last as string]
    for (const options of [{ minimum: latest }, { minimum: oldest, checkpoints: new Place(latest) }]) {
      const copy = await newLocation()
      await copyStore(location, copy)
      const store = await openStore(copy, { ...options, acceptRollback: true })
      expect(sequenceOf(await store.checkpoint())).toBeGreaterThan(sequenceOf(latest))
      await store.close()
      await openStore(copy, { minimum: latest })
    }
  })

  test('with the token of another store makes this one the store of the place', async () => {
    const { place, newer } = await rolledBack()
    const location = await newLocation()
    const other = await openStore(location)
    await set(other, 'n', 'other')
    await other.close()
    expect(await codeOf(() => openStore(location, place.options))).toBe('ERR_ROLLBACK')
    const store = await openStore(location, { ...place.options, acceptRollback: true })
    const token = await store.checkpoint()
    await place.until(() => place.last === token)
    // It does not go by the numbers of a store that is none of its own.
    expect(sequenceOf(token)).toBeLessThan(2 ** 32 + 4)
    await store.close()
    await (await openStore(location, place.options)).close()
    expect(await codeOf(() => openStore(newer, place.options))).toBe('ERR_ROLLBACK')
  })

  test('that is cut short is still to be accepted', async () => {
    const { location, place } = await rolledBack()
    const commit = failNextWrite(LevelEngine.prototype, new Error('test: disk'))
    onTestFinished(() => commit.mockRestore())
    const options = { ...place.options, acceptRollback: true }
    expect(await codeOf(() => openStore(location, options))).toBe('ERR_FAILED')
    expect(await codeOf(() => openStore(location, place.options))).toBe('ERR_ROLLBACK')
    const store = await openStore(location, options)
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
    await store.close()
    await openStore(location, place.options)
  })

  test.each([2 ** 40, 2 ** 52, 2 ** 53 - 2, 2 ** 53 - 1])(
    'with a token of write %i opens again afterwards',
    async (sequence) => {
      await acceptForged(sequence)
    },
  )

  /** Whoever can write to the place knows the id of the store, and can ask for any number. */
  async function acceptForged(sequence: number): Promise<void> {
    const location = await newLocation()
    let store = await openStore(location)
    const { storeId, mac } = decoded(await store.checkpoint())
    await set(store, 'n')
    await store.close()
    const minimum = formerToken({ storeId, sequence, mac })
    expect(await codeOf(() => openStore(location, { minimum }))).toBe('ERR_ROLLBACK')
    store = await openStore(location, { minimum, acceptRollback: true })
    await set(store, 'n', 'later')
    await store.close()
    store = await openStore(location)
    expect(await store.get({ scope: account, name: 'n' })).toBe('later')
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  }
})
