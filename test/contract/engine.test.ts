import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { compare, utf8 } from '../../src/base/bytes'
import type { Change, Engine, Range, Row } from '../../src/storage/engine'
import { HEAD_ROW } from '../../src/storage/keyspace'
import { LevelEngine } from '../../src/storage/level/engine'
import { MemoryEngine } from '../../src/storage/memory-engine'
import { writeAlone } from '../../src/storage/write-alone'
import { writeTo } from '../support/engine-writes'
import { codeOf, temporaryDirectory } from '../support/stores'
import { turnOfLoop } from '../support/waiting'

const put = (key: string, value: string): Change => ({ type: 'put', key: utf8(key), value: utf8(value) })
const del = (key: string): Change => ({ type: 'del', key: utf8(key) })
const shown = (rows: readonly Row[]): string[] =>
  rows.map(({ key, value }) => `${new TextDecoder().decode(key)}=${new TextDecoder().decode(value)}`)
const putHead = (value: string): Change => ({ type: 'put', key: HEAD_ROW, value: utf8(value) })
/** Writes where the head is none, and nobody else writes. */
const written = async (engine: Engine, changes: Iterable<Change>): Promise<void> =>
  expect(await writeTo(engine, changes, undefined)).toBe(true)
const everything = async (engine: Engine): Promise<string[]> =>
  shown(await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(8).fill(255), limit: 1000 }))
const range = (gte: string, lt: string, limit = 100, reverse = false): Range => ({
  gte: utf8(gte),
  lt: utf8(lt),
  limit,
  reverse,
})

/**
 * What every engine must do.
 *
 * @param makeEngine - A new, empty engine; the caller sees to it that it goes away with the test.
 * @param onStaleHead - What becomes of a write that was planned on another head: the code of what is thrown, or `false`.
 */
function describeEngine(name: string, makeEngine: () => Promise<Engine>, onStaleHead: 'ERR_LOCKED' | false): void {
  describe(`the ${name} engine`, () => {
    async function filled(count = 10): Promise<Engine> {
      const engine = await makeEngine()
      await written(
        engine,
        Array.from({ length: count }, (_, n) => put(`k${n}`, `v${n}`)),
      )
      return engine
    }

    test('reads back what was committed, by each way of reading', async () => {
      const engine = await filled()
      expect(engine.canReadSync()).toBe(true)
      expect(await engine.get(utf8('k3'))).toEqual(utf8('v3'))
      expect(engine.getSync(utf8('k3'))).toEqual(utf8('v3'))
      expect(await engine.getMany([utf8('k4'), utf8('nothing'), utf8('k1'), utf8('k4')])).toEqual([
        utf8('v4'),
        undefined,
        utf8('v1'),
        utf8('v4'),
      ])
      expect(await engine.getMany([])).toEqual([])
    })

    test('answers undefined for what is not there', async () => {
      const engine = await filled()
      for (const key of ['k', 'k10', 'K3', '\0', 'z']) {
        expect(await engine.get(utf8(key))).toBeUndefined()
        expect(engine.getSync(utf8(key))).toBeUndefined()
      }
    })

    test('keeps an empty value apart from none', async () => {
      const engine = await makeEngine()
      await written(engine, [put('empty', '')])
      expect(await engine.get(utf8('empty'))).toEqual(new Uint8Array())
      expect(engine.getSync(utf8('empty'))).toEqual(new Uint8Array())
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['empty='])
    })

    test('scans from gte to below lt, in both directions, up to the limit', async () => {
      const engine = await filled()
      expect(shown(await engine.scan(range('k2', 'k5')))).toEqual(['k2=v2', 'k3=v3', 'k4=v4'])
      expect(shown(await engine.scan(range('k2', 'k5', 100, true)))).toEqual(['k4=v4', 'k3=v3', 'k2=v2'])
      expect(shown(await engine.scan(range('k2', 'k5', 2)))).toEqual(['k2=v2', 'k3=v3'])
      expect(shown(await engine.scan(range('k2', 'k5', 2, true)))).toEqual(['k4=v4', 'k3=v3'])
      expect(shown(await engine.scan(range('k25', 'k35')))).toEqual(['k3=v3'])
      expect(await engine.scan(range('k2', 'k2'))).toEqual([])
      expect(await engine.scan(range('k5', 'k2'))).toEqual([])
      expect(await engine.scan(range('k5', 'k2', 100, true))).toEqual([])
      expect(await engine.scan(range('a', 'b'))).toEqual([])
      expect(await engine.scan(range('x', 'z', 5, true))).toEqual([])
      expect(await engine.scan({ gte: utf8('k'), lt: utf8('l'), limit: 100 })).toHaveLength(10)
    })

    test('scans keys as it scans rows', async () => {
      const engine = await filled()
      for (const [limit, reverse] of [
        [100, false],
        [2, false],
        [2, true],
      ] as const) {
        const page = range('k2', 'k5', limit, reverse)
        expect(await engine.scanKeys(page)).toEqual((await engine.scan(page)).map(({ key }) => key))
      }
      expect(await engine.scanKeys(range('k5', 'k2'))).toEqual([])
    })

    test('replaces and deletes, and does not mind deleting nothing', async () => {
      const engine = await filled(3)
      await written(engine, [put('k1', 'new'), del('k2'), del('nothing')])
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['k0=v0', 'k1=new'])
    })

    test('applies the changes of a batch in their order, so that the last of several of one key wins', async () => {
      const engine = await makeEngine()
      await written(engine, [put('a', '1'), del('a'), put('b', '1'), put('b', '2'), del('c'), put('c', '3')])
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['b=2', 'c=3'])
    })

    test('is not changed by what happens to the bytes it was given or has given out', async () => {
      const engine = await makeEngine()
      const change = { type: 'put', key: utf8('key'), value: utf8('value') } as const
      await written(engine, [change])
      change.key.fill(0)
      change.value.fill(0)
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['key=value'])
    })

    test('writes nothing that was planned on another head, and all that was planned on this head', async () => {
      const engine = await makeEngine()
      const stale = async (changes: readonly Change[], head: Uint8Array | undefined): Promise<unknown> => {
        try {
          return await writeTo(engine, changes, head)
        } catch (error) {
          return (error as { code?: unknown }).code
        }
      }
      expect(await stale([put('a', '1')], utf8('never'))).toBe(onStaleHead)
      expect(await everything(engine)).toEqual([])
      expect(await writeTo(engine, [putHead('head 1'), put('a', '1')], undefined)).toBe(true)
      for (const other of [undefined, utf8('head 0'), utf8('head 10'), utf8('head'), new Uint8Array()]) {
        expect(await stale([put('a', '2'), put('b', '2'), putHead('head 2')], other)).toBe(onStaleHead)
      }
      expect(await everything(engine)).toEqual(['a=1', 'h=head 1'])
      expect(await writeTo(engine, [put('a', '3'), putHead('head 2')], utf8('head 1'))).toBe(true)
      expect(await everything(engine)).toEqual(['a=3', 'h=head 2'])
      // By now the head is another one.
      expect(await stale([del('a')], utf8('head 1'))).toBe(onStaleHead)
      expect(await writeTo(engine, [del('a')], utf8('head 2'))).toBe(true)
      expect(await everything(engine)).toEqual(['h=head 2'])
    })

    test('takes what is written alone only as long as there is no head of another', async () => {
      const engine = await makeEngine()
      await writeAlone(engine, [put('a', '1'), put('b', '1')])
      await writeAlone(engine, [del('a'), putHead('head 1')])
      expect(await everything(engine)).toEqual(['b=1', 'h=head 1'])
      const late = writeAlone(engine, [put('a', '2')])
      if (onStaleHead === false) await expect(late).rejects.toThrow('expected nobody else to write')
      else expect(await codeOf(() => late)).toBe(onStaleHead)
      expect(await everything(engine)).toEqual(['b=1', 'h=head 1'])
    })

    test('of two batches that were planned on one head writes the first', async () => {
      const engine = await makeEngine()
      await written(engine, [putHead('head 1')])
      const batches = [engine.batch(), engine.batch()] as const
      for (const [n, batch] of batches.entries()) {
        batch.put(utf8(`k${n}`), utf8('v'))
        batch.put(HEAD_ROW, utf8(`head ${n + 2}`))
      }
      expect(await batches[0].write(utf8('head 1'))).toBe(true)
      if (onStaleHead === false) expect(await batches[1].write(utf8('head 1'))).toBe(false)
      else expect(await codeOf(() => batches[1].write(utf8('head 1')))).toBe(onStaleHead)
      for (const batch of batches) await batch.close()
      expect(await everything(engine)).toEqual(['h=head 2', 'k0=v'])
    })

    test('writes nothing before it is told to, and all of a batch then', async () => {
      const engine = await makeEngine()
      const batch = engine.batch()
      batch.put(utf8('a'), utf8('1'))
      batch.put(utf8('b'), utf8('2'))
      batch.del(utf8('a'))
      expect(await everything(engine)).toEqual([])
      expect(engine.getSync(utf8('b'))).toBeUndefined()
      expect(await batch.write(undefined)).toBe(true)
      expect(await everything(engine)).toEqual(['b=2'])
      await batch.close()
      expect(await everything(engine)).toEqual(['b=2'])
    })

    test('a batch that is closed unwritten changes nothing', async () => {
      const engine = await filled(2)
      const batch = engine.batch()
      batch.put(utf8('k0'), utf8('new'))
      batch.del(utf8('k1'))
      batch.put(HEAD_ROW, utf8('head 1'))
      await batch.close()
      expect(await everything(engine)).toEqual(['k0=v0', 'k1=v1'])
      expect(await writeTo(engine, [put('k2', 'v2')], undefined)).toBe(true)
      expect(await everything(engine)).toEqual(['k0=v0', 'k1=v1', 'k2=v2'])
    })

    test('a batch that holds nothing is written, and changes nothing', async () => {
      const engine = await filled(1)
      expect(await writeTo(engine, [], undefined)).toBe(true)
      expect(await everything(engine)).toEqual(['k0=v0'])
    })

    test('several batches are apart: each holds what it was given itself', async () => {
      const engine = await makeEngine()
      const [first, second, third] = [engine.batch(), engine.batch(), engine.batch()]
      first.put(utf8('a'), utf8('first'))
      second.put(utf8('a'), utf8('second'))
      third.put(utf8('c'), utf8('third'))
      second.put(utf8('b'), utf8('second'))
      await third.close()
      expect(await second.write(undefined)).toBe(true)
      expect(await everything(engine)).toEqual(['a=second', 'b=second'])
      expect(await first.write(undefined)).toBe(true)
      expect(await everything(engine)).toEqual(['a=first', 'b=second'])
      await first.close()
      await second.close()
    })

    test('a batch writes the bytes that it was given, also where they are a part of a larger buffer', async () => {
      const engine = await makeEngine()
      const buffer = utf8('..key..value..')
      const batch = engine.batch()
      batch.put(buffer.subarray(2, 5), buffer.subarray(7, 12))
      batch.put(utf8('other'), buffer.subarray(7, 7))
      expect(await batch.write(undefined)).toBe(true)
      await batch.close()
      buffer.fill(0)
      expect(await everything(engine)).toEqual(['key=value', 'other='])
    })

    test('says how much a commit should hold: some of everything', async () => {
      const { limits } = await makeEngine()
      expect(limits.rows).toBeGreaterThan(0)
      expect(limits.bytes).toBeGreaterThan(0)
    })

    test('erasing keeps what is there, and it goes on working', async () => {
      const engine = await filled()
      await written(engine, [del('k0'), put('k1', 'new'), put('\xff', 'last')])
      const before = shown(await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(8).fill(255), limit: 100 }))
      await engine.erase()
      await engine.erase()
      expect(shown(await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(8).fill(255), limit: 100 }))).toEqual(
        before,
      )
      await written(engine, [put('k0', 'again')])
      expect(engine.getSync(utf8('k0'))).toEqual(utf8('again'))
    })

    test('reads that meet an erasing wait for it', async () => {
      const engine = await filled()
      const erasing = engine.erase()
      const reads: unknown[] = []
      let erased = false
      const done = erasing.then(() => {
        erased = true
      })
      while (!erased) {
        reads.push(engine.get(utf8('k3')), engine.getMany([utf8('k3')]), engine.scan(range('k3', 'k4')))
        await turnOfLoop()
      }
      await done
      const answers = await Promise.all(reads)
      for (let i = 0; i < answers.length; i += 3) {
        expect(answers[i]).toEqual(utf8('v3'))
        expect(answers[i + 1]).toEqual([utf8('v3')])
        expect(shown(answers[i + 2] as Row[])).toEqual(['k3=v3'])
      }
    })

    test('answers nothing but ERR_CLOSED once it is closed', async () => {
      const engine = await filled()
      await engine.close()
      for (const work of [
        async () => engine.get(utf8('k3')),
        () => engine.getSync(utf8('k3')),
        () => engine.getMany([utf8('k3')]),
        () => engine.scan(range('a', 'z')),
        () => writeTo(engine, [put('a', '1')], undefined),
      ]) {
        expect(await codeOf(work)).toBe('ERR_CLOSED')
      }
    })

    test('a batch that was begun before the engine was closed is not written after, and closes', async () => {
      const engine = await filled()
      const batch = engine.batch()
      batch.put(utf8('a'), utf8('1'))
      await engine.close()
      expect(await codeOf(() => batch.write(undefined))).toBe('ERR_CLOSED')
      await batch.close()
    })

    test('agrees with a sorted list over random commits and scans', async () => {
      const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 255 }).filter(([first]) => first !== HEAD_ROW[0])
      const change: fc.Arbitrary<Change> = fc.oneof(
        fc.record({ type: fc.constant('put' as const), key, value: fc.uint8Array({ maxLength: 4 }) }),
        fc.record({ type: fc.constant('del' as const), key }),
      )
      const query = fc.record({ gte: key, lt: key, limit: fc.integer({ min: 1, max: 20 }), reverse: fc.boolean() })
      const engine = await makeEngine()
      const model = new Map<string, Row>()
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 30 }), query, async (changes, { gte, lt, limit, reverse }) => {
          await written(engine, changes)
          for (const one of changes) {
            const label = String(one.key)
            if (one.type === 'put') model.set(label, { key: one.key, value: one.value })
            else model.delete(label)
          }
          const within = [...model.values()]
            .filter((row) => compare(row.key, gte) >= 0 && compare(row.key, lt) < 0)
            .sort((a, b) => compare(a.key, b.key))
          const expected = (reverse ? within.reverse() : within).slice(0, limit)
          expect(await engine.scan({ gte, lt, limit, reverse })).toEqual(expected)
          expect(await engine.get(gte)).toEqual(model.get(String(gte))?.value)
        }),
        { numRuns: 60, endOnFailure: true },
      )
    })
  })
}

async function makeLevelEngine(): Promise<LevelEngine> {
  const engine = await LevelEngine.open(join(await temporaryDirectory(), 'data'), { create: true })
  onTestFinished(() => engine.close())
  return engine
}

describeEngine('memory', async () => new MemoryEngine([]), false)
describeEngine('LevelDB', makeLevelEngine, 'ERR_LOCKED')

describe('the LevelDB engine on disk', () => {
  test('has everything again after it was closed and opened', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    const first = await LevelEngine.open(directory, { create: true })
    await written(first, [put('a', '1'), put('b', '2')])
    await written(first, [del('a')])
    await first.close()
    const second = await LevelEngine.open(directory)
    expect(shown(await second.scan(range('a', 'z')))).toEqual(['b=2'])
    await second.close()
  })

  test('creates only where nothing is, and only when told to', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    expect(await codeOf(() => LevelEngine.open(directory))).toBe('ERR_CORRUPT')
    const engine = await LevelEngine.open(directory, { create: true })
    await engine.close()
    expect(await codeOf(() => LevelEngine.open(directory, { create: true }))).toBe('ERR_CORRUPT')
  })

  test('a synchronous read that meets an erasing is ERR_BUSY, an asynchronous one waits', async () => {
    const engine = await makeLevelEngine()
    await written(engine, [put('a', '1')])
    let erased = false
    const erasing = engine.erase().then(() => {
      erased = true
    })
    const codes = new Set<string>()
    while (!erased) {
      if (!engine.canReadSync()) {
        codes.add(await codeOf(() => engine.getSync(utf8('a'))))
        expect(await engine.get(utf8('a'))).toEqual(utf8('1'))
      }
      await turnOfLoop()
    }
    await erasing
    expect([...codes]).toEqual(['ERR_BUSY'])
    expect(engine.getSync(utf8('a'))).toEqual(utf8('1'))
  })

  test('gives out bytes that are no Buffer', async () => {
    const engine = await makeLevelEngine()
    await written(engine, [put('a', '1')])
    const [row] = await engine.scan(range('a', 'b'))
    for (const bytes of [await engine.get(utf8('a')), engine.getSync(utf8('a')), row?.key, row?.value]) {
      expect(Buffer.isBuffer(bytes)).toBe(false)
      expect(bytes).toBeInstanceOf(Uint8Array)
    }
  })
})
