import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { compare, utf8 } from '../../src/base/bytes'
import type { Change, Engine, Range, Row } from '../../src/storage/engine'
import { HEAD_ROW } from '../../src/storage/keyspace'
import { LevelEngine } from '../../src/storage/level/engine'
import { MemoryEngine } from '../../src/storage/memory-engine'
import { codeOf, temporaryDirectory } from '../support/stores'

const put = (key: string, value: string): Change => ({ type: 'put', key: utf8(key), value: utf8(value) })
const del = (key: string): Change => ({ type: 'del', key: utf8(key) })
const shown = (rows: readonly Row[]): string[] =>
  rows.map(({ key, value }) => `${new TextDecoder().decode(key)}=${new TextDecoder().decode(value)}`)
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
 * @param staleHeadCode - The code with which it refuses a commit that was planned on another head.
 */
function describeEngine(name: string, makeEngine: () => Promise<Engine>, staleHeadCode: string): void {
  describe(`the ${name} engine`, () => {
    async function filled(count = 10): Promise<Engine> {
      const engine = await makeEngine()
      await engine.commit(
        Array.from({ length: count }, (_, n) => put(`k${n}`, `v${n}`)),
        undefined,
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
      await engine.commit([put('empty', '')], undefined)
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
      await engine.commit([put('k1', 'new'), del('k2'), del('nothing')], undefined)
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['k0=v0', 'k1=new'])
    })

    test('applies the changes of a commit in their order', async () => {
      const engine = await makeEngine()
      await engine.commit([put('a', '1'), del('a'), put('b', '1'), put('b', '2'), del('c'), put('c', '3')], undefined)
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['b=2', 'c=3'])
    })

    test('is not changed by what happens to the bytes it was given or has given out', async () => {
      const engine = await makeEngine()
      const change = { type: 'put', key: utf8('key'), value: utf8('value') } as const
      await engine.commit([change], undefined)
      change.key.fill(0)
      change.value.fill(0)
      expect(shown(await engine.scan(range('a', 'z')))).toEqual(['key=value'])
    })

    test('refuses a commit planned on another head, whole, and takes one planned on this head', async () => {
      const engine = await makeEngine()
      expect(await codeOf(() => engine.commit([put('a', '1')], utf8('never')))).toBe(staleHeadCode)
      await engine.commit([{ type: 'put', key: HEAD_ROW, value: utf8('head 1') }, put('a', '1')], undefined)
      for (const stale of [undefined, utf8('head 0'), utf8('head 10'), new Uint8Array()]) {
        expect(await codeOf(() => engine.commit([put('a', '2'), put('b', '2')], stale))).toBe(staleHeadCode)
      }
      expect(shown(await engine.scan(range('a', 'c')))).toEqual(['a=1'])
      await engine.commit([put('a', '3')], utf8('head 1'))
      expect(engine.getSync(utf8('a'))).toEqual(utf8('3'))
    })

    test('erasing keeps what is there, and it goes on working', async () => {
      const engine = await filled()
      await engine.commit([del('k0'), put('k1', 'new'), put('\xff', 'last')], undefined)
      const before = shown(await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(8).fill(255), limit: 100 }))
      await engine.erase()
      await engine.erase()
      expect(shown(await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(8).fill(255), limit: 100 }))).toEqual(
        before,
      )
      await engine.commit([put('k0', 'again')], undefined)
      expect(engine.getSync(utf8('k0'))).toEqual(utf8('again'))
    })

    test('reads that meet an erasing wait for it', async () => {
      const engine = await filled()
      const erasing = engine.erase()
      const reads: Promise<unknown>[] = []
      let erased = false
      const done = erasing.then(() => {
        erased = true
      })
      while (!erased) {
        reads.push(engine.get(utf8('k3')), engine.getMany([utf8('k3')]), engine.scan(range('k3', 'k4')))
        await new Promise((resolve) => setImmediate(resolve))
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
        () => engine.get(utf8('k3')),
        () => engine.getSync(utf8('k3')),
        () => engine.getMany([utf8('k3')]),
        () => engine.scan(range('a', 'z')),
        () => engine.commit([put('a', '1')], undefined),
      ]) {
        expect(await codeOf(work)).toBe('ERR_CLOSED')
      }
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
          await engine.commit(changes, undefined)
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

describeEngine('memory', async () => new MemoryEngine([]), 'ERR_FAILED')
describeEngine('LevelDB', makeLevelEngine, 'ERR_LOCKED')

describe('the LevelDB engine on disk', () => {
  test('has everything again after it was closed and opened', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    const first = await LevelEngine.open(directory, { create: true })
    await first.commit([put('a', '1'), put('b', '2')], undefined)
    await first.commit([del('a')], undefined)
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
    await engine.commit([put('a', '1')], undefined)
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
      await new Promise((resolve) => setImmediate(resolve))
    }
    await erasing
    expect([...codes]).toEqual(['ERR_BUSY'])
    expect(engine.getSync(utf8('a'))).toEqual(utf8('1'))
  })

  test('gives out bytes that are no Buffer', async () => {
    const engine = await makeLevelEngine()
    await engine.commit([put('a', '1')], undefined)
    const [row] = await engine.scan(range('a', 'b'))
    for (const bytes of [await engine.get(utf8('a')), engine.getSync(utf8('a')), row?.key, row?.value]) {
      expect(Buffer.isBuffer(bytes)).toBe(false)
      expect(bytes).toBeInstanceOf(Uint8Array)
    }
  })
})
