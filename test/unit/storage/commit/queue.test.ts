import { describe, expect, test, vi } from 'vitest'
import { mapKey, utf8 } from '../../../../src/base/bytes'
import { createKeyringFile } from '../../../../src/crypto/data-keys'
import { Keyring } from '../../../../src/crypto/keyring'
import { systemRandom } from '../../../../src/crypto/random'
import { SecretStoreError } from '../../../../src/errors'
import { EMPTY_HEAD, type Head } from '../../../../src/format/head'
import { type BatchLimits, LOCAL_LIMITS } from '../../../../src/storage/batch-limits'
import { CommitQueue } from '../../../../src/storage/commit/queue'
import type { Operation, Transaction } from '../../../../src/storage/commit/transaction'
import { openHead, sealHead } from '../../../../src/storage/head'
import { HEAD_ROW, payloadRow, type RowKey } from '../../../../src/storage/keyspace'
import { KnownRecords } from '../../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import { MOST_CHANGES } from '../../../../src/storage/records'
import { Draws } from '../../../support/campaign'
import { failNextWrite, interceptWrites } from '../../../support/engine-writes'
import { idOf, recordOf, rowOf } from '../../../support/records'
import { codeOf } from '../../../support/stores'
import { newGate, turnOfLoop } from '../../../support/waiting'

const MIB = 1024 * 1024

function setting(name: string, sizeBytes = 0): Operation<string> {
  return {
    records: [rowOf(name)],
    payloads: [],
    sizeBytes,
    apply(transaction) {
      transaction.put(rowOf(name), recordOf(name), { type: 'text', bytes: utf8(name) })
      return name
    },
  }
}

/** Looks and changes nothing. */
function looking<T>(look: (transaction: Transaction) => T, ...records: readonly RowKey[]): Operation<T> {
  return { records, payloads: [], sizeBytes: 0, apply: look }
}

/** A queue over an engine in memory, and the sizes of its commits in records. */
function newQueue(
  knownBytes = 0,
  limits: BatchLimits = LOCAL_LIMITS,
): {
  readonly queue: CommitQueue
  readonly engine: MemoryEngine
  readonly keyring: Keyring
  readonly commits: number[]
} {
  const rootKey = new Uint8Array(32).fill(1)
  const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
  const keyring = new Keyring(createKeyringFile(rootKey, fields, systemRandom), rootKey, systemRandom)
  const head = sealHead(keyring, EMPTY_HEAD)
  const engine = new MemoryEngine([head], limits)
  const queue = new CommitQueue(engine, keyring, new KnownRecords(knownBytes), EMPTY_HEAD, head.value)
  const commits: number[] = []
  queue.listen((replacements = []) => commits.push(replacements.length))
  return { queue, engine, keyring, commits }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `n${n}`)

describe('a group', () => {
  test('takes a thousand operations and more, and what goes beyond 7000 rows waits', async () => {
    const { queue, commits } = newQueue()
    // Each may put or delete six rows, and the head is one.
    await Promise.all(names(1167).map((name) => queue.submit(setting(name))))
    expect(commits).toEqual([1166, 1])
  })

  test.each([
    // The head and six rows for each.
    [7, 5, [1, 1, 1, 1, 1]],
    [12, 5, [1, 1, 1, 1, 1]],
    [13, 5, [2, 2, 1]],
    [20, 7, [3, 3, 1]],
    [31, 5, [5]],
    [1, 3, [1, 1, 1]],
  ])('takes no more operations than may change %i rows', async (rows, count, expected) => {
    const { queue, engine, commits } = newQueue(0, { rows, bytes: MIB })
    const sizes: number[] = []
    const writes = interceptWrites(engine, (changes, write) => {
      sizes.push(changes.length)
      return write()
    })
    await Promise.all(names(count).map((name) => queue.submit(setting(name))))
    expect(commits).toEqual(expected)
    expect(writes.count).toBe(expected.length)
    if (rows >= 1 + MOST_CHANGES) for (const size of sizes) expect(size).toBeLessThanOrEqual(rows)
  })

  test('of operations of many records each takes no more than go together, and one that is larger alone', async () => {
    const { queue, commits, engine } = newQueue(0, { rows: 20, bytes: MIB })
    const many = (prefix: string, count: number): Operation<string> => {
      const parts = names(count).map((name) => setting(prefix + name))
      return {
        records: parts.flatMap(({ records }) => records),
        payloads: [],
        sizeBytes: 0,
        apply: (transaction) => parts.map((part) => part.apply(transaction)).join(),
      }
    }
    const sizes: number[] = []
    interceptWrites(engine, (changes, write) => {
      sizes.push(changes.length)
      return write()
    })
    const operations = [many('a', 2), many('b', 1), many('c', 1), many('d', 10), many('e', 3), many('f', 1)]
    const done = await Promise.all(operations.map((operation) => queue.submit(operation)))
    expect(done[3]).toBe(
      names(10)
        .map((name) => `d${name}`)
        .join(),
    )
    expect(commits).toEqual([3, 1, 10, 3, 1])
    // Two rows for each new record, and the head.
    expect(sizes).toEqual([7, 3, 21, 7, 3])
  })

  test('never makes a batch larger than the engine has it, whatever the operations put and delete', async () => {
    const { queue, engine } = newQueue(MIB, { rows: 20, bytes: MIB })
    const draws = new Draws(5)
    let most = 0
    interceptWrites(engine, (changes, write) => {
      most = Math.max(most, changes.length)
      expect(changes.length).toBeLessThanOrEqual(20)
      return write()
    })
    for (let round = 0; round < 60; round++) {
      const operations = Array.from({ length: 1 + draws.below(12) }, (): Operation<void> => {
        const name = draws.pick(names(6))
        const [isDeleted, expires_at, id] = [
          draws.below(4) === 0,
          draws.pick([null, 1, 2]),
          idOf(`${draws.below(3)}${name}`),
        ]
        const bytes = new Uint8Array(draws.below(2) === 0 ? 3 : 3000)
        return {
          ...looking(() => {}, rowOf(name)),
          apply(transaction) {
            if (isDeleted) transaction.delete(rowOf(name), 'delete')
            else transaction.put(rowOf(name), { ...recordOf(name), id, expires_at }, { type: 'bytes', bytes })
          },
        }
      })
      await Promise.all(operations.map((operation) => queue.submit(operation)))
    }
    expect(most).toBeGreaterThan(12)
  })

  test('takes 4 MiB, and what goes beyond waits', async () => {
    for (const [sizes, expected] of [
      [[2 * MIB, 2 * MIB, 0], [3]],
      [
        [2 * MIB, 2 * MIB + 1, 0],
        [1, 2],
      ],
      [
        [4 * MIB, 1],
        [1, 1],
      ],
      // A single one is never split, and keeps others away.
      [
        [5 * MIB, 0, 0],
        [1, 2],
      ],
      [
        [0, 5 * MIB, 0],
        [1, 1, 1],
      ],
    ] as const) {
      const { queue, commits } = newQueue()
      await Promise.all(sizes.map((sizeBytes, n) => queue.submit(setting(`n${n}`, sizeBytes))))
      expect([sizes, commits]).toEqual([sizes, expected])
    }
  })

  test('ends before what is to run alone, which happens at its turn', async () => {
    const { queue, commits } = newQueue()
    const order: string[] = []
    queue.listen((replacements = []) => order.push(`commit of ${replacements.length}`))
    const alone = queue.exclusive(async () => {
      order.push(`begins at ${queue.head.sequence}`)
      await turnOfLoop()
      order.push(`ends at ${queue.head.sequence}`)
      return 'done'
    })
    const writes = ['a', 'b'].map((name) => queue.submit(setting(name)))
    expect(await alone).toBe('done')
    await Promise.all(writes)
    await Promise.all([queue.submit(setting('c')), queue.exclusive(async () => order.push('alone'))])
    expect(order).toEqual(['begins at 0', 'ends at 0', 'commit of 2', 'commit of 1', 'alone'])
    expect(commits).toEqual([2, 1])
  })

  test('resolves its operations in their order, each with its own value', async () => {
    const { queue } = newQueue()
    const resolved: string[] = []
    const writes = names(5).map((name) => queue.submit(setting(name)).then((value) => resolved.push(value)))
    await Promise.all(writes)
    expect(resolved).toEqual(names(5))
  })

  test('that changes nothing is not committed, and its operations resolve', async () => {
    const { queue, commits } = newQueue()
    const headValue = queue.headValue
    expect(await queue.submit(looking(({ sequence }) => sequence))).toBe(1)
    expect(await queue.submit(looking((transaction) => transaction.delete(rowOf('a'), 'delete'), rowOf('a')))).toBe(
      undefined,
    )
    expect(commits).toEqual([])
    expect(queue.head).toEqual(EMPTY_HEAD)
    expect(queue.headValue).toBe(headValue)
  })

  test('of which one throws commits the others', async () => {
    const { queue, commits, engine } = newQueue()
    const failing: Operation<never> = {
      ...setting('b'),
      apply(transaction) {
        setting('b').apply(transaction)
        setting('a').apply(transaction)
        throw new RangeError('no')
      },
    }
    const writes = [
      queue.submit(setting('a')),
      queue.submit({ ...failing, records: [rowOf('a'), rowOf('b')] }),
      queue.submit(setting('c')),
    ]
    expect((await Promise.allSettled(writes)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    await expect(writes[1]).rejects.toThrow(new RangeError('no'))
    expect(commits).toEqual([2])
    expect(engine.getSync(rowOf('b').bytes)).toBeUndefined()
    expect(queue.head).toMatchObject({ sequence: 1, count: 2, superseded: 0 })
  })

  test('whose rows cannot be read is refused, and the next one is not', async () => {
    const { queue, engine, commits } = newQueue()
    const fault = vi.spyOn(engine, 'getSync').mockImplementationOnce(() => {
      throw new SecretStoreError('ERR_IO', 'no')
    })
    const outcomes = await Promise.all(['a', 'b'].map((name) => codeOf(() => queue.submit(setting(name)))))
    expect(outcomes).toEqual(['ERR_IO', 'ERR_IO'])
    fault.mockRestore()
    expect(await queue.submit(setting('a'))).toBe('a')
    expect(commits).toEqual([1])
  })
})

describe('what an operation looks at', () => {
  test.each([
    [128, 'sync', true],
    [129, 'getMany', true],
    [1, 'getMany', false],
  ] as const)('%i rows are read by %s if the engine can read at once: %s', async (count, way, canReadSync) => {
    const { queue, engine } = newQueue()
    await Promise.all(names(200).map((name) => queue.submit(setting(name))))
    vi.spyOn(engine, 'canReadSync').mockReturnValue(canReadSync)
    const sync = vi.spyOn(engine, 'getSync')
    const many = vi.spyOn(engine, 'getMany')
    const found = await queue.submit(
      looking(
        (transaction) => names(count).map((name) => transaction.record(rowOf(name))?.address.name),
        ...names(count).map(rowOf),
      ),
    )
    expect(found).toEqual(names(count))
    expect(many).toHaveBeenCalledTimes(way === 'getMany' ? 1 : 0)
    if (way === 'sync') expect(sync).toHaveBeenCalledTimes(count)
  })

  test('is read once, however many operations look at it', async () => {
    const { queue, engine } = newQueue()
    const sync = vi.spyOn(engine, 'getSync')
    await Promise.all([queue.submit(setting('a')), queue.submit(setting('a')), queue.submit(setting('a'))])
    expect(sync.mock.calls.filter(([key]) => mapKey(key) === rowOf('a').text)).toHaveLength(1)
  })

  test('is not read if this process has written it; a row that an operation needs is', async () => {
    const { queue, engine } = newQueue(MIB)
    await queue.submit(setting('a'))
    const sync = vi.spyOn(engine, 'getSync')
    const reads = (): number => sync.mock.calls.filter(([key]) => mapKey(key) === rowOf('a').text).length
    await queue.submit(setting('a'))
    expect(reads()).toBe(0)
    await queue.submit({ ...setting('a'), payloads: [rowOf('a')] })
    expect(reads()).toBe(1)
    expect(queue.head).toMatchObject({ sequence: 3, count: 1, superseded: 2 })
  })

  test('is read with its payload row only where the payload is looked at', async () => {
    const { queue, engine } = newQueue()
    const payload = new Uint8Array(3000).fill(7)
    await queue.submit({
      ...setting('a'),
      apply: (transaction) => transaction.put(rowOf('a'), recordOf('a'), { type: 'bytes', bytes: payload }),
    })
    const sync = vi.spyOn(engine, 'getSync')
    const read = (): string[] => sync.mock.calls.map(([key]) => mapKey(key))
    expect(await queue.submit(looking((transaction) => transaction.record(rowOf('a'))?.id, rowOf('a')))).toBe(
      'appsecret_00000000000000000000000a',
    )
    expect(read()).toEqual([rowOf('a').text])
    sync.mockClear()
    const found = await queue.submit({
      ...looking((transaction) => transaction.payload(rowOf('a')), rowOf('a')),
      payloads: [rowOf('a')],
    })
    expect(found).toEqual({ type: 'bytes', bytes: payload })
    expect(read().toSorted()).toEqual([mapKey(payloadRow(rowOf('a').bytes)), rowOf('a').text])
    // What is not named is not there to be looked at.
    const unnamed = looking((transaction) => transaction.payload(rowOf('a')), rowOf('a'))
    expect(await codeOf(() => queue.submit(unnamed))).toBe('ERR_CORRUPT')
  })

  test('must be named before', async () => {
    const { queue } = newQueue()
    const code = await codeOf(() => queue.submit(looking((transaction) => transaction.record(rowOf('b')), rowOf('a'))))
    expect(code).toBe('ERR_CORRUPT')
  })
})

describe('who listens', () => {
  test('hears of each commit until the end, in the order of commits', async () => {
    const { queue } = newQueue()
    const heard: string[] = []
    const stop = queue.listen((replacements = []) => {
      for (const { previous, next } of replacements) heard.push(`${previous?.record.id} ${next?.record.id}`)
    })
    await queue.submit(setting('a'))
    await queue.submit(setting('a'))
    stop()
    await queue.submit(setting('b'))
    expect(heard).toEqual([
      'undefined appsecret_00000000000000000000000a',
      'appsecret_00000000000000000000000a appsecret_00000000000000000000000a',
    ])
  })

  test('to changes hears before operations resolve, and of nothing when there is nothing to tell', async () => {
    const { queue } = newQueue()
    const heard: string[] = []
    const stop = queue.onChange((changes) =>
      heard.push(changes.map(({ type, record }) => `${type} ${record.id}`).join()),
    )
    await queue.submit(setting('a'))
    expect(heard).toEqual([])
    await queue
      .submit(looking((transaction) => transaction.delete(rowOf('a'), 'delete'), rowOf('a')))
      .then(() => heard.push('resolved'))
    expect(heard).toEqual(['delete appsecret_00000000000000000000000a', 'resolved'])
    await queue.submit(setting('a'))
    stop()
    await queue.submit(looking((transaction) => transaction.delete(rowOf('a'), 'delete'), rowOf('a')))
    expect(heard).toHaveLength(2)
  })
})

describe('a head of its own', () => {
  test('is written as it is, and the next commit goes on from it', async () => {
    const { queue, engine, keyring, commits } = newQueue()
    await queue.submit(setting('a'))
    const next: Head = { ...queue.head, sequence: 9, superseded: 0 }
    await queue.exclusive(() => queue.commitHead(next))
    expect(queue.head).toEqual(next)
    expect(openHead(keyring, engine.getSync(HEAD_ROW) as Uint8Array)).toEqual(next)
    expect(queue.headValue).toEqual(engine.getSync(HEAD_ROW))
    await queue.submit(setting('b'))
    expect(queue.head).toMatchObject({ sequence: 10, count: 2 })
    expect(commits).toEqual([1, 0, 1])
  })
})

describe('the end', () => {
  const closed = new SecretStoreError('ERR_CLOSED', 'closed')

  test('refuses what comes after it, and does what came before', async () => {
    const { queue, commits } = newQueue()
    const before = [queue.submit(setting('a')), queue.exclusive(async () => 'alone')]
    queue.stop(closed)
    queue.stop(new SecretStoreError('ERR_FAILED', 'later'))
    const after = [() => queue.submit(setting('b')), () => queue.exclusive(async () => 'never')]
    for (const work of after) expect(await codeOf(work)).toBe('ERR_CLOSED')
    expect(await Promise.all(before)).toEqual(['a', 'alone'])
    await queue.drain()
    expect(commits).toEqual([1])
  })

  test('waits for all that is under way, and for nothing if nothing is', async () => {
    const { queue, commits } = newQueue()
    await queue.drain()
    const gate = newGate()
    let drained = false
    void queue.exclusive(() => gate.opened)
    void queue.submit(setting('a'))
    const draining = queue.drain().then(() => {
      drained = true
    })
    await turnOfLoop()
    expect(drained).toBe(false)
    gate.open()
    await draining
    expect(commits).toEqual([1])
  })

  test('by a failure keeps from the disk all that was taken in, and what was to run alone', async () => {
    const { queue, engine, commits } = newQueue(MIB)
    await queue.submit(setting('a'))
    const cause = new Error('disk full')
    const fault = failNextWrite(engine, cause)
    let ran = false
    const waiting = [
      queue.submit(setting('b')),
      queue.exclusive(async () => {
        ran = true
      }),
      queue.submit(setting('c')),
    ]
    for (const one of await Promise.allSettled(waiting)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_FAILED', cause } })
    }
    fault.mockRestore()
    expect(ran).toBe(false)
    expect(await codeOf(() => queue.submit(setting('d')))).toBe('ERR_FAILED')
    expect(await codeOf(() => queue.exclusive(async () => {}))).toBe('ERR_FAILED')
    expect(commits).toEqual([1])
    expect(queue.head.sequence).toBe(1)
    // A second failure does not put itself in the place of the first.
    expect(queue.fail(new Error('another'))).toMatchObject({ cause })
  })

  test.each([
    ['an error', new Error('disk full')],
    ['nothing at all', undefined],
  ])('comes by whatever a write throws: %s', async (_, cause) => {
    const { queue, engine } = newQueue()
    interceptWrites(engine, () => Promise.reject(cause), 1)
    expect(await codeOf(() => queue.submit(setting('a')))).toBe('ERR_FAILED')
    expect(await codeOf(() => queue.submit(setting('b')))).toBe('ERR_FAILED')
  })

  test('comes by a write that fails, also where what was planned before it could not be sealed', async () => {
    const { queue, engine, keyring } = newQueue()
    const seal = vi.spyOn(keyring, 'sealRow').mockImplementationOnce(() => {
      throw new RangeError('too large')
    })
    await expect(queue.submit(setting('a'))).rejects.toThrow(new RangeError('too large'))
    seal.mockRestore()
    failNextWrite(engine, new Error('disk full'))
    expect(await codeOf(() => queue.submit(setting('a')))).toBe('ERR_FAILED')
    expect(await codeOf(() => queue.submit(setting('b')))).toBe('ERR_FAILED')
  })

  test('leaves to an operation that threw its own error, and gives ERR_FAILED to the others of its group', async () => {
    const { queue, engine } = newQueue(MIB)
    const own = new RangeError('its own')
    const cause = new Error('disk full')
    const throwing: Operation<never> = {
      ...setting('b'),
      apply() {
        throw own
      },
    }
    const fault = failNextWrite(engine, cause)
    const outcomes = await Promise.allSettled(
      [setting('a'), throwing, looking(() => 'looked', rowOf('c'))].map((operation) =>
        queue.submit<unknown>(operation),
      ),
    )
    expect(fault.count).toBe(1)
    const failed = { status: 'rejected', reason: { code: 'ERR_FAILED', cause } }
    expect(outcomes).toMatchObject([failed, { status: 'rejected', reason: own }, failed])
    expect((outcomes[1] as PromiseRejectedResult).reason).toBe(own)
    expect((outcomes[0] as PromiseRejectedResult).reason).toBe((outcomes[2] as PromiseRejectedResult).reason)
    expect(engine.getSync(rowOf('a').bytes)).toBeUndefined()
  })

  test('lets go of every batch, whether it was written, failed, or could not be filled', async () => {
    const { queue, engine, keyring } = newQueue()
    let [begun, closed] = [0, 0]
    let failure: Error | undefined
    const { batch } = engine
    vi.spyOn(engine, 'batch').mockImplementation(() => {
      const real = batch.call(engine)
      begun++
      return {
        ...real,
        write: (head) => (failure === undefined ? real.write(head) : Promise.reject(failure)),
        close() {
          closed++
          return real.close()
        },
      }
    })
    await queue.submit(setting('a'))
    expect([begun, closed]).toEqual([1, 1])
    const seal = vi.spyOn(keyring, 'sealRow').mockImplementationOnce(() => {
      throw new RangeError('too large')
    })
    await expect(queue.submit(setting('a'))).rejects.toThrow(RangeError)
    seal.mockRestore()
    expect([begun, closed]).toEqual([2, 2])
    failure = new Error('disk full')
    expect(await codeOf(() => queue.submit(setting('a')))).toBe('ERR_FAILED')
    expect([begun, closed]).toEqual([3, 3])
  })

  test('does not come by a keyring that is wiped: nothing is written, and others are answered', async () => {
    const { queue, engine, keyring, commits } = newQueue(MIB)
    await queue.submit(setting('a'))
    const [headValue, row] = [queue.headValue, engine.getSync(rowOf('a').bytes)]
    const writes = interceptWrites(engine, (_, write) => write())
    keyring.wipe()
    const outcomes = await Promise.allSettled([queue.submit(setting('a')), queue.submit(setting('b'))])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    for (const outcome of outcomes) {
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_CLOSED' })
    }
    expect(writes.count).toBe(0)
    expect([queue.headValue, engine.getSync(HEAD_ROW), engine.getSync(rowOf('a').bytes)]).toEqual([
      headValue,
      headValue,
      row,
    ])
    expect(engine.getSync(rowOf('b').bytes)).toBeUndefined()
    // The queue goes on: what needs no key is still answered, and at its turn.
    expect(await queue.submit(looking((transaction) => transaction.record(rowOf('a'))?.id, rowOf('a')))).toBe(
      'appsecret_00000000000000000000000a',
    )
    expect(await queue.exclusive(async () => 'alone')).toBe('alone')
    await queue.drain()
    expect(commits).toEqual([1])
  })

  test('does not come by what cannot be sealed: nothing of it has reached the disk', async () => {
    const { queue, keyring, commits } = newQueue(MIB)
    await queue.submit(setting('a'))
    const fault = vi.spyOn(keyring, 'sealRow').mockImplementationOnce(() => {
      throw new RangeError('too large')
    })
    await expect(queue.submit(setting('a'))).rejects.toThrow(new RangeError('too large'))
    fault.mockRestore()
    expect(await queue.submit(setting('a'))).toBe('a')
    expect(queue.head).toMatchObject({ sequence: 2, count: 1, superseded: 1 })
    expect(commits).toEqual([1, 1])
  })
})
