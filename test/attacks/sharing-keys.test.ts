import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, type KeyProvider, type SecretStore } from 'app-secret-store'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nobleAead } from '../../src/crypto/aead/noble'
import { Keyring, readKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import { systemRandom } from '../../src/crypto/random'
import { findSlot } from '../../src/keys/unlock'
import { connectLocally } from '../../src/platform/local-socket'
import { HEAD_ROW, RECORD_ROWS } from '../../src/storage/keyspace'
import { Connection } from '../../src/storage/sharing/connection'
import { type Met, meetOwner } from '../../src/storage/sharing/handshake'
import { OwnerLost, RemoteOwner } from '../../src/storage/sharing/remote-owner'
import { newStore, ownerOf, type Sharer, sharerOf, socketsFolder } from '../support/sharing'
import { codeOf, openStore, testKey } from '../support/stores'
import { eventually, newGate, turnOfLoop } from '../support/waiting'

/**
 * A process that had a key of a store that is shared, and has it no more: one that keeps to the rules, and one that keeps the
 * root key that it has seen and speaks the protocol itself.
 */

const GOOD = testKey(7)
const FORMER = testKey(8)
const NEW = testKey(9)
const SECRET = { scope: account, name: 'n' }
const TIMEOUT_MS = 60_000
const NONE = new Uint8Array()

/** The keys that whoever has this key finds in the directory. */
async function keyringOf(location: string): Promise<Keyring> {
  const unverified = readKeyringFile(await readFile(join(location, 'keyring.json')))
  const { rootKey } = await findSlot(unverified.file, FORMER)
  return new Keyring(verifyKeyringFile(unverified, rootKey), rootKey, systemRandom)
}

/** Whether keyring.json is still under the root key that was found then. */
async function isUnderFormer(former: Keyring, location: string): Promise<boolean> {
  const unverified = readKeyringFile(await readFile(join(location, 'keyring.json')))
  const code = await codeOf(() => former.lendRootKey((rootKey) => verifyKeyringFile(unverified, rootKey)))
  return code === 'no error'
}

/** A store that is shared, open here as its owner, and another process that has opened it by a key of its own. */
async function shared(
  key: KeyProvider = GOOD,
): Promise<{ readonly location: string; readonly owner: SecretStore; readonly other: Sharer }> {
  await socketsFolder()
  const location = await newStore()
  const owner = await openStore(location, { key, shared: true })
  await owner.set({ ...SECRET, payload: 'p' })
  await owner.addKey(FORMER)
  const other = await sharerOf(location, { key: 8 })
  expect(await other.ask({ do: 'get', name: 'n' })).toEqual({ value: 'p' })
  return { location, owner, other }
}

interface Intruder {
  readonly remote: RemoteOwner
  readonly ends: { count: number }
  readonly feed: Uint8Array[]
}

/** Speaks the protocol by a keyring of its own. */
async function intrude(location: string, keyring: Keyring): Promise<Intruder> {
  const { endpoint } = await ownerOf(location)
  const wire = await connectLocally(endpoint, TIMEOUT_MS)
  if (wire === undefined) throw new Error('expected an owner to listen')
  onTestFinished(() => wire.end())
  const context = () => ({ key: keyring.channelKey(), endpoint })
  const met: Met = await meetOwner(wire, { context, aead: nobleAead, timeoutMs: TIMEOUT_MS })
  const [ends, feed]: [{ count: number }, Uint8Array[]] = [{ count: 0 }, []]
  let connection: Connection
  const remote = new RemoteOwner(
    () => connection,
    ({ note }) => feed.push(note),
    () => ends.count++,
  )
  connection = new Connection(wire, met.seal, met.early, remote.onMessage, remote.onEnd)
  return { remote, ends, feed }
}

describe('after rotate({ root: true })', () => {
  test('a process whose slot was not kept is cut off: every call is ERR_WRONG_KEY, and it does not come back', async () => {
    const { location, owner, other } = await shared()
    await owner.rotate({ root: true, keys: [{ from: GOOD, to: NEW }] })
    await owner.set({ ...SECRET, payload: 'after' })
    await eventually(async () => {
      expect(await other.ask({ do: 'get', name: 'n' })).toMatchObject({ error: 'ERR_WRONG_KEY' })
    })
    expect(await other.ask({ do: 'set', name: 'n', payload: 'x' })).toMatchObject({ error: 'ERR_WRONG_KEY' })
    expect(await owner.get(SECRET)).toBe('after')
    expect(await codeOf(() => openStore(location, { key: FORMER, shared: true }))).toBe('ERR_WRONG_KEY')
    expect((await owner.verify()).ok).toBe(true)
  })

  test('a process whose slot was kept goes on', async () => {
    const { owner, other } = await shared()
    await owner.rotate({ root: true, keys: [GOOD, FORMER] })
    await owner.set({ ...SECRET, payload: 'after' })
    expect(await other.ask({ do: 'get', name: 'n' })).toEqual({ value: 'after' })
    expect(await other.ask({ do: 'set', name: 'n', payload: 'of the other' })).toEqual({ value: 'set' })
    expect(await owner.get(SECRET)).toBe('of the other')
    expect((await owner.verify()).ok).toBe(true)
  })

  test('a process that keeps the former root key has its connection ended, and gets no other one', async () => {
    const { location, owner } = await shared()
    const former = await keyringOf(location)
    const { remote, ends, feed } = await intrude(location, former)
    expect(await remote.get(HEAD_ROW)).toBeInstanceOf(Uint8Array)
    await owner.rotate({ root: true, keys: [GOOD] })
    await eventually(() => expect(ends.count).toBe(1))
    expect(await codeOf(() => remote.get(HEAD_ROW))).toBe(String(new OwnerLost()))
    const heard = feed.length
    await owner.set({ ...SECRET, payload: 'after' })
    expect(feed.length).toBe(heard)
    expect(await codeOf(() => intrude(location, former))).toBe('ERR_LOCKED')
    expect((await owner.verify()).ok).toBe(true)
  })

  test('another process that replaces the root key cuts off the same, and those with a slot go on', async () => {
    const { location, owner, other } = await shared()
    const former = await keyringOf(location)
    const third = await openStore(location, { shared: true })
    const { remote, ends } = await intrude(location, former)
    await third.rotate({ root: true, keys: [GOOD] })
    await eventually(() => expect(ends.count).toBe(1))
    expect(await codeOf(() => remote.turn())).toBe(String(new OwnerLost()))
    await owner.set({ ...SECRET, payload: 'of the owner' })
    expect(await third.get(SECRET)).toBe('of the owner')
    await third.set({ ...SECRET, payload: 'of the third' })
    expect(await owner.get(SECRET)).toBe('of the third')
    expect(await other.ask({ do: 'get', name: 'n' })).toMatchObject({ error: 'ERR_WRONG_KEY' })
    expect((await owner.verify()).ok).toBe(true)
  })

  test('requests that it keeps sending write nothing from the moment at which the new keyring.json is there', async () => {
    // The owner takes its time to find out which key of its own opens the new keyring.json.
    const gate = newGate()
    let isSlow = false
    const slow: KeyProvider = {
      ...GOOD,
      unwrap: async (params, context) => {
        if (isSlow) await gate.opened
        return GOOD.unwrap(params, context)
      },
    }
    const { location, owner } = await shared(slow)
    const former = await keyringOf(location)
    const third = await openStore(location, { shared: true })
    const { remote, ends } = await intrude(location, former)
    isSlow = true
    // A turn at a time, and whatever head is there: all that it can delete is deleted. Before the replacement it is a holder
    // of the key as others are, and only has its turns.
    let written = 0
    const attack = async (): Promise<void> => {
      for (;;) {
        const expectedHead = await remote.turn()
        const record = (await remote.scanKeys({ ...RECORD_ROWS, limit: 1 }))[0]
        if (record === undefined) return
        const changes = [{ type: 'del' as const, key: record }]
        if (await isUnderFormer(former, location)) await remote.pass()
        else if (await remote.commit({ expectedHead, changes, note: NONE, keyring: undefined })) written++
      }
    }
    const attacking = attack().catch((error) => error)
    const rotating = third.rotate({ root: true, keys: [GOOD] })
    await eventually(async () => expect(await isUnderFormer(former, location)).toBe(false))
    for (let turns = 0; turns < 200; turns++) await turnOfLoop()
    expect([written, ends.count]).toEqual([0, 0])
    // Nor does another connection by the former key help.
    expect(await codeOf(() => intrude(location, former))).toBe('ERR_LOCKED')
    gate.open()
    await rotating
    expect(await attacking).toBeInstanceOf(OwnerLost)
    expect([written, ends.count]).toEqual([0, 1])
    expect(await owner.get(SECRET)).toBe('p')
    expect((await owner.verify()).ok).toBe(true)
  })

  test('a turn that it waits for, or has, while the root key is replaced lets it write nothing', async () => {
    const { location, owner } = await shared()
    const former = await keyringOf(location)
    const { remote, ends } = await intrude(location, former)
    const head = (await remote.turn()) as Uint8Array
    const rotating = owner.rotate({ root: true, keys: [GOOD] })
    // Its turn ends by the clock, since nothing is sent; then the owner has it.
    await rotating
    await eventually(() => expect(ends.count).toBe(1))
    const change = { type: 'del' as const, key: RECORD_ROWS.gte }
    const commit = remote.commit({ expectedHead: head, changes: [change], note: new Uint8Array(), keyring: undefined })
    expect(await codeOf(() => commit)).toBe(String(new OwnerLost()))
    expect(await owner.get(SECRET)).toBe('p')
    expect((await owner.verify()).ok).toBe(true)
  })
})

describe('after removeKey', () => {
  test('a process that is open goes on until it closes, and does not open the store again', async () => {
    const { location, owner, other } = await shared()
    const slot = owner.keys().at(-1)?.id as string
    await owner.removeKey(slot)
    await owner.set({ ...SECRET, payload: 'after' })
    expect(await other.ask({ do: 'get', name: 'n' })).toEqual({ value: 'after' })
    expect(await other.ask({ do: 'set', name: 'n', payload: 'of the other' })).toEqual({ value: 'set' })
    expect(await other.ask({ do: 'close' })).toEqual({})
    expect(await other.ask({ do: 'open', location, key: 8 })).toMatchObject({ error: 'ERR_WRONG_KEY' })
    expect(await owner.get(SECRET)).toBe('of the other')
  })

  test('a process that keeps the root key reads and writes, until the root key is replaced', async () => {
    const { location, owner } = await shared()
    const former = await keyringOf(location)
    await owner.removeKey(owner.keys().at(-1)?.id as string)
    const { remote } = await intrude(location, former)
    const rows = await remote.scan({ ...RECORD_ROWS, limit: 10 })
    expect(rows.length).toBe(1)
    expect(former.openRow(rows[0]?.key as Uint8Array, rows[0]?.value as Uint8Array)).toBeInstanceOf(Uint8Array)
    remote.end()
    await owner.rotate({ root: true, keys: [GOOD] })
    expect(await codeOf(() => intrude(location, former))).toBe('ERR_LOCKED')
  })
})
