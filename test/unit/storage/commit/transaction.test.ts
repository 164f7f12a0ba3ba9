import { describe, expect, test } from 'vitest'
import { mapKey, utf8 } from '../../../../src/base/bytes'
import { createKeyringFile, withNewDataKey } from '../../../../src/crypto/data-keys'
import { Keyring } from '../../../../src/crypto/keyring'
import { systemRandom } from '../../../../src/crypto/random'
import { decodeEnvelope } from '../../../../src/format/envelope'
import { EMPTY_HEAD } from '../../../../src/format/head'
import type { Payload, SecretRecord } from '../../../../src/model'
import { type Operation, planCommit, planHead, Transaction } from '../../../../src/storage/commit/transaction'
import type { Change } from '../../../../src/storage/engine'
import { openHead } from '../../../../src/storage/head'
import { HEAD_ROW, payloadRow } from '../../../../src/storage/keyspace'
import type { Known } from '../../../../src/storage/known/known-records'
import { openKnown, sealRecord } from '../../../../src/storage/records'
import { codeOf } from '../../../support/stores'

const rootKey: Uint8Array = new Uint8Array(32).fill(1)
const file = createKeyringFile(
  rootKey,
  { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] },
  systemRandom,
)
const keyring = new Keyring(file, rootKey, systemRandom)

const rowOf = (name: string): Uint8Array => utf8(`rt|account|${name}`)
const text = (payload: string): Payload => ({ type: 'text', bytes: utf8(payload) })

function recordOf(name: string, expires_at: number | null = null): Omit<SecretRecord, 'revision'> {
  const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name } as const
  return { id: `appsecret_${name}`, address, created: 0, expires_at }
}

/** What is committed of records, and of names that are not there. */
class Rows {
  readonly values = new Map<string, Uint8Array | undefined>()
  readonly known = new Map<string, Known>()

  absent(...names: readonly string[]): this {
    for (const name of names) this.values.set(mapKey(rowOf(name)), undefined)
    return this
  }

  read(name: string, payload = name, sealedWith = keyring): this {
    const rowKey = rowOf(name)
    const { value, payloadValue } = sealRecord(sealedWith, rowKey, { ...recordOf(name), revision: 1 }, text(payload))
    this.values.set(mapKey(rowKey), value).set(mapKey(payloadRow(rowKey)), payloadValue)
    return this
  }

  /** Known with its summand, and not read; or both. */
  knows(name: string, payload = name, element: bigint | null = 77n): this {
    this.read(name, payload)
    const value = this.values.get(mapKey(rowOf(name))) as Uint8Array
    this.known.set(mapKey(rowOf(name)), {
      record: openKnown(keyring, rowOf(name), value),
      element: element ?? undefined,
    })
    return this
  }

  without(name: string): this {
    this.values.delete(mapKey(rowOf(name)))
    return this
  }
}

const transactionOf = (rows: Rows, withKeyring = keyring): Transaction => new Transaction(withKeyring, 9, rows)

function operation<T>(apply: (transaction: Transaction) => T): Operation<T> {
  return { rows: [], records: [], sizeBytes: 0, apply }
}

const put = (transaction: Transaction, name: string, payload = 'new'): SecretRecord =>
  transaction.put(rowOf(name), recordOf(name), text(payload))

const namesOf = (keys: readonly string[]): string[] => keys.map((key) => key.slice(11))

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
    const value = rows.values.get(mapKey(rowOf('a'))) as Uint8Array
    const [sealed] = transaction.sealed()
    expect(sealed?.previous?.element()).toBe(keyring.elementHash(rowOf('a'), value))
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
    expect(transaction.told.map(({ type, record }) => `${type} ${record.id}`)).toEqual(['set appsecret_a'])
    expect(namesOf(transaction.changed)).toEqual(['a'])
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
      'delete appsecret_a',
      'expire appsecret_b',
    ])
    expect(namesOf(transaction.changed)).toEqual(['a', 'b', 'c'])
  })
})

describe('sealing anew', () => {
  const changed = new Keyring(withNewDataKey(file, rootKey, 0, systemRandom), rootKey, systemRandom)

  test.each([
    ['a small payload', 'small'],
    ['a large payload', 'x'.repeat(2000)],
  ])('is done to a record with %s that an old key sealed, and to no other', (_, payload) => {
    const rows = new Rows().read('old', payload).read('fresh', payload, changed).absent('absent')
    const transaction = transactionOf(rows, changed)
    expect(transaction.reseal(rowOf('old'))).toBe(true)
    expect(transaction.reseal(rowOf('old'))).toBe(false)
    expect(transaction.reseal(rowOf('fresh'))).toBe(false)
    expect(transaction.reseal(rowOf('absent'))).toBe(false)
    expect(namesOf(transaction.changed)).toEqual(['old'])
    expect(transaction.told).toEqual([])
    expect(transaction.record(rowOf('old'))).toEqual({ ...recordOf('old'), revision: 9 })
    expect(transaction.payload(rowOf('old'))).toEqual(text(payload))
    const [sealed] = transaction.sealed()
    expect(decodeEnvelope(sealed?.next?.value as Uint8Array).keyId).toBe(2)
  })

  test('is not done to what was written in the same commit', () => {
    const transaction = transactionOf(new Rows().read('a'), changed)
    put(transaction, 'a', 'newer')
    expect(transaction.reseal(rowOf('a'))).toBe(false)
    expect(transaction.payload(rowOf('a'))).toEqual(text('newer'))
  })
})

describe('the plan of a commit', () => {
  const head = { ...EMPTY_HEAD, sequence: 8, count: 2, setHash: 1000n }

  test('is none if nothing changes', () => {
    const transaction = transactionOf(new Rows().read('a').absent('b', 'c'))
    transaction.record(rowOf('a'))
    put(transaction, 'b')
    transaction.delete(rowOf('b'), 'delete')
    transaction.delete(rowOf('c'), 'delete')
    expect(transaction.changed).toEqual([])
    expect([...transaction.sealed()]).toEqual([])
    expect(planCommit(keyring, head, transaction)).toBeUndefined()
  })

  test('leads to a head that goes with its changes, which comes last', () => {
    const rows = new Rows().knows('a').read('b').absent('c')
    const transaction = transactionOf(rows)
    put(transaction, 'a')
    transaction.delete(rowOf('b'), 'delete')
    put(transaction, 'c')
    const plan = planCommit(keyring, head, transaction)
    expect(namesOf(plan?.keys ?? [])).toEqual(['a', 'b', 'c'])
    const changes = [...(plan?.changes ?? [])]
    const outcome = plan?.outcome()
    const written = (name: string): Uint8Array =>
      changes.findLast((change): change is Change & { type: 'put' } => mapKey(change.key) === mapKey(rowOf(name)))
        ?.value as Uint8Array
    const element = (name: string, value: Uint8Array): bigint => keyring.elementHash(rowOf(name), value)
    const before = element('b', rows.values.get(mapKey(rowOf('b'))) as Uint8Array)
    const [a, c] = [element('a', written('a')), element('c', written('c'))]
    const shown = outcome?.replacements.map(({ previous, next }) => [previous?.element, next?.element])
    expect(shown).toEqual([
      [77n, a],
      [before, undefined],
      [undefined, c],
    ])
    expect(outcome?.replacements.map(({ previous, next }) => mapKey((previous ?? next)?.rowKey as Uint8Array))).toEqual(
      plan?.keys,
    )
    expect(outcome?.head).toMatchObject({ sequence: 9, count: 2, superseded: 2 })
    expect(outcome?.head.setHash).toBe(BigInt.asUintN(256, 1000n - 77n - before + a + c))
    expect(changes.at(-1)).toEqual({ type: 'put', key: HEAD_ROW, value: outcome?.headValue })
    expect(openHead(keyring, outcome?.headValue as Uint8Array)).toEqual(outcome?.head)
  })

  test('has no outcome before all its changes were taken', () => {
    const transaction = transactionOf(new Rows().absent('a'))
    put(transaction, 'a')
    const plan = planCommit(keyring, head, transaction)
    expect(() => plan?.outcome()).toThrow('expected the engine to take all its changes, got fewer taken')
    const changes = plan?.changes[Symbol.iterator]()
    changes?.next()
    expect(() => plan?.outcome()).toThrow('got fewer taken')
  })

  test('of a head alone is that head, and touches no record', () => {
    const plan = planHead(keyring, head)
    const changes = [...plan.changes]
    expect(plan.keys).toEqual([])
    expect(plan.outcome()).toEqual({ head, headValue: (changes[0] as { value: Uint8Array }).value, replacements: [] })
    expect(changes).toHaveLength(1)
    expect(openHead(keyring, (changes[0] as { value: Uint8Array }).value)).toEqual(head)
  })
})
