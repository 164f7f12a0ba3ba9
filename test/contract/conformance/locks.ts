import { expect } from 'vitest'
import { GRACE_MS } from '../../../src/storage/sharing/named-locks'
import {
  type Check,
  commit,
  commitInTheEnd,
  isPending,
  LATER_MS,
  put,
  type SharedEngine,
  SOON_MS,
  valueAt,
  within,
  writersOf,
} from './medium'

type Three = [SharedEngine, SharedEngine, SharedEngine]

/** Of engines of several writers: named locks, who is there, and the end of each. */
export const LOCK_CHECKS: readonly Check[] = [
  {
    name: 'a named lock is one writer’s, through turns and commits, until it is given back',
    async run(medium) {
      const writers = (await writersOf(medium, 3)) as Three
      const [, second, third] = writers
      const release = await second.others.lock('x')
      const taking = third.others.lock('x')
      for (const writer of writers) expect(await commit(writer, { changes: [put('k', '1')] })).toBe(true)
      expect(await isPending(taking)).toBe(true)
      // Each name is a lock of its own.
      ;(await within(SOON_MS, 'another lock', writers[0].others.lock('y')))()
      release()
      release()
      ;(await within(SOON_MS, 'the lock', taking))()
    },
  },
  {
    name: 'a named lock outlives the first writer, and is nobody else’s under the next',
    async run(medium) {
      const [, second, third] = (await writersOf(medium, 3)) as Three
      const release = await second.others.lock('x')
      await within(LATER_MS, 'the loss', medium.faults?.loseFirst() ?? Promise.resolve())
      const taking = third.others.lock('x')
      await within(LATER_MS, 'a commit', commitInTheEnd(third, { changes: [put('k', '1')] }))
      expect(await isPending(taking, GRACE_MS + 500)).toBe(true)
      release()
      ;(await within(LATER_MS, 'the lock', taking))()
    },
  },
  {
    name: 'a named lock ends with its writer',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as Three
      await second.others.lock('x')
      await second.close()
      const release = await within(SOON_MS, 'the lock of one that is gone', third.others.lock('x'))
      const taking = first.others.lock('x')
      expect(await isPending(taking)).toBe(true)
      release()
      ;(await within(SOON_MS, 'the lock', taking))()
    },
  },
  {
    name: 'who does not wait for a named lock any more does not get it',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as Three
      const release = await second.others.lock('x')
      const abort = new AbortController()
      const waiting = third.others.lock('x', abort.signal)
      expect(await isPending(waiting.catch(() => {}))).toBe(true)
      abort.abort(new Error('enough'))
      const outcome = waiting.then(
        () => 'the lock',
        (error: Error) => error.message,
      )
      expect(await within(SOON_MS, 'the end of waiting', outcome)).toBe('enough')
      const taking = first.others.lock('x')
      release()
      ;(await within(SOON_MS, 'the lock', taking))()
    },
  },
  {
    name: 'everybody who is there is told, and at most one of them holds the medium',
    async run(medium) {
      const writers = await writersOf(medium, 3)
      for (const writer of writers) {
        const peers = await writer.others.peers()
        expect(peers).toHaveLength(3)
        const owners = writers.filter((one) => one.others.isOwner)
        expect(owners.length).toBeLessThanOrEqual(1)
        expect(peers.filter(({ owner }) => owner)).toHaveLength(owners.length)
      }
    },
  },
  {
    name: 'the others go on when one closes, whichever it is, and keep what was acknowledged',
    async run(medium) {
      const writers = await writersOf(medium, 4)
      let n = 0
      while (writers.length > 1) {
        for (const writer of writers) {
          expect(await within(LATER_MS, 'a commit', commit(writer, { changes: [put(`k${n}`, `${n}`)] }))).toBe(true)
          n++
        }
        const [gone] = (writers as SharedEngine[]).splice(writers.length % 2 === 0 ? 0 : 1, 1)
        await within(LATER_MS, 'close', (gone as SharedEngine).close())
        for (const writer of writers) for (let k = 0; k < n; k++) expect(await valueAt(writer, `k${k}`)).toBe(`${k}`)
      }
    },
  },
]
