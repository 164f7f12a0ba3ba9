import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, SecretStore, type SecretStoreErrorCode, user } from 'app-secret-store'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../src/base/bytes'
import { Keyring, readKeyringFile, streamKey, verifyKeyringFile } from '../../src/crypto/keyring'
import { systemRandom } from '../../src/crypto/random'
import { ChunkSealer } from '../../src/crypto/stream'
import { encodeBackupEntry, encodeBackupHeader } from '../../src/format/backup'
import { envelopeTag } from '../../src/format/envelope'
import { EMPTY_HEAD, withElement } from '../../src/format/head'
import { encodePayload, encodeRecord, type StoredRecord } from '../../src/format/record'
import { findSlot } from '../../src/keys/unlock'
import type { Address, PayloadType } from '../../src/model'
import { sealHead } from '../../src/storage/head'
import { ERASURE_ROWS, idRow, keyspace, payloadRow } from '../../src/storage/keyspace'
import { contents, recover, sampleStore } from '../support/behaviour/recovery'
import { editRows, readRow, recordRow, writeRow } from '../support/raw-rows'
import { idOf } from '../support/records'
import { codeOf, copyStore, newLocation, openStore, testKey } from '../support/stores'

/** A faulty writer who holds the keys: everything it writes is sealed, summed and counted as it should be. */

interface Forged {
  readonly location: string
  readonly backup: Uint8Array
}

/** @param large - A payload for a row of its own. */
async function forged(
  change: Partial<StoredRecord>,
  large?: { type: PayloadType; bytes: Uint8Array },
): Promise<Forged> {
  const location = await newLocation()
  await (await openStore(location)).close()
  const bytes = await readFile(join(location, 'keyring.json'))
  const unverified = readKeyringFile(bytes)
  const { rootKey } = await findSlot(unverified.file, testKey())
  const keyring = new Keyring(verifyKeyringFile(unverified, rootKey), rootKey, systemRandom)
  const plain: StoredRecord = {
    id: idOf('a'),
    address: ADDRESS,
    created: 1,
    expires_at: null,
    revision: 1,
    payload: { type: 'text', inline: utf8('p') },
    ...change,
  }
  const row = keyspace(keyring).record(plain.address).bytes
  const payloadValue = large && keyring.sealRow(payloadRow(row), encodePayload(large.bytes))
  const payload = large && {
    type: large.type,
    lengthBytes: large.bytes.length,
    tag: envelopeTag(payloadValue as Uint8Array),
  }
  const record = payload === undefined ? plain : { ...plain, payload }
  const value = keyring.sealRow(row, encodeRecord(record))
  const sum = withElement(EMPTY_HEAD, keyring.elementHash(row, value))
  const head = sealHead(keyring, { ...EMPTY_HEAD, ...sum, sequence: 1 })
  await editRows(location, async (database) => {
    await database.put(row, value)
    await database.put(idRow(record.id), row)
    await database.put(head.key, head.value)
    if (payloadValue !== undefined) await database.put(payloadRow(row), payloadValue)
  })
  const header = encodeBackupHeader({ keyring: bytes, records: 1, nonce: new Uint8Array(32) })
  const sealer = new ChunkSealer(streamKey(rootKey, header))
  const entries = concat(
    encodeBackupEntry({ type: 'put', rowKey: row, value, payloadValue: payloadValue ?? new Uint8Array() }),
    encodeBackupEntry({ type: 'head', value: head.value }),
  )
  return { location, backup: concat(header, sealer.push(entries), sealer.end()) }
}

const ADDRESS: Address = { partition: { account: undefined, livemode: false }, scope: account, name: 'a' }
const NOT_UTF8 = Uint8Array.of(0x61, 0xed, 0xa0, 0x80)
const LONG = '\u{1f600}'.repeat(5001)

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function restored(backup: Uint8Array): Promise<SecretStoreErrorCode | string> {
  return codeOf(async () => SecretStore.restore(once(backup), await newLocation(), { key: testKey() }))
}

async function verified(location: string): Promise<{ kind: string; what: string }[]> {
  const store = await openStore(location, { verify: false })
  const { problems } = await store.verify()
  await store.close()
  return problems.map(({ kind, what }) => ({ kind, what }))
}

describe('a record', () => {
  const bad: [string, Partial<StoredRecord>][] = [
    ['of a text that is not UTF-8', { payload: { type: 'text', inline: NOT_UTF8 } }],
    ['of an empty text', { payload: { type: 'text', inline: new Uint8Array() } }],
    ['of no bytes', { payload: { type: 'bytes', inline: new Uint8Array() } }],
    ['with an empty name', { address: { ...ADDRESS, name: '' } }],
    ['with a name of 5,001 characters', { address: { ...ADDRESS, name: LONG } }],
    ['with an empty account', { address: { ...ADDRESS, partition: { account: '', livemode: false } } }],
    ['with an account of 5,001 characters', { address: { ...ADDRESS, partition: { account: LONG, livemode: true } } }],
    ['with an empty user', { address: { ...ADDRESS, scope: user('') } }],
    ['with a user of 5,001 characters', { address: { ...ADDRESS, scope: user(LONG) } }],
    ['with an empty id', { id: '' }],
    ['with an id without its prefix', { id: 'x'.repeat(34) }],
    ['with a short id', { id: idOf('a').slice(0, -1) }],
    ['with a long id', { id: `${idOf('a')}0` }],
    ['with an id and a line feed', { id: `${idOf('a').slice(0, -1)}\n` }],
    ['of revision 0', { revision: 0 }],
  ]

  test.each(bad)('%s is refused by verify, restore and every read', async (_, change) => {
    const { location, backup } = await forged(change)
    expect(await verified(location)).toEqual([{ kind: 'altered', what: 'record' }])
    expect(await codeOf(() => openStore(location, { verify: true }))).toBe('ERR_CORRUPT')
    expect(await restored(backup)).toBe('ERR_CORRUPT')
    if (change.address !== undefined) return
    const store = await openStore(location, { verify: false })
    const secret = { scope: account, name: 'a' }
    for (const read of [() => store.get(secret), () => store.find(secret), () => store.list({ scope: account })]) {
      expect(await codeOf(read)).toBe('ERR_CORRUPT')
    }
  })

  test('of a large text that is not UTF-8 is refused by verify, restore and get', async () => {
    const { location, backup } = await forged({}, { type: 'text', bytes: new Uint8Array(5000).fill(0x80) })
    expect(await verified(location)).toEqual([{ kind: 'altered', what: 'payload' }])
    expect(await restored(backup)).toBe('ERR_CORRUPT')
    const store = await openStore(location, { verify: false })
    expect(await codeOf(() => store.get({ scope: account, name: 'a' }))).toBe('ERR_CORRUPT')
  })

  test('within all bounds is taken in: the forger\u2019s tools are good', async () => {
    const name = '\u{1f600}'.repeat(5000)
    for (const change of [
      {},
      { address: { ...ADDRESS, name } },
      { payload: { type: 'bytes', inline: NOT_UTF8 } },
    ] as const) {
      const { location, backup } = await forged(change)
      expect(await verified(location)).toEqual([])
      expect(await restored(backup)).toBe('no error')
    }
    const large = await forged({}, { type: 'bytes', bytes: new Uint8Array(5000).fill(0x80) })
    expect(await verified(large.location)).toEqual([])
    expect(await restored(large.backup)).toBe('no error')
  })
})

describe('a row', () => {
  test('with the empty key, and a value in the rows of a compaction, is stray; those rows without a value are none', async () => {
    const { location } = await forged({})
    for (const key of ERASURE_ROWS) await writeRow(location, key, new Uint8Array())
    expect(await verified(location)).toEqual([])
    for (const key of [new Uint8Array(), ...ERASURE_ROWS]) {
      await writeRow(location, key, utf8('smuggled'))
      expect([key.length, await verified(location)]).toEqual([key.length, [{ kind: 'stray', what: 'row' }]])
      await writeRow(location, key, undefined)
    }
  })

  test('of a derived kind is passed over in a store of version 3 alone, and one without a kind is stray', async () => {
    const { location } = await forged({})
    const [derived, none] = [utf8('d1'), utf8('d')]
    const stray = [{ kind: 'stray', what: 'row' }]
    await writeRow(location, derived, utf8('x'))
    expect(await verified(location)).toEqual(stray)
    const store = await openStore(location)
    await store.rotate({ root: true, keys: [testKey()] })
    await store.close()
    expect(await verified(location)).toEqual([])
    await writeRow(location, none, utf8('x'))
    expect(await verified(location)).toEqual(stray)
  })

  test.each([
    ['record', recordRow('a')],
    ['payload', payloadRow(recordRow('a'))],
  ])('of another version, with a %s, is unsupported to verify as it is to get', async (what, key) => {
    const { location } = await forged({}, { type: 'text', bytes: new Uint8Array(5000).fill(0x61) })
    const value = await readRow(location, key)
    value[0] = 2
    await writeRow(location, key, value)
    expect(await verified(location)).toEqual([{ kind: 'unsupported', what }])
    expect(await codeOf(() => openStore(location, { verify: true }))).toBe('ERR_UNSUPPORTED_VERSION')
    const store = await openStore(location, { verify: false })
    expect(await codeOf(() => store.get({ scope: account, name: 'a' }))).toBe('ERR_UNSUPPORTED_VERSION')
  })
})

describe('keyring.json and data of different times', () => {
  test('are never a complete or proven recovery: a removed key opens the result', async () => {
    const { location, state } = await sampleStore()
    const store = await openStore(location)
    const { id } = await store.addKey(testKey(8))
    const older = await readFile(join(location, 'keyring.json'))
    const before = await newLocation()
    await store.removeKey(id)
    await store.close()
    expect((await recover(location)).report).toMatchObject({ complete: true, proven: true, rolledBack: false })
    await copyStore(location, before)
    await writeFile(join(before, 'keyring.json'), older)
    const { report, destination } = await recover(before)
    expect(report).toMatchObject({ complete: false, proven: false, rolledBack: true, lost: [] })
    expect(await contents(destination)).toEqual(state)
    expect(await codeOf(() => openStore(destination, { key: testKey(8) }))).toBe('no error')
  })

  test('neither are they where the data is the older one', async () => {
    const { location } = await sampleStore()
    const older = await newLocation()
    await copyStore(location, older)
    const store = await openStore(location)
    await store.addKey(testKey(8))
    await store.addKey(testKey(9))
    await store.close()
    await writeFile(join(older, 'keyring.json'), await readFile(join(location, 'keyring.json')))
    expect((await recover(older)).report).toMatchObject({ complete: false, proven: false, rolledBack: true })
  })
})
