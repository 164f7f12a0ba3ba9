import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { account, type CheckpointStorage, SecretStore } from 'app-secret-store'
import { Place, rolledBack, set } from '../support/behaviour/checkpoints'
import { describe, eventually, expect, test, turnOfLoop, vi } from '../support/runner'
import { codeOf, copyStore, directoryDigest, newLocation, openStore, stores, testKey } from '../support/stores'

describe('a place for checkpoints', () => {
  test('is given the state at the opening, and loaded before', async () => {
    const [location, place] = [await newLocation(), new Place()]
    let store = await openStore(location, place.options)
    await place.until(() => place.saved.length === 1)
    expect(place.last).toBe(await store.checkpoint())
    await set(store, 'n')
    await store.close()
    const again = new Place(place.last)
    store = await openStore(location, again.options)
    expect(again.loads).toBeGreaterThan(0)
    await again.until(() => again.saved.length === 2)
    expect(again.saved[1]).toBe(again.saved[0])
    expect(place.onError).not.toHaveBeenCalled()
  })

  test('is given a token after each sort of write', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    const steps: (() => Promise<unknown>)[] = [
      () => set(store, 'a'),
      () => set(store, 'a', 'replaced'),
      () => store.delete({ scope: account, name: 'a' }),
      () => store.batch([{ type: 'set', scope: account, name: 'b', payload: 'p' }]),
      () => store.compact(),
      () => store.addKey(testKey(2)),
      () => store.rotate(),
    ]
    for (const step of steps) {
      await step()
      const token = await store.checkpoint()
      await place.until(() => place.last === token)
    }
    // What changes nothing is not saved again.
    const { calls } = place
    await store.delete({ scope: account, name: 'absent' })
    await store.get({ scope: account, name: 'b' })
    await store.verify()
    await store.close()
    expect(place.calls).toBe(calls)
  })

  test('gets a hundred writes that come while it is busy in one', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const store = await openStore(location, place.options)
    await place.until(() => place.saved.length === 1)
    place.hold()
    await set(store, 'first')
    await place.until(() => place.busy === 1)
    const { calls } = place
    for (let n = 0; n < 100; n++) await set(store, `${n}`)
    expect([place.calls, place.busy]).toEqual([calls, 1])
    const token = await store.checkpoint()
    place.release()
    await place.until(() => place.last === token)
    expect(place.calls).toBe(calls + 1)
    expect(place.saved).toHaveLength(3)
    await store.close()
    expect(place.calls).toBe(calls + 1)
  })

  test('that is slow keeps nothing waiting but the end', async () => {
    const [location, place] = [await newLocation(), new Place()]
    place.hold()
    // Were one of them to wait for the place, none of this would come to its end.
    const store = await openStore(location, place.options)
    await set(store, 'n')
    await store.addKey(testKey(2))
    await store.rotate()
    await store.compact()
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
    await store.backup(`${location}.backup`)
    const token = await store.checkpoint()
    expect(place.saved).toEqual([])
    const closing = store.close()
    expect(await codeOf(() => set(store, 'n'))).toBe('ERR_CLOSED')
    await place.until(() => place.busy === 1)
    place.release()
    await closing
    expect(place.last).toBe(token)
  })

  test.each([
    ['a rejection', async () => Promise.reject(new Error('test: the place is lost'))],
    [
      'an exception',
      () => {
        throw new Error('test: the place is lost')
      },
    ],
  ])('that fails with %s fails nothing, is reported, and tried again', async (_, fail) => {
    const [location, place] = [await newLocation(), new Place()]
    const save = place.save.bind(place)
    let isFailing = true
    const tried: string[] = []
    place.save = (token) => {
      tried.push(token)
      return isFailing ? fail() : save(token)
    }
    const store = await openStore(location, place.options)
    for (let n = 0; n < 3; n++) {
      await set(store, `${n}`)
      // This very state has been tried, and nothing is on its way any more.
      const newest = await store.checkpoint()
      while (tried.at(-1) !== newest || place.onError.mock.calls.length < tried.length) await turnOfLoop()
    }
    for (const [error] of place.onError.mock.calls) expect(error).toEqual(new Error('test: the place is lost'))
    expect(place.saved).toEqual([])
    isFailing = false
    await set(store, 'at last')
    const token = await store.checkpoint()
    await place.until(() => place.last === token)
    expect(place.saved).toHaveLength(1)
    isFailing = true
    await set(store, 'later')
    await store.close()
    expect(place.last).toBe(token)
    // The state is newer than what was saved, which is no rollback.
    await openStore(location, { minimum: token })
  })

  test('that failed is tried again at the end', async () => {
    const [location, place] = [await newLocation(), new Place()]
    place.failures = [new Error('test: once')]
    const store = await openStore(location, place.options)
    while (place.onError.mock.calls.length === 0) await turnOfLoop()
    const token = await store.checkpoint()
    await store.close()
    expect(place.saved).toEqual([token])
    expect(place.onError).toHaveBeenCalledTimes(1)
  })

  test('whose failure is reported to a listener that throws keeps the store from closing no more', async () => {
    const [location, place] = [await newLocation(), new Place()]
    const failure = new Error('test: thrown by the listener')
    const onError = (): never => {
      throw failure
    }
    const store = await openStore(location, { checkpoints: place, onError })
    await place.until(() => place.saved.length === 1)
    place.hold()
    await set(store, 'n')
    await place.until(() => place.busy === 1)
    place.failures = [new Error('test: the place is lost'), new Error('test: the place is lost')]
    const closing = codeOf(() => store.close())
    // The end has come as far as to wait for the place.
    for (let n = 0; n < 20; n++) await turnOfLoop()
    place.release()
    await closing
    expect(await codeOf(() => openStore(location))).toBe('no error')
  })

  test('may answer at once or later, with nothing, or with a token', async () => {
    const location = await newLocation()
    const token = await (await openStore(location)).checkpoint().finally(() => undefined)
    const copy = await newLocation()
    await copyStore(location, copy)
    for (const answer of [undefined, null, token]) {
      for (const load of [() => answer, async () => answer]) {
        const saved: string[] = []
        const store = await openStore(copy, { checkpoints: { load, save: (one) => void saved.push(one) } })
        await store.close()
        expect(saved).toEqual([token])
      }
    }
  })

  test('that cannot be read fails the opening with its own error, and changes nothing', async () => {
    const [location, absent] = [await newLocation(), await newLocation()]
    await (await openStore(location)).close()
    const keyring = await readFile(join(location, 'keyring.json'))
    const failure = new Error('test: the keychain is locked')
    for (const load of [
      () => Promise.reject(failure),
      () => {
        throw failure
      },
    ]) {
      const save = vi.fn()
      for (const at of [location, absent]) {
        await expect(openStore(at, { checkpoints: { load, save } })).rejects.toBe(failure)
        await expect(openStore(at, { checkpoints: { load, save }, acceptRollback: at === location })).rejects.toBe(
          failure,
        )
      }
      expect(save).not.toHaveBeenCalled()
    }
    expect(await readdir(dirname(absent))).toEqual([])
    expect(await readFile(join(location, 'keyring.json'))).toEqual(keyring)
    await openStore(location)
  })

  test('that cannot be read leaves no new store behind, with acceptRollback either', async () => {
    const absent = await newLocation()
    const load = (): never => {
      throw new Error('test: the keychain is locked')
    }
    const opening = openStore(absent, { checkpoints: { load, save: () => {} }, acceptRollback: true })
    await expect(opening).rejects.toThrow('test: the keychain is locked')
    expect(await readdir(dirname(absent))).toEqual([])
  })

  test('with what is no token is ERR_CORRUPT, and acceptRollback passes over it', async () => {
    const [location, absent] = [await newLocation(), await newLocation()]
    const store = await openStore(location)
    const token = await store.checkpoint()
    await store.close()
    for (const garbage of ['', 'x', token.slice(1), `${token}A`, `${token}\n`, 7, {}, new Uint8Array(57), false]) {
      const saved: string[] = []
      const checkpoints = { load: () => garbage as string, save: (one: string) => void saved.push(one) }
      for (const at of [location, absent])
        expect(await codeOf(() => openStore(at, { checkpoints }))).toBe('ERR_CORRUPT')
      expect(saved).toEqual([])
      await (await openStore(location, { checkpoints, acceptRollback: true })).close()
      expect(saved).toEqual([token])
    }
    expect(await readdir(dirname(absent))).toEqual([])
  })

  test('that is none is a TypeError, and touches nothing', async () => {
    const location = await newLocation()
    for (const bad of [null, 'path', {}, { load() {} }, { save() {} }, { load: 'x', save: 'y' }, [], () => {}]) {
      await expect(openStore(location, { checkpoints: bad as CheckpointStorage })).rejects.toThrow(TypeError)
    }
    for (const bad of [1, 'yes', {}]) {
      await expect(openStore(location, { acceptRollback: bad as boolean })).rejects.toThrow(TypeError)
    }
    expect(() => stores.memory({ checkpoints: new Place() } as object)).toThrow(TypeError)
    expect(await readdir(dirname(location))).toEqual([])
  })
})

describe('an older state', () => {
  test('is refused as long as the place says so, and changes neither', async () => {
    const { location, newer, place } = await rolledBack()
    const { length } = place.saved
    for (let time = 0; time < 2; time++)
      expect(await codeOf(() => openStore(location, place.options))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(location, { ...place.options, minimum: place.saved[0] as string }))).toBe(
      'ERR_ROLLBACK',
    )
    expect(place.saved).toHaveLength(length)
    expect(await (await openStore(location)).get({ scope: account, name: 'n' })).toBe('old')
    const store = await openStore(newer, { ...place.options, minimum: place.last as string })
    expect(await store.get({ scope: account, name: 'n' })).toBe('new 4')
  })

  test('is refused by minimum where the place would let it pass, and the other way round', async () => {
    const { location, newer, place } = await rolledBack()
    const [oldest, latest] = [place.saved[0] as string, place.last as string]
    const open = (at: string, minimum: string, kept: string): Promise<string> =>
      codeOf(async () => (await openStore(at, { minimum, checkpoints: new Place(kept) })).close())
    expect(await open(location, latest, oldest)).toBe('ERR_ROLLBACK')
    expect(await open(location, oldest, latest)).toBe('ERR_ROLLBACK')
    expect(await open(location, oldest, oldest)).toBe('no error')
    expect(await open(newer, oldest, latest)).toBe('no error')
    expect(await open(newer, latest, oldest)).toBe('no error')
  })

  test('is refused where there is nothing at all, or another store', async () => {
    const { place, newer } = await rolledBack()
    const [absent, other] = [await newLocation(), await newLocation()]
    await (await openStore(other)).close()
    expect(await codeOf(() => openStore(absent, place.options))).toBe('ERR_ROLLBACK')
    expect(await readdir(dirname(absent))).toEqual([])
    const before = await readFile(join(other, 'keyring.json'))
    expect(await codeOf(() => openStore(other, place.options))).toBe('ERR_ROLLBACK')
    expect(await readFile(join(other, 'keyring.json'))).toEqual(before)
    await openStore(newer, place.options)
  })
})

describe('acceptRollback', () => {
  test('is not met by files of the future that was abandoned', async () => {
    const { location, newer, place } = await rolledBack()
    await (await openStore(location, { ...place.options, acceptRollback: true })).close()
    // Its keyring.json, which is the older one, and its data.
    const own = await readFile(join(location, 'keyring.json'))
    await writeFile(join(location, 'keyring.json'), await readFile(join(newer, 'keyring.json')))
    expect(await codeOf(() => openStore(location, place.options))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(location))).toBe('ERR_ROLLBACK')
    await writeFile(join(location, 'keyring.json'), own)
    await writeFile(join(newer, 'keyring.json'), own)
    expect(await codeOf(() => openStore(newer, place.options))).toBe('ERR_ROLLBACK')
    expect(await codeOf(() => openStore(newer))).toBe('ERR_ROLLBACK')
    await openStore(location, place.options)
  })

  test('of a fork that has had as many writes takes this one', async () => {
    const [one, two] = [await newLocation(), await newLocation()]
    await (await openStore(one)).close()
    await copyStore(one, two)
    const place = new Place()
    const first = await openStore(one, place.options)
    await set(first, 'n', 'one')
    await first.close()
    const second = await openStore(two)
    await set(second, 'n', 'two')
    await second.close()
    expect(await codeOf(() => openStore(two, place.options))).toBe('ERR_ROLLBACK')
    const store = await openStore(two, { ...place.options, acceptRollback: true })
    expect(await store.get({ scope: account, name: 'n' })).toBe('two')
    await store.close()
    expect(await codeOf(() => openStore(one, place.options))).toBe('ERR_ROLLBACK')
  })

  test('where there is nothing creates a store, with any token', async () => {
    const { place } = await rolledBack()
    const location = await newLocation()
    const store = await openStore(location, { ...place.options, acceptRollback: true })
    await set(store, 'n')
    const token = await store.checkpoint()
    await store.close()
    expect(place.last).toBe(token)
    const again = await openStore(location, { ...place.options, acceptRollback: true })
    expect(await again.checkpoint()).toBe(token)
    await again.close()
    const absent = await newLocation()
    const options = { ...place.options, acceptRollback: true, createIfMissing: false }
    expect(await codeOf(() => openStore(absent, options))).toBe('ERR_NOT_FOUND')
  })

  test('changes nothing if there is nothing to accept', async () => {
    const { newer, place } = await rolledBack()
    const before = await readFile(join(newer, 'keyring.json'))
    for (const options of [{}, { minimum: place.last as string }, place.options]) {
      const store = await openStore(newer, { ...options, acceptRollback: true })
      expect(await store.checkpoint()).toBe(place.last)
      await store.close()
    }
    expect(await readFile(join(newer, 'keyring.json'))).toEqual(before)
  })

  test('takes an older keyring.json beside newer data, and refuses the newer one then', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    await set(store, 'n')
    const older = await readFile(join(location, 'keyring.json'))
    await store.addKey(testKey(2))
    await store.close()
    const newer = await readFile(join(location, 'keyring.json'))
    await writeFile(join(location, 'keyring.json'), older)
    expect(await codeOf(() => openStore(location))).toBe('ERR_ROLLBACK')
    store = await openStore(location, { acceptRollback: true })
    expect(store.keys()).toHaveLength(1)
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
    await store.close()
    const accepted = await readFile(join(location, 'keyring.json'))
    expect(JSON.parse(accepted.toString()).generation).toBe(2)
    await writeFile(join(location, 'keyring.json'), newer)
    expect(await codeOf(() => openStore(location))).toBe('ERR_ROLLBACK')
    await writeFile(join(location, 'keyring.json'), accepted)
    await openStore(location)
  })

  test('opens neither damage nor a wrong key', async () => {
    const { location, place } = await rolledBack()
    const options = { ...place.options, acceptRollback: true }
    const before = await directoryDigest(location)
    expect(await codeOf(() => openStore(location, { ...options, key: testKey(9) }))).toBe('ERR_WRONG_KEY')
    expect(await directoryDigest(location)).toBe(before)
    const keyring = await readFile(join(location, 'keyring.json'), 'utf8')
    await writeFile(join(location, 'keyring.json'), keyring.replace('"names": "plain"', '"names": "pla1n"'))
    expect(await codeOf(() => openStore(location, options))).toBe('ERR_CORRUPT')
  })

  test('takes a restored backup, and refuses what it replaces', async () => {
    const [location, restored, place] = [await newLocation(), await newLocation(), new Place()]
    let store = await openStore(location, place.options)
    await set(store, 'n', 'old')
    await store.backup(`${restored}.backup`)
    for (let n = 0; n < 10; n++) await set(store, 'n', 'new')
    await store.close()
    await SecretStore.restore(`${restored}.backup`, restored, { key: testKey() })
    expect(await codeOf(() => openStore(restored, place.options))).toBe('ERR_ROLLBACK')
    store = await openStore(restored, { ...place.options, acceptRollback: true })
    expect(await store.get({ scope: account, name: 'n' })).toBe('old')
    await store.close()
    expect(await codeOf(() => openStore(location, place.options))).toBe('ERR_ROLLBACK')
    await openStore(restored, place.options)
  })
})

test('a place that never answers keeps nothing but the promise of `close` waiting', async () => {
  const location = await newLocation()
  const checkpoints = { load: () => undefined, save: () => new Promise<void>(() => {}) }
  const store = await stores.open(location, { key: testKey(), checkpoints })
  await set(store, 'n')
  void store.close()
  await eventually(async () => (await openStore(location)).get({ scope: account, name: 'n' }))
})

test('what was written after the last checkpoint is abandoned, too', async () => {
  const [location, old] = [await newLocation(), await newLocation()]
  let store = await openStore(location)
  await store.close()
  await copyStore(location, old)
  store = await openStore(location)
  await set(store, 'n')
  const minimum = await store.checkpoint()
  for (let n = 0; n < 20; n++) await set(store, 'n', `${n}`)
  await store.close()
  store = await openStore(old, { minimum, acceptRollback: true })
  const accepted = await store.checkpoint()
  await store.close()
  expect(await codeOf(() => openStore(location, { minimum: accepted }))).toBe('ERR_ROLLBACK')
  await openStore(old, { minimum: accepted })
})

test('verify looks at keyring.json, too', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const path = join(location, 'keyring.json')
  const bytes = await readFile(path)
  await store.addKey(testKey(2))
  const changed = await readFile(path)
  await writeFile(path, bytes)
  expect((await store.verify()).problems).toMatchObject([{ kind: 'altered', what: 'keyring' }])
  await rm(path)
  expect((await store.verify()).problems).toMatchObject([{ kind: 'missing', what: 'keyring' }])
  await writeFile(path, changed, { mode: 0o600 })
  expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
})
