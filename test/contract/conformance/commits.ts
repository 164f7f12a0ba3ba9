import { expect } from 'vitest'
import { keyAfter } from '../../../src/base/bytes'
import { bytes, type Check, commit, headOf, LATER_MS, put, text, valueAt, within, write, writersOf } from './medium'

/** Of every engine, of one writer or of several. */
export const COMMIT_CHECKS: readonly Check[] = [
  {
    name: 'a commit takes rows, head and keyring.json together',
    async run(medium) {
      const engine = await medium.open()
      const head = bytes('the first head')
      const keyring = await medium.nextKeyring()
      expect(await commit(engine, { changes: [put('k1', '1'), put('k2', '2')], head, keyring })).toBe(true)
      expect([await valueAt(engine, 'k1'), await valueAt(engine, 'k2')]).toEqual(['1', '2'])
      expect(await headOf(engine)).toEqual(head)
      expect(await medium.keyring()).toEqual(keyring)
    },
  },
  {
    name: 'a commit on another head changes neither rows nor keyring.json, and the next goes on',
    async run(medium) {
      const engine = await medium.open()
      const [before, next] = [await medium.nextKeyring(), await medium.nextKeyring()]
      await commit(engine, { changes: [put('k1', '1'), put('k2', '2')], head: bytes('head'), keyring: before })
      for (const expectedHead of [undefined, bytes('hea'), bytes('head0'), bytes('Head'), new Uint8Array()]) {
        const changes = [put('k1', 'changed'), { type: 'del', key: bytes('k2') } as const, put('k3', '3')]
        expect(await commit(engine, { changes, expectedHead, keyring: next })).toBe(false)
        expect([await valueAt(engine, 'k1'), await valueAt(engine, 'k2')]).toEqual(['1', '2'])
        expect([await valueAt(engine, 'k3'), text(await headOf(engine))]).toEqual([undefined, 'head'])
        expect(await medium.keyring()).toEqual(before)
      }
      expect(await commit(engine, { changes: [put('k1', 'changed')], expectedHead: bytes('head') })).toBe(true)
      expect(await valueAt(engine, 'k1')).toBe('changed')
    },
  },
  {
    name: 'of several commits that were planned on one head, one is written',
    async run(medium) {
      const engines = medium.faults === undefined ? [await medium.open()] : await writersOf(medium, 3)
      const [first] = engines as [(typeof engines)[0]]
      await commit(first, { changes: [put('k', 'before')] })
      for (let round = 0; round < 5; round++) {
        const expectedHead = await headOf(first)
        const attempt = (n: number): Promise<boolean> =>
          commit(engines[n % engines.length] as typeof first, { changes: [put('k', `${round} ${n}`)], expectedHead })
        // One writer writes one after the other.
        const isOne = engines.length === 1
        const written = isOne ? [await attempt(0), await attempt(1)] : await Promise.all([0, 1, 2].map(attempt))
        expect(written.filter(Boolean)).toHaveLength(1)
        expect(await valueAt(first, 'k')).toBe(`${round} ${written.indexOf(true)}`)
      }
    },
  },
  {
    name: 'what was acknowledged is read by everybody at once, in each way of reading',
    async run(medium) {
      const engines = medium.faults === undefined ? [await medium.open()] : await writersOf(medium, 3)
      const key = bytes('k')
      const range = { gte: key, lt: keyAfter(key), limit: 5 }
      for (let round = 0; round < 30; round++) {
        const value = bytes(`${round}`)
        await commit(engines[round % engines.length] as (typeof engines)[0], { changes: [put('k', `${round}`)] })
        for (const engine of engines) {
          expect(await engine.get(key)).toEqual(value)
          expect(await engine.getMany([key, bytes('none')])).toEqual([value, undefined])
          expect(await engine.scan(range)).toEqual([{ key, value }])
          expect(await engine.scanKeys(range)).toEqual([key])
          if (engine.canReadSync()) expect(engine.getSync(key)).toEqual(value)
        }
      }
    },
  },
  {
    name: 'a batch that is closed unwritten changes nothing, and several are apart',
    async run(medium) {
      const engine = await medium.open()
      await commit(engine, { changes: [put('k', 'before')] })
      const unwritten = engine.batch()
      unwritten.put(bytes('k'), bytes('never'))
      await unwritten.close()
      expect(await valueAt(engine, 'k')).toBe('before')
      expect(await commit(engine, { changes: [put('other', '1')] })).toBe(true)
      expect([await valueAt(engine, 'k'), await valueAt(engine, 'other')]).toEqual(['before', '1'])
    },
  },
  {
    name: 'nothing is read or written after close',
    async run(medium) {
      const engine = await medium.open()
      await commit(engine, { changes: [put('k', '1')] })
      const expectedHead = await headOf(engine)
      await within(LATER_MS, 'close', engine.close())
      const failed = async (work: () => unknown): Promise<boolean> => {
        try {
          return (await within(LATER_MS, 'a call after close', Promise.resolve(work()))) === false
        } catch {
          return true
        }
      }
      expect(await failed(() => engine.get(bytes('k')))).toBe(true)
      expect(await failed(() => engine.getMany([bytes('k')]))).toBe(true)
      expect(await failed(() => write(engine, { changes: [put('k', '2')], expectedHead }))).toBe(true)
    },
  },
]
