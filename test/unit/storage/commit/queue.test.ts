import { describe, expect, test, vi } from 'vitest'
import { mapKey, utf8 } from '../../../../src/base/bytes'
import { createKeyringFile } from '../../../../src/crypto/data-keys'
import { Keyring } from '../../../../src/crypto/keyring'
import { systemRandom } from '../../../../src/crypto/random'
import { SecretStoreError } from '../../../../src/errors'
import { EMPTY_HEAD, type Head } from '../../../../src/format/head'
import type { SecretRecord } from '../../../../src/model'
import { CommitQueue } from '../../../../src/storage/commit/queue'
import type { Operation, Transaction } from '../../../../src/storage/commit/transaction'
import { openHead, sealHead } from '../../../../src/storage/head'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { KnownRecords } from '../../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import { codeOf } from '../../../support/stores'

const MIB = 1024 * 1024

const rowOf = (name: string): Uint8Array => utf8(`rt|account|${name}`)

function recordOf(name: string): Omit<SecretRecord, 'revision'> {
  const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name } as const
  return { id: `appsecret_${name}`, address, created: 0, expires_at: null }
}

function setting(name: string, sizeBytes = 0): Operation<string> {
  return {
    rows: [],
    records: [rowOf(name)],
    sizeBytes,
    apply(transaction) {
      transaction.put(rowOf(name), recordOf(name), { type: 'text', bytes: utf8(name) })
      return name
    },
  }
}

/** Looks and changes nothing. */
function looking<T>(look: (transaction: Transaction) => T, ...records: readonly Uint8Array[]): Operation<T> {
  return { rows: [], records, sizeBytes: 0, apply: look }
}

/** A queue over an engine in memory, and the sizes of its commits in records. */
function newQueue(knownBytes = 0): {
  readonly queue: CommitQueue
  readonly engine: MemoryEngine
  readonly keyring: Keyring
  readonly commits: number[]
} {
  const rootKey = new Uint8Array(32).fill(1)
  const fields = { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] } as const
  const keyring = new Keyring(createKeyringFile(rootKey, fields, systemRandom), rootKey, systemRandom)
  const head = sealHead(keyring, EMPTY_HEAD)
  const engine = new MemoryEngine([head])
  const queue = new CommitQueue(engine, keyring, new KnownRecords(knownBytes), EMPTY_HEAD, head.value)
  const commits: number[] = []
  queue.listen((replacements) => commits.push(replacements.length))
  return { queue, engine, keyring, commits }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `n${n}`)

/** A promise, and what settles it. */
function held(): { readonly until: Promise<void>; release(): void } {
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  return { until, release }
}

describe('a group', () => {
  test('takes a thousand operations, and the next one waits', async () => {
    const { queue, commits } = newQueue()
    await Promise.all(names(1001).map((name) => queue.submit(setting(name))))
    expect(commits).toEqual([1000, 1])
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
    queue.listen((replacements) => order.push(`commit of ${replacements.length}`))
    const alone = queue.exclusive(async () => {
      order.push(`begins at ${queue.head.sequence}`)
      await new Promise((resolve) => setImmediate(resolve))
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
    expect(engine.getSync(rowOf('b'))).toBeUndefined()
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
    expect(sync.mock.calls.filter(([key]) => mapKey(key) === mapKey(rowOf('a')))).toHaveLength(1)
  })

  test('is not read if this process has written it; a row that an operation needs is', async () => {
    const { queue, engine } = newQueue(MIB)
    await queue.submit(setting('a'))
    const sync = vi.spyOn(engine, 'getSync')
    const reads = (): number => sync.mock.calls.filter(([key]) => mapKey(key) === mapKey(rowOf('a'))).length
    await queue.submit(setting('a'))
    expect(reads()).toBe(0)
    await queue.submit({ ...setting('a'), rows: [rowOf('a')] })
    expect(reads()).toBe(1)
    expect(queue.head).toMatchObject({ sequence: 3, count: 1, superseded: 2 })
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
    const stop = queue.listen((replacements) => {
      for (const { previous, next } of replacements) heard.push(`${previous?.record.id} ${next?.record.id}`)
    })
    await queue.submit(setting('a'))
    await queue.submit(setting('a'))
    stop()
    await queue.submit(setting('b'))
    expect(heard).toEqual(['undefined appsecret_a', 'appsecret_a appsecret_a'])
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
    expect(heard).toEqual(['delete appsecret_a', 'resolved'])
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
    const { until, release } = held()
    let drained = false
    void queue.exclusive(() => until)
    void queue.submit(setting('a'))
    const draining = queue.drain().then(() => {
      drained = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(drained).toBe(false)
    release()
    await draining
    expect(commits).toEqual([1])
  })

  test('by a failure keeps from the disk all that was taken in, and what was to run alone', async () => {
    const { queue, engine, commits } = newQueue(MIB)
    await queue.submit(setting('a'))
    const cause = new Error('disk full')
    const fault = vi.spyOn(engine, 'commit').mockRejectedValueOnce(cause)
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

  test('comes by whatever the engine throws, also when it was given something that could not be sealed', async () => {
    for (const [cause, isSealed] of [
      [undefined, true],
      [new Error('disk full'), false],
    ] as const) {
      const { queue, engine, keyring } = newQueue()
      if (!isSealed) {
        vi.spyOn(keyring, 'sealRow').mockImplementationOnce(() => {
          throw new RangeError('too large')
        })
      }
      vi.spyOn(engine, 'commit').mockImplementationOnce(async (changes) => {
        try {
          for (const _ of changes);
        } catch {
          // What it says instead is its own.
        }
        throw cause
      })
      expect(await codeOf(() => queue.submit(setting('a')))).toBe('ERR_FAILED')
      expect(await codeOf(() => queue.submit(setting('b')))).toBe('ERR_FAILED')
    }
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
