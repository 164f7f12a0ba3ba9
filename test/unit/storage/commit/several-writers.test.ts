import { describe, expect, test, vi } from 'vitest'
import { fromUtf8, utf8 } from '../../../../src/base/bytes'
import type { Keyring } from '../../../../src/crypto/keyring'
import { SecretStoreError } from '../../../../src/errors'
import { EMPTY_HEAD, type Head, NO_RECORDS, type RecordSum, withElement } from '../../../../src/format/head'
import type { Payload, SecretChange } from '../../../../src/model'
import { CommitQueue } from '../../../../src/storage/commit/queue'
import type { Operation, Transaction } from '../../../../src/storage/commit/transaction'
import type { Engine } from '../../../../src/storage/engine'
import { openHead, sealHead } from '../../../../src/storage/head'
import { expiryRow, HEAD_ROW, idRow, payloadRow, RECORD_ROWS, RowKey } from '../../../../src/storage/keyspace'
import { KnownRecords } from '../../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import { openPayload, openRecord } from '../../../../src/storage/records'
import { lookUpRecord, readNow } from '../../../../src/verbs/reads'
import { Draws } from '../../../support/campaign'
import { interceptWrites } from '../../../support/engine-writes'
import { newKeyring, recordOf, rowOf } from '../../../support/records'
import { turnOfLoop } from '../../../support/waiting'

/**
 * Two writers of one medium, which know nothing of one another but what they find there.
 *
 * What is promised is promised within the queue: an operation that is committed was applied to what the head before that
 * commit stands for, exactly once, and its caller is told of that application and no other. So is an operation that
 * throws. What a writer knows without reading may be older than what another has written, until its own next operation
 * meets the newer head; from then on it is not.
 */

const MIB = 1024 * 1024

interface Writer {
  readonly keyring: Keyring
  readonly known: KnownRecords
  readonly queue: CommitQueue
  /** What its listeners were told. */
  readonly told: string[]
  /** The sequence numbers of its commits. */
  readonly commits: number[]
}

function newWriters(count: number): { readonly engine: MemoryEngine; readonly writers: readonly Writer[] } {
  const head = sealHead(newKeyring(), EMPTY_HEAD)
  const engine = new MemoryEngine([head])
  const writers = Array.from({ length: count }, (): Writer => {
    const [keyring, known] = [newKeyring(), new KnownRecords(MIB)]
    const queue = new CommitQueue(engine, keyring, known, EMPTY_HEAD, head.value)
    const [told, commits]: [string[], number[]] = [[], []]
    queue.onChange((changes: readonly SecretChange[]) => {
      for (const { type, record } of changes) told.push(`${type} ${record.address.name}`)
    })
    queue.listen(() => commits.push(queue.head.sequence))
    return { keyring, known, queue, told, commits }
  })
  return { engine, writers }
}

function twoWriters(): { readonly engine: MemoryEngine; readonly one: Writer; readonly other: Writer } {
  const { engine, writers } = newWriters(2)
  const [one, other] = writers as [Writer, Writer]
  return { engine, one, other }
}

/** Every third is large enough for a row of its own. */
const payloadOf = (value: number): Payload => ({
  type: 'text',
  bytes: utf8(`${value}`.padEnd(value % 3 === 0 ? 2000 : 1)),
})
const counterOf = (payload: Payload | undefined): number =>
  payload === undefined ? 0 : Number(fromUtf8(payload.bytes))

/** The n-th application of any operation. */
let applications = 0

/** What an operation was told, and where it stands among all others. */
interface Applied {
  readonly sequence: number
  readonly application: number
  readonly name: string
  readonly type: 'increment' | 'delete'
  /** Of a counter: after it was incremented, or before it was deleted. */
  readonly value: number
}

function applied(transaction: Transaction, name: string, type: Applied['type'], value: number): Applied {
  return { sequence: transaction.sequence, application: ++applications, name, type, value }
}

function incrementing(name: string): Operation<Applied> {
  const rowKey = rowOf(name)
  return {
    records: [rowKey],
    payloads: [rowKey],
    sizeBytes: 0,
    apply(transaction) {
      const value = counterOf(transaction.payload(rowKey)) + 1
      const record = transaction.put(rowKey, recordOf(name, value % 2 === 0 ? value : null), payloadOf(value))
      transaction.tell('set', record)
      return applied(transaction, name, 'increment', value)
    },
  }
}

function deleting(name: string): Operation<Applied> {
  const rowKey = rowOf(name)
  return {
    records: [rowKey],
    payloads: [rowKey],
    sizeBytes: 0,
    apply(transaction) {
      const value = counterOf(transaction.payload(rowKey))
      transaction.delete(rowKey, 'delete')
      return applied(transaction, name, 'delete', value)
    },
  }
}

/** Both, or neither. */
function together<T>(...parts: readonly Operation<T>[]): Operation<T[]> {
  return {
    records: parts.flatMap(({ records }) => records),
    payloads: parts.flatMap(({ payloads }) => payloads),
    sizeBytes: 0,
    apply: (transaction) => parts.map((part) => part.apply(transaction)),
  }
}

/** All records there are, with their counters; what stands beside them must be theirs, and no row more. */
async function expectWhole(
  engine: MemoryEngine,
): Promise<{ readonly head: Head; readonly values: Map<string, number> }> {
  const keyring = newKeyring()
  const head = openHead(keyring, engine.getSync(HEAD_ROW) as Uint8Array)
  const rows = await engine.scan({ ...RECORD_ROWS, limit: 1000 })
  let sum: RecordSum = NO_RECORDS
  const expected = [HEAD_ROW]
  const values = new Map<string, number>()
  for (const { key, value } of rows) {
    sum = withElement(sum, keyring.elementHash(key, value))
    const record = openRecord(keyring, key, value)
    const payloadKey = payloadRow(key)
    values.set(record.address.name, counterOf(openPayload(keyring, key, record, engine.getSync(payloadKey))))
    expected.push(key, idRow(record.id))
    if (record.expires_at !== null) expected.push(expiryRow(record.expires_at, record.id))
    if ('tag' in record.payload) expected.push(payloadKey)
  }
  expect(head).toMatchObject(sum)
  const all = await engine.scanKeys({ gte: Uint8Array.of(0), lt: Uint8Array.of(255), limit: 10_000 })
  const shown = (keys: readonly Uint8Array[]): string[] => keys.map((key) => RowKey.of(key).text).toSorted()
  expect(shown(all)).toEqual(shown(expected))
  return { head, values }
}

/** Reads and writes take their time, some turns before and some after the work. */
function disturb(engine: MemoryEngine, draws: Draws): void {
  const wait = async (): Promise<void> => {
    for (let turns = draws.below(3); turns > 0; turns--) await turnOfLoop()
  }
  const { get, getMany } = MemoryEngine.prototype
  vi.spyOn(engine, 'canReadSync').mockImplementation(() => draws.below(2) === 0)
  vi.spyOn(engine as Engine, 'get').mockImplementation(async (key) => {
    await wait()
    return get.call(engine, key)
  })
  vi.spyOn(engine, 'getMany').mockImplementation(async (keys) => {
    await wait()
    const values = await getMany.call(engine, keys)
    await wait()
    return values
  })
  interceptWrites(engine, async (_, write) => {
    await wait()
    const isWritten = await write()
    await wait()
    return isWritten
  })
}

describe('several writers of one medium', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'apply each operation exactly once, on what all those before it have left, seed %i',
    async (seed) => {
      const draws = new Draws(seed)
      const { engine, writers } = newWriters(2 + (seed % 2))
      disturb(engine, draws)
      const names = ['a', 'b', 'c', 'd', 'e'].slice(0, 1 + (seed % 5))
      const done: Applied[] = []
      const expectedTold = new Map<Writer, number>(writers.map((writer) => [writer, 0]))
      let throwers = 0
      const work = async (writer: Writer): Promise<void> => {
        for (let round = 0; round < 40; round++) {
          const submitted = Array.from({ length: 1 + draws.below(4) }, async () => {
            const [name, kind] = [draws.pick(names), draws.below(10)]
            if (kind === 0) {
              const own = new RangeError(`its own ${++throwers}`)
              const throwing: Operation<never> = {
                ...incrementing(name),
                apply(transaction) {
                  incrementing(name).apply(transaction)
                  throw own
                },
              }
              const outcome = await writer.queue.submit(throwing).then(
                () => 'done',
                (error: unknown) => error,
              )
              expect(outcome).toBe(own)
              return
            }
            const operation = kind < 3 ? together(deleting(name), incrementing(name)) : together(incrementing(name))
            const parts = await writer.queue.submit(operation)
            done.push(...parts)
            const told = parts.filter(({ type, value }) => type === 'increment' || value > 0).length
            expectedTold.set(writer, (expectedTold.get(writer) as number) + told)
          })
          await Promise.all(submitted)
          if (draws.below(3) === 0) await turnOfLoop()
        }
      }
      await Promise.all(writers.map(work))

      const { head, values } = await expectWhole(engine)
      // In the order of commits, and within one in the order of their application, each has seen what the others left.
      const model = new Map<string, number>()
      for (const { name, type, value } of done.toSorted(
        (one, other) => one.sequence - other.sequence || one.application - other.application,
      )) {
        const before = model.get(name) ?? 0
        expect([name, type, value]).toEqual([name, type, type === 'increment' ? before + 1 : before])
        if (type === 'increment') model.set(name, value)
        else model.delete(name)
      }
      expect(new Map([...values].toSorted())).toEqual(new Map([...model].toSorted()))
      // No two commits have one number, and none is left out.
      const commits = writers.flatMap((writer) => writer.commits).toSorted((a, b) => a - b)
      expect(commits).toEqual(Array.from({ length: head.sequence }, (_, n) => n + 1))
      expect(new Set(done.map(({ sequence }) => sequence))).toEqual(new Set(commits))
      for (const writer of writers) expect(writer.told).toHaveLength(expectedTold.get(writer) as number)
      // There was something to be planned anew.
      expect(applications).toBeGreaterThan(done.length)
    },
  )

  test('plan anew on the newer head what was planned on the older one, and tell of it once', async () => {
    const { engine, one, other } = twoWriters()
    await one.queue.submit(incrementing('a'))
    const apply = vi.fn(incrementing('a').apply)
    const writes = interceptWrites(engine, (_, write) => write())
    // To the other the store is empty still.
    expect(other.queue.head).toEqual(EMPTY_HEAD)
    expect(await other.queue.submit({ ...incrementing('a'), apply })).toMatchObject({ sequence: 2, value: 2 })
    expect(apply).toHaveBeenCalledTimes(2)
    expect(writes.count).toBe(2)
    expect(other.told).toEqual(['set a'])
    expect(other.commits).toEqual([2])
    expect((await expectWhole(engine)).values).toEqual(new Map([['a', 2]]))
    // And the other way round.
    expect(await one.queue.submit(deleting('a'))).toMatchObject({ sequence: 3, value: 2 })
    expect(one.told).toEqual(['set a', 'delete a'])
    expect((await expectWhole(engine)).head).toMatchObject({ sequence: 3, count: 0, superseded: 2 })
  })

  test('do so again as often as it takes', async () => {
    const { engine, one, other } = twoWriters()
    let overtaken = 0
    let isOther = false
    interceptWrites(engine, async (_, write) => {
      if (isOther || overtaken === 5) return write()
      overtaken++
      isOther = true
      await other.queue.submit(incrementing('a'))
      isOther = false
      return write()
    })
    expect(await one.queue.submit(incrementing('a'))).toMatchObject({ sequence: 6, value: 6 })
    expect(overtaken).toBe(5)
    expect((await expectWhole(engine)).values).toEqual(new Map([['a', 6]]))
  })

  test('fulfil an operation that throws on what is old, and not on what is newer', async () => {
    const { engine, one, other } = twoWriters()
    const needsTwo = (name: string): Operation<string> => ({
      ...incrementing(name),
      apply(transaction) {
        const value = counterOf(transaction.payload(rowOf(name)))
        if (value !== 2) throw new RangeError(`expected 2, got ${value}`)
        return 'two'
      },
    })
    await one.queue.submit(incrementing('a'))
    await other.queue.submit(incrementing('a'))
    await expect(one.queue.submit(needsTwo('b'))).rejects.toThrow('expected 2, got 0')
    // By itself, and in a group with a write; the one that is asked knows the older record.
    expect(await one.queue.submit(needsTwo('a'))).toBe('two')
    await one.queue.submit(incrementing('b'))
    await other.queue.submit(incrementing('b'))
    const outcomes = await Promise.all([one.queue.submit(needsTwo('b')), one.queue.submit(incrementing('c'))])
    expect(outcomes).toMatchObject(['two', { value: 1 }])
    await expectWhole(engine)
  })

  test('refuse an operation that throws on what is newer, with the error of then, and write what goes with it', async () => {
    const { engine, one, other } = twoWriters()
    await one.queue.submit(incrementing('a'))
    await other.queue.submit(incrementing('a'))
    const errors: unknown[] = []
    const needsOne: Operation<string> = {
      ...incrementing('a'),
      apply(transaction) {
        const value = counterOf(transaction.payload(rowOf('a')))
        if (value === 1) return 'one'
        errors.push(new RangeError(`expected 1, got ${value}`))
        throw errors.at(-1)
      },
    }
    const [outcome, written] = await Promise.allSettled([
      one.queue.submit(needsOne),
      one.queue.submit(incrementing('c')),
    ])
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'expected 1, got 2' } })
    expect((outcome as PromiseRejectedResult).reason).toBe(errors.at(-1))
    expect(written).toMatchObject({ status: 'fulfilled', value: { value: 1 } })
    expect((await expectWhole(engine)).values).toEqual(
      new Map([
        ['a', 2],
        ['c', 1],
      ]),
    )
  })

  test('take nobody’s replaced payload for damage', async () => {
    const { engine, one, other } = twoWriters()
    // Large ones, in rows of their own, of which one writer knows the record before.
    for (const [writer, value] of [
      [one, 3],
      [other, 6],
    ] as const) {
      await writer.queue.submit({
        ...incrementing('a'),
        apply: (transaction) => void transaction.put(rowOf('a'), recordOf('a'), payloadOf(value)),
      })
    }
    const looking: Operation<number> = {
      ...incrementing('a'),
      apply: (transaction) => counterOf(transaction.payload(rowOf('a'))),
    }
    expect(await one.queue.submit(looking)).toBe(6)
    await expectWhole(engine)
  })

  test('answer from what they know only until an operation of their own meets the newer head', async () => {
    const { engine, one, other } = twoWriters()
    const revisionOf = ({ known, keyring }: Writer, name: string): number | undefined =>
      readNow(engine, lookUpRecord({ known, keyring }, rowOf(name)))?.revision
    await one.queue.submit(together(incrementing('a'), incrementing('b')))
    await other.queue.submit(together(incrementing('a'), deleting('b')))
    // Beside the queue, it is what this writer knew of its own last commit.
    expect([revisionOf(one, 'a'), revisionOf(one, 'b')]).toEqual([1, 1])
    expect([revisionOf(other, 'a'), revisionOf(other, 'b')]).toEqual([2, undefined])
    await one.queue.submit(incrementing('c'))
    expect([one.known.get(rowOf('a').text), one.known.get(rowOf('b').text)]).toEqual([undefined, undefined])
    expect([revisionOf(one, 'a'), revisionOf(one, 'b'), revisionOf(one, 'c')]).toEqual([2, undefined, 3])
    // A read that began before that brings nothing back.
    const moment = one.known.moment()
    const old = readNow(engine, lookUpRecord({ known: new KnownRecords(0), keyring: one.keyring }, rowOf('a')))
    await other.queue.submit(incrementing('a'))
    await one.queue.submit(incrementing('c'))
    one.known.learn(moment, rowOf('a').text, old as NonNullable<typeof old>)
    expect(revisionOf(one, 'a')).toBe(4)
  })

  test('end all writing if no newer head is there to go on from', async () => {
    for (const [head, message] of [
      [undefined, 'head: expected a newer one, got another'],
      [sealHead(newKeyring(), { ...EMPTY_HEAD, sequence: 1 }), 'head: expected a newer one, got another'],
    ] as const) {
      const { engine, one } = twoWriters()
      await one.queue.submit(incrementing('a'))
      const batch = engine.batch()
      if (head === undefined) batch.del(HEAD_ROW)
      else batch.put(HEAD_ROW, head.value)
      expect(await batch.write(one.queue.headValue)).toBe(true)
      const failed = { code: 'ERR_FAILED', cause: { code: 'ERR_CORRUPT', message } }
      await expect(one.queue.submit(incrementing('a'))).rejects.toMatchObject(failed)
      await expect(one.queue.submit(incrementing('b'))).rejects.toMatchObject(failed)
      expect(one.commits).toEqual([1])
    }
  })

  test('tell nobody of an error on what is old, if what is newer cannot be read', async () => {
    for (const isWriting of [true, false]) {
      const { engine, one, other } = twoWriters()
      await one.queue.submit(incrementing('a'))
      await other.queue.submit(incrementing('a'))
      const throwing: Operation<never> = {
        ...incrementing('a'),
        apply() {
          throw new RangeError('on what is old')
        },
      }
      const cause = new SecretStoreError('ERR_IO', 'no')
      vi.spyOn(engine as Engine, 'get').mockRejectedValueOnce(cause)
      const operations: Operation<unknown>[] = isWriting ? [throwing, incrementing('b')] : [throwing]
      const outcomes = await Promise.allSettled(operations.map((operation) => one.queue.submit(operation)))
      for (const outcome of outcomes) expect(outcome).toEqual({ status: 'rejected', reason: cause })
      // It was a read: the next one goes on.
      await expect(one.queue.submit(throwing)).rejects.toThrow('on what is old')
      expect(await one.queue.submit(incrementing('a'))).toMatchObject({ value: 3 })
      await expectWhole(engine)
    }
  })

  test('do not put a head of their own over a newer one', async () => {
    const { engine, one, other } = twoWriters()
    await one.queue.submit(incrementing('a'))
    await other.queue.submit(incrementing('a'))
    const putting = one.queue.exclusive(() => one.queue.commitHead({ ...one.queue.head, sequence: 2 }))
    await expect(putting).rejects.toMatchObject({
      code: 'ERR_FAILED',
      cause: { message: 'head: expected a newer one, got another' },
    })
    expect((await expectWhole(engine)).head).toMatchObject({ sequence: 2, count: 1 })
  })
})
