import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { account, type KeyProvider, rawKey, type SecretStore } from 'app-secret-store'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { unlockKeyring } from '../../../src/keys/unlock'
import { Adoption } from '../../../src/opening/adoption'
import { examine, readKeyring } from '../../../src/storage/directory/location'
import { newStore, type Sharer, sharerOf, socketsFolder } from '../../support/sharing'
import { codeOf, copyStore, newLocation, openStore, testKey } from '../../support/stores'
import { eventually, newGate, turnOfLoop } from '../../support/waiting'

const target = { scope: account, name: 'n' }

/** A provider that counts how often it is asked, and answers when it may. */
function asked(fill = 7): KeyProvider & { times: number; gate: Promise<void> } {
  const key = rawKey(new Uint8Array(32).fill(fill))
  const counting = {
    ...key,
    times: 0,
    gate: Promise.resolve(),
    unwrap: async (...slot: Parameters<KeyProvider['unwrap']>) => {
      counting.times++
      await counting.gate
      return key.unwrap(...slot)
    },
  }
  return counting
}

/** What a process has that was away since the store was closed. */
async function away(path: string, key: KeyProvider) {
  const location = await examine(path)
  const { keyring, bytes } = await unlockKeyring(await readKeyring(location), key, { sodium: false })
  return { keyring, adoption: new Adoption({ location, keyring, keyringStorage: { location, bytes }, key }) }
}

async function changed(location: string, change: (store: SecretStore) => Promise<unknown>): Promise<void> {
  const store = await openStore(location)
  await change(store)
  await store.close()
}

/** So many milliseconds pass at once, for whoever looks at the clock. */
function pass(ms: number): void {
  passedMs += ms
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => realNow() + passedMs)
  onTestFinished(() => {
    passedMs = 0
    spy.mockRestore()
  })
}

const realNow = performance.now.bind(performance)
let passedMs = 0

const replaceRoot = (store: SecretStore): Promise<unknown> => store.rotate({ root: true, keys: [testKey()] })

describe('a keyring.json that others have put in place', () => {
  test('is taken over under the same root key without a question, and under another one with one question', async () => {
    const [location, key] = [await newStore(), asked()]
    const { keyring, adoption } = await away(location, key)
    expect([await adoption.take(), key.times]).toEqual([false, 1])
    await changed(location, (store) => store.rotate())
    expect([await adoption.take(), key.times, keyring.activeKeyId]).toEqual([true, 1, 2])
    await changed(location, replaceRoot)
    const gate = newGate()
    key.gate = gate.opened
    const both = [adoption.take(), adoption.take()]
    await eventually(() => expect(key.times).toBe(2))
    gate.open()
    expect([await Promise.all(both), key.times, keyring.activeKeyId]).toEqual([[true, true], 2, 3])
    expect([await adoption.take(), key.times]).toEqual([false, 2])
  })

  test('is not taken over after one that came later', async () => {
    const [location, key] = [await newStore(), asked()]
    const { keyring, adoption } = await away(location, key)
    await changed(location, replaceRoot)
    const gate = newGate()
    key.gate = gate.opened
    const slow = adoption.take()
    await eventually(() => expect(key.times).toBe(2))
    key.gate = Promise.resolve()
    await changed(location, replaceRoot)
    expect([await adoption.take(), keyring.activeKeyId]).toEqual([true, 3])
    gate.open()
    expect([await slow, keyring.activeKeyId]).toEqual([false, 3])
  })

  test('is refused where it is an older one, and nobody is asked for a key', async () => {
    const [location, key] = [await newStore(), asked()]
    const [path, old] = [join(location, 'keyring.json'), join(location, '..', 'old')]
    await copyFile(path, old)
    await changed(location, replaceRoot)
    const { keyring, adoption } = await away(location, key)
    const { rootId } = keyring
    await copyFile(old, path)
    expect(await codeOf(() => adoption.take())).toBe('ERR_ROLLBACK')
    expect([keyring.rootId, key.times]).toEqual([rootId, 1])
  })

  test('is refused where it is of a fork that a former root key is enough for, or of another store', async () => {
    const [location, fork, other] = [await newStore(), await newLocation(), await newStore()]
    await copyStore(location, fork)
    await changed(location, replaceRoot)
    const { keyring, adoption } = await away(location, testKey())
    const { rootId } = keyring
    for (const made of [fork, other]) {
      // Of a greater generation than the one in use.
      for (let n = 0; n < 2; n++) await changed(made, replaceRoot)
      await copyFile(join(made, 'keyring.json'), join(location, 'keyring.json'))
      expect(await codeOf(() => adoption.take())).toBe('ERR_ROLLBACK')
      expect(keyring.rootId).toEqual(rootId)
    }
  })

  test('is refused to a process whose slot was not kept', async () => {
    const location = await newStore()
    const { keyring, adoption } = await away(location, testKey())
    const { rootId } = keyring
    await changed(location, (store) => store.rotate({ root: true, keys: [{ from: testKey(), to: testKey(9) }] }))
    expect(await codeOf(() => adoption.take())).toBe('ERR_WRONG_KEY')
    expect(keyring.rootId).toEqual(rootId)
  })
})

test('a store whose root key is replaced while the key to open it is asked for opens', async () => {
  await socketsFolder()
  const [location, key] = [await newStore(), asked()]
  const owner = await openStore(location, { shared: true })
  await owner.set({ ...target, payload: 'p' })
  const gate = newGate()
  key.gate = gate.opened
  const opening = openStore(location, { shared: true, key })
  await eventually(() => expect(key.times).toBe(1))
  await replaceRoot(owner)
  gate.open()
  expect(await (await opening).get(target)).toBe('p')
})

test('an owner whose key does not answer for a new root key lets go of the files in time, and comes back when it does', async () => {
  await socketsFolder()
  const [location, key] = [await newStore(), asked()]
  const owner = await openStore(location, { shared: true, key })
  const [other, third] = [await openStore(location, { shared: true }), await openStore(location, { shared: true })]
  await owner.set({ ...target, payload: 'p' })
  const gate = newGate()
  key.gate = gate.opened
  const rotating = replaceRoot(other)
  await eventually(() => expect(key.times).toBe(2))
  // Nobody is heard before that.
  let isRead = false
  const reading = third.get(target).finally(() => {
    isRead = true
  })
  for (let turns = 0; turns < 50; turns++) await turnOfLoop()
  expect(isRead).toBe(false)
  pass(10_001)
  await rotating
  expect(await reading).toBe('p')
  await other.set({ ...target, payload: 'after' })
  expect(await third.get(target)).toBe('after')
  const late = owner.get(target)
  gate.open()
  expect([await late, key.times]).toEqual(['after', 2])
  await owner.set({ ...target, payload: 'of the former owner' })
  expect(await other.get(target)).toBe('of the former owner')
  expect((await owner.verify()).ok).toBe(true)
})

test('a key that nobody has asked is not given up', async () => {
  const [location, key] = [await newLocation(), asked()]
  await (await openStore(location, { key })).close()
  const { adoption } = await away(location, key)
  adoption.giveUp()
  expect(adoption.isSilent).toBe(false)
  const gate = newGate()
  key.gate = gate.opened
  await changed(location, replaceRoot)
  const { times } = key
  const taking = adoption.take()
  await eventually(() => expect(key.times).toBe(times + 1))
  adoption.giveUp()
  expect(adoption.isSilent).toBe(true)
  gate.open()
  expect(await taking).toBe(true)
  expect(adoption.isSilent).toBe(false)
})

test('a key that was waited for in vain is waited for no more before it answers, by no call and by no end', async () => {
  await socketsFolder()
  const [location, key] = [await newStore(), asked()]
  const other = await openStore(location, { shared: true })
  const follower = await openStore(location, { shared: true, key })
  const gate = newGate()
  key.gate = gate.opened
  await replaceRoot(other)
  const calls = [() => follower.get(target), () => follower.set({ ...target, payload: 'x' })]
  let isOver = false
  const first = Promise.all(calls.map(codeOf)).finally(() => {
    isOver = true
  })
  // It has begun to search at some time.
  for (; !isOver; await pause(100)) pass(10_000)
  expect(await first).toEqual(['ERR_BUSY', 'ERR_BUSY'])
  // The clock does not go on by so much.
  for (const call of calls) expect(await codeOf(call)).toBe('ERR_BUSY')
  gate.open()
  await eventually(async () => expect(await codeOf(calls[1] as () => Promise<unknown>)).toBe('no error'))
  expect(await other.get(target)).toBe('x')
})

test('an owner whose key never answers for a new root key closes all the same', async () => {
  await socketsFolder()
  const [location, key] = [await newStore(), asked()]
  const owner = await openStore(location, { shared: true, key })
  const other = await openStore(location, { shared: true })
  key.gate = newGate().opened
  const rotating = replaceRoot(other)
  await eventually(() => expect(key.times).toBe(2))
  await owner.close()
  await rotating
  await other.set({ ...target, payload: 'p' })
})

describe.runIf(process.platform !== 'win32')('a process that was stopped while the root key was replaced', () => {
  async function stopped(): Promise<{ store: SecretStore; sharer: Sharer }> {
    await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    const [store, sharer] = [await openStore(location, { shared: true }), await sharerOf(location)]
    await store.set({ ...target, payload: 'p' })
    expect(await sharer.ask({ do: 'get', name: 'n' })).toEqual({ value: 'p' })
    sharer.process.kill('SIGSTOP')
    await owner.kill()
    return { store, sharer }
  }

  test('goes on if its slot was kept', async () => {
    const { store, sharer } = await stopped()
    await replaceRoot(store)
    await store.set({ ...target, payload: 'after' })
    sharer.process.kill('SIGCONT')
    expect(await sharer.ask({ do: 'get', name: 'n' })).toEqual({ value: 'after' })
    expect(await sharer.ask({ do: 'set', name: 'n', payload: 'of the other' })).toEqual({ value: 'set' })
    expect(await store.get(target)).toBe('of the other')
  })

  test('is told so if its slot was not kept', async () => {
    const { store, sharer } = await stopped()
    await store.rotate({ root: true, keys: [{ from: testKey(), to: testKey(9) }] })
    sharer.process.kill('SIGCONT')
    expect(await sharer.ask({ do: 'get', name: 'n' })).toMatchObject({ error: 'ERR_WRONG_KEY' })
    expect(await store.get(target)).toBe('p')
  })
})
