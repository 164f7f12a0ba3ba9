import { describe, expect, test } from 'vitest'
import { equal, mapKey, utf8 } from '../../../../src/base/bytes'
import { Keyring } from '../../../../src/crypto/keyring'
import { withNewDataKey } from '../../../../src/crypto/next-keyring'
import { systemRandom } from '../../../../src/crypto/random'
import { decodeEnvelope } from '../../../../src/format/envelope'
import { EMPTY_HEAD, type Head } from '../../../../src/format/head'
import type { Payload, SecretRecord } from '../../../../src/model'
import {
  type Commit,
  fillHead,
  type Operation,
  type SeenRecord,
  Transaction,
} from '../../../../src/storage/commit/transaction'
import type { Batch, Change } from '../../../../src/storage/engine'
import { openHead } from '../../../../src/storage/head'
import { HEAD_ROW, payloadRow } from '../../../../src/storage/keyspace'
import type { Known } from '../../../../src/storage/known/known-records'
import { openKnown, openRecord, sealRecord } from '../../../../src/storage/records'
import { keyringFile, newKeyring, recordOf, rootKey, rowOf } from '../../../support/records'
import { codeOf } from '../../../support/stores'

const keyring = newKeyring()
const text = (payload: string): Payload => ({ type: 'text', bytes: utf8(payload) })

/** What is committed of records, and of names that are not there. */
class Rows {
  readonly rows = new Map<string, Uint8Array | undefined>()
  /** By the row keys of their records. */
  readonly payloadRows = new Map<string, Uint8Array | undefined>()
  readonly known = new Map<string, Known>()

  absent(...names: readonly string[]): this {
    for (const name of names) this.rows.set(rowOf(name).text, undefined)
    return this
  }

  read(name: string, payload = name, sealedWith = keyring): this {
    const rowKey = rowOf(name)
    const { value, payloadValue } = sealRecord(
      sealedWith,
      rowKey.bytes,
      { ...recordOf(name), revision: 1 },
      text(payload),
    )
    this.rows.set(rowKey.text, value)
    this.payloadRows.set(rowKey.text, payloadValue)
    return this
  }

  /** Known with its summand, and not read; or both. */
  knows(name: string, payload = name, element: bigint | null = 77n): this {
    this.read(name, payload)
    this.known.set(rowOf(name).text, {
      record: openKnown(keyring, rowOf(name).bytes, this.value(name)),
      element: element ?? undefined,
    })
    return this
  }

  without(name: string): this {
    this.rows.delete(rowOf(name).text)
    return this
  }

  value(name: string): Uint8Array {
    return this.rows.get(rowOf(name).text) as Uint8Array
  }

  /** As a rotation has read it before its turn. */
  seen(name: string, openedWith = keyring): SeenRecord {
    const [rowKey, value] = [rowOf(name), this.value(name)]
    return { rowKey, value, record: openRecord(openedWith, rowKey.bytes, value) }
  }
}

const transactionOf = (rows: Rows, withKeyring = keyring): Transaction => new Transaction(withKeyring, 9, rows)

function operation<T>(apply: (transaction: Transaction) => T): Operation<T> {
  return { records: [], payloads: [], sizeBytes: 0, apply }
}

const put = (transaction: Transaction, name: string, payload = 'new'): SecretRecord =>
  transaction.put(rowOf(name), recordOf(name), text(payload))

const HEAD: Head = { ...EMPTY_HEAD, sequence: 8, count: 2, setHash: 1000n }

/** Takes what is put into it. */
function newBatch(): { readonly batch: Batch; readonly changes: Change[] } {
  const changes: Change[] = []
  const batch: Batch = {
    put: (key, value) => void changes.push({ type: 'put', key, value }),
    del: (key) => void changes.push({ type: 'del', key }),
    keyring: async () => {},
    describe() {},
    write: () => expect.unreachable('filling a batch does not write it'),
    close: async () => {},
  }
  return { batch, changes }
}

/** What a transaction comes to, by itself. */
function filled(transaction: Transaction, withHead = HEAD): { readonly commit: Commit; readonly changes: Change[] } {
  const { batch, changes } = newBatch()
  const commit = transaction.fill(batch, withHead)
  return { commit, changes }
}

const namesOf = (transaction: Transaction): string[] =>
  filled(transaction).commit.replacements.map(({ rowKey }) => rowKey.text.slice(11))

const valueIn = (changes: readonly Change[], key: Uint8Array): Uint8Array | undefined =>
  changes.findLast((change): change is Change & { type: 'put' } => change.type === 'put' && equal(change.key, key))
    ?.value

describe('an operation sees', () => {
  test('what is committed, and over it what those before it have done', () => {
    const transaction = transactionOf(new Rows().read('a').absent('b'))
    expect(transaction.record(rowOf('a'))).toMatchObject({ ...recordOf('a'), revision: 1 })
    expect(transaction.payload(rowOf('a'))).toEqual(text('a'))
    expect(transaction.record(rowOf('b'))).toBeUndefined()
    expect(transaction.payload(rowOf('b'))).toBeUndefined()
    expect(put(transaction, 'b')).toEqual({ ...recordOf('b'), revision: 9 })
    expect(transaction.record(rowOf('b'))).toEqual({ ...recordOf('b'), revision: 9 })
    expect(transaction.payload(rowOf('b'))).toEqual(text('new'))
    transaction.delete(rowOf('a'), 'delete')
    expect(transaction.record(rowOf('a'))).toBeUndefined()
    expect(transaction.payload(rowOf('a'))).toBeUndefined()
    put(transaction, 'a', 'again')
    expect(transaction.payload(rowOf('a'))).toEqual(text('again'))
  })

  test('a large payload in its own row', () => {
    const transaction = transactionOf(new Rows().read('a', 'x'.repeat(2000)))
    expect(transaction.payload(rowOf('a'))).toEqual(text('x'.repeat(2000)))
  })

  test('of what is known no row, unless it asks for a small payload', async () => {
    const small = transactionOf(new Rows().knows('a').without('a'))
    expect(small.record(rowOf('a'))).toMatchObject(recordOf('a'))
    expect(await codeOf(() => small.payload(rowOf('a')))).toBe('ERR_CORRUPT')
    expect(transactionOf(new Rows().knows('a')).payload(rowOf('a'))).toEqual(text('a'))
    const large = transactionOf(new Rows().knows('a', 'x'.repeat(2000)).without('a'))
    expect(large.payload(rowOf('a'))).toEqual(text('x'.repeat(2000)))
  })

  test('the row of a known record that is gone as damage', async () => {
    const rows = new Rows().knows('a').absent('a')
    await expect(async () => transactionOf(rows).payload(rowOf('a'))).rejects.toMatchObject({ code: 'ERR_CORRUPT' })
  })

  test('the row itself if what is known lacks its summand', () => {
    const rows = new Rows().knows('a', 'a', null)
    const transaction = transactionOf(rows)
    put(transaction, 'a')
    const [replacement] = filled(transaction).commit.replacements
    expect(replacement?.previous?.element).toBe(keyring.elementHash(rowOf('a').bytes, rows.value('a')))
  })
})

describe('an operation that throws', () => {
  test('leaves nothing of what it did, and everything of what those before it did', () => {
    const transaction = transactionOf(new Rows().read('a').read('b').absent('c'))
    transaction.attempt(
      operation(() => {
        put(transaction, 'a', 'first')
        transaction.tell('set', recordOf('a'))
      }),
    )
    const failing = operation(() => {
      put(transaction, 'a', 'second')
      put(transaction, 'a', 'third')
      put(transaction, 'c')
      transaction.delete(rowOf('b'), 'delete')
      transaction.delete(rowOf('a'), 'delete')
      throw new RangeError('no')
    })
    expect(() => transaction.attempt(failing)).toThrow(new RangeError('no'))
    expect(transaction.payload(rowOf('a'))).toEqual(text('first'))
    expect(transaction.record(rowOf('b'))).toMatchObject({ revision: 1 })
    expect(transaction.record(rowOf('c'))).toBeUndefined()
    expect(transaction.told.map(({ type, record }) => `${type} ${record.id}`)).toEqual([
      'set appsecret_00000000000000000000000a',
    ])
    expect(namesOf(transaction)).toEqual(['a'])
  })

  test('takes back nothing of those before it when it has done nothing', () => {
    const transaction = transactionOf(new Rows().absent('a'))
    transaction.attempt(operation(() => put(transaction, 'a')))
    const failing = operation(() => {
      throw new RangeError('no')
    })
    expect(() => transaction.attempt(failing)).toThrow(RangeError)
    expect(transaction.payload(rowOf('a'))).toEqual(text('new'))
    expect(transaction.attempt(operation(() => 'value'))).toBe('value')
  })
})

describe('what is told', () => {
  test('is each deletion of what was there, with how it came, and nothing of what was not', () => {
    const transaction = transactionOf(new Rows().read('a').read('b').absent('c'))
    transaction.delete(rowOf('a'), 'delete')
    transaction.delete(rowOf('a'), 'delete')
    transaction.delete(rowOf('b'), 'expire')
    transaction.delete(rowOf('c'), 'delete')
    put(transaction, 'c')
    expect(transaction.told.map(({ type, record }) => `${type} ${record.id}`)).toEqual([
      'delete appsecret_00000000000000000000000a',
      'expire appsecret_00000000000000000000000b',
    ])
    expect(namesOf(transaction)).toEqual(['a', 'b', 'c'])
  })
})

describe('sealing anew', () => {
  const changed = new Keyring(withNewDataKey(keyringFile, rootKey, 0, systemRandom), rootKey, systemRandom)

  test.each([
    ['a small payload', 'small'],
    ['a large payload', 'x'.repeat(2000)],
  ])('is done to a record with %s that an old key sealed, and to no other', (_, payload) => {
    const rows = new Rows().read('old', payload).read('fresh', payload, changed).absent('absent')
    const transaction = transactionOf(rows, changed)
    const old = rows.seen('old', changed)
    expect(transaction.reseal(old)).toBe(true)
    expect(transaction.reseal(old)).toBe(false)
    // Those that are under the key that seals now are others by now than the ones that were seen.
    const before = new Rows().read('fresh', payload).read('absent', payload)
    expect(transaction.reseal(before.seen('fresh', changed))).toBe(false)
    expect(transaction.reseal(before.seen('absent', changed))).toBe(false)
    expect(namesOf(transaction)).toEqual(['old'])
    expect(transaction.told).toEqual([])
    expect(transaction.record(rowOf('old'))).toEqual({ ...recordOf('old'), revision: 9 })
    expect(transaction.payload(rowOf('old'))).toEqual(text(payload))
    const { commit, changes } = filled(transaction)
    const value = valueIn(changes, rowOf('old').bytes) as Uint8Array
    expect(decodeEnvelope(value).keyId).toBe(2)
    const payloadValue = valueIn(changes, payloadRow(rowOf('old').bytes))
    expect(payloadValue && decodeEnvelope(payloadValue).keyId).toBe(payload.length > 1024 ? 2 : undefined)
    const [replacement] = commit.replacements
    expect(replacement?.previous?.element).toBe(changed.elementHash(rowOf('old').bytes, rows.value('old')))
    expect(replacement?.next?.element).toBe(changed.elementHash(rowOf('old').bytes, value))
  })

  test('is not done to what was written in the same commit', () => {
    const rows = new Rows().read('a').read('b')
    const transaction = transactionOf(rows, changed)
    put(transaction, 'a', 'newer')
    transaction.delete(rowOf('b'), 'delete')
    for (const name of ['a', 'b']) expect(transaction.reseal(rows.seen(name, changed))).toBe(false)
    expect(transaction.payload(rowOf('a'))).toEqual(text('newer'))
    expect(transaction.record(rowOf('b'))).toBeUndefined()
  })

  test.each([
    ['a small payload', 'small'],
    ['a large payload', 'x'.repeat(2000)],
  ])('of a known record with %s needs no row of it, and is done if it is still the one that was seen', (_, payload) => {
    const rows = new Rows().knows('a', payload)
    const seen = rows.seen('a', changed)
    const transaction = transactionOf(rows.without('a'), changed)
    const newer = { ...seen, record: { ...seen.record, revision: 2 } }
    expect(transaction.reseal(newer)).toBe(false)
    expect(transaction.changes).toBe(false)
    expect(transaction.reseal(seen)).toBe(true)
    expect(transaction.payload(rowOf('a'))).toEqual(text(payload))
    const [replacement] = filled(transaction).commit.replacements
    expect(replacement?.previous).toMatchObject({ record: recordOf('a'), element: 77n })
  })

  test('is not done to a row that nobody named', async () => {
    const rows = new Rows().read('a')
    const seen = rows.seen('a', changed)
    expect(await codeOf(() => transactionOf(rows.without('a'), changed).reseal(seen))).toBe('ERR_CORRUPT')
  })

  test('of a record with a payload that is not its own is ERR_CORRUPT, and nothing of it is written', async () => {
    const rows = new Rows().read('a', 'x'.repeat(2000))
    const seen = rows.seen('a', changed)
    rows.payloadRows.set(rowOf('a').text, new Rows().read('a', 'y'.repeat(2000)).payloadRows.get(rowOf('a').text))
    const transaction = transactionOf(rows, changed)
    const resealing = operation((its) => its.reseal(seen))
    expect(await codeOf(() => transaction.attempt(resealing))).toBe('ERR_CORRUPT')
    expect(transaction.changes).toBe(false)
  })
})

describe('what a commit writes', () => {
  test('is nothing if nothing changes', () => {
    const transaction = transactionOf(new Rows().read('a').absent('b', 'c'))
    expect(transaction.changes).toBe(false)
    transaction.record(rowOf('a'))
    transaction.delete(rowOf('c'), 'delete')
    expect(transaction.changes).toBe(false)
  })

  test('is a head alone if a record is put that was not there, and deleted: those who listen are told with it', () => {
    const transaction = transactionOf(new Rows().absent('b'))
    put(transaction, 'b')
    transaction.delete(rowOf('b'), 'delete')
    expect(transaction.changes).toBe(true)
    const { commit, changes } = filled(transaction)
    expect(commit.replacements).toEqual([])
    expect(commit.told.map(({ type }) => type)).toEqual(['delete'])
    expect(changes.map(({ key }) => mapKey(key))).toEqual([mapKey(HEAD_ROW)])
  })

  test('is something if a record is put or deleted, or put and deleted over one that is there', () => {
    const [puts, deletes, both] = ['a', 'b', 'c'].map(() => transactionOf(new Rows().read('a').absent('b')))
    put(puts as Transaction, 'b')
    deletes?.delete(rowOf('a'), 'delete')
    put(both as Transaction, 'a')
    both?.delete(rowOf('a'), 'delete')
    for (const transaction of [puts, deletes, both]) expect(transaction?.changes).toBe(true)
    expect([puts, deletes, both].map((transaction) => namesOf(transaction as Transaction))).toEqual([
      ['b'],
      ['a'],
      ['a'],
    ])
  })

  test('leads to a head that goes with its changes, which comes last', () => {
    const rows = new Rows().knows('a').read('b').absent('c')
    const transaction = transactionOf(rows)
    put(transaction, 'a')
    transaction.delete(rowOf('b'), 'delete')
    put(transaction, 'c')
    const { commit, changes } = filled(transaction)
    const element = (name: string, value: Uint8Array): bigint => keyring.elementHash(rowOf(name).bytes, value)
    const written = (name: string): Uint8Array => valueIn(changes, rowOf(name).bytes) as Uint8Array
    const before = element('b', rows.value('b'))
    const [a, c] = [element('a', written('a')), element('c', written('c'))]
    const shown = commit.replacements.map(({ rowKey, previous, next }) => [
      rowKey.text,
      previous?.element,
      next?.element,
    ])
    expect(shown).toEqual([
      [rowOf('a').text, 77n, a],
      [rowOf('b').text, before, undefined],
      [rowOf('c').text, undefined, c],
    ])
    expect(commit.head).toMatchObject({ sequence: 9, count: 2, superseded: 2 })
    expect(commit.head.setHash).toBe(BigInt.asUintN(256, 1000n - 77n - before + a + c))
    expect(changes.at(-1)).toEqual({ type: 'put', key: HEAD_ROW, value: commit.headValue })
    expect(changes.filter(({ key }) => equal(key, HEAD_ROW))).toHaveLength(1)
    expect(openHead(keyring, commit.headValue)).toEqual(commit.head)
    expect(openRecord(keyring, rowOf('c').bytes, written('c'))).toMatchObject({ ...recordOf('c'), revision: 9 })
  })

  test('cannot be filled into a batch if something cannot be sealed, and then has no head', () => {
    const wiped = new Keyring(keyringFile, rootKey, systemRandom)
    const transaction = transactionOf(new Rows().absent('a'), wiped)
    put(transaction, 'a')
    wiped.wipe()
    const { batch, changes } = newBatch()
    expect(() => transaction.fill(batch, HEAD)).toThrow()
    expect(changes).toEqual([])
  })

  test('of a head alone is that head, and touches no record', () => {
    const { batch, changes } = newBatch()
    const commit = fillHead(batch, keyring, HEAD)
    expect(commit).toEqual({
      head: HEAD,
      headValue: (changes[0] as { value: Uint8Array }).value,
      replacements: [],
      told: [],
    })
    expect(changes).toHaveLength(1)
    expect(changes[0]).toMatchObject({ type: 'put', key: HEAD_ROW })
    expect(openHead(keyring, (changes[0] as { value: Uint8Array }).value)).toEqual(HEAD)
  })
})
