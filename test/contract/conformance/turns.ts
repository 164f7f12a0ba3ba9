import { expect, vi } from 'vitest'
import { TURN_MS } from '../../../src/storage/sharing/turns'
import {
  bytes,
  type Check,
  commit,
  headOf,
  isPending,
  LATER_MS,
  newHead,
  pause,
  put,
  type SharedEngine,
  SOON_MS,
  valueAt,
  within,
  write,
  writersOf,
} from './medium'

type Three = [SharedEngine, SharedEngine, SharedEngine]
const DAY_MS = 86_400_000

/** Of engines of several writers: whose turn it is, and for how long. */
export const TURN_CHECKS: readonly Check[] = [
  {
    name: 'turns are given one at a time, in the order of asking',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as Three
      const pass = await first.others.turn()
      const order: string[] = []
      const taken = async (writer: SharedEngine, name: string): Promise<() => void> => {
        const free = await writer.others.turn()
        order.push(name)
        return free
      }
      const taking = taken(second, 'second')
      await pause(50)
      const takingToo = taken(third, 'third')
      expect(await isPending(taking)).toBe(true)
      pass()
      const passSecond = await within(SOON_MS, 'the next turn', taking)
      expect(await isPending(takingToo)).toBe(true)
      passSecond()
      ;(await within(SOON_MS, 'the turn after it', takingToo))()
      expect(order).toEqual(['second', 'third'])
    },
  },
  {
    name: 'at a turn the newest head is read, and every commit before it has been told',
    async run(medium) {
      const writers = (await writersOf(medium, 3)) as Three
      await commit(writers[0], { changes: [] })
      const heard = writers.map(() => [] as string[])
      for (const [n, writer] of writers.entries())
        writer.others.onCommit(({ head }) => heard[n]?.push(`${new TextDecoder().decode(head)}`))
      for (let round = 0; round < 30; round++) {
        const [writer, reader] = [writers[round % 3], writers[(round + 1) % 3]] as [SharedEngine, SharedEngine]
        const head = newHead()
        await commit(writer, { changes: [put('k', `${round}`)], head })
        const pass = await reader.others.turn()
        expect(await headOf(reader)).toEqual(head)
        expect(heard[(round + 1) % 3]?.at(-1)).toBe(new TextDecoder().decode(head))
        pass()
      }
    },
  },
  {
    name: 'a commit ends its turn, written or refused',
    async run(medium) {
      const writers = (await writersOf(medium, 3)) as Three
      for (const [writer, other] of [writers, [writers[1], writers[2]]] as [SharedEngine, SharedEngine][]) {
        for (const expectedHead of [await headOf(writer), bytes('another')]) {
          await writer.others.turn()
          expect(await write(writer, { changes: [put('k', '1')], expectedHead })).toBe(expectedHead?.length !== 7)
          ;(await within(SOON_MS, 'the turn after a commit', other.others.turn()))()
        }
      }
    },
  },
  {
    name: 'a turn that was given back, or was never taken, writes nothing',
    async run(medium) {
      const [first, second] = (await writersOf(medium, 2)) as Three
      for (const writer of [first, second]) {
        const expectedHead = await headOf(writer)
        ;(await writer.others.turn())()
        expect(await write(writer, { changes: [put('k', 'late')], expectedHead })).toBe(false)
        expect(await valueAt(first, 'k')).toBeUndefined()
      }
    },
  },
  {
    name: 'a turn ends with its writer',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as Three
      await second.others.turn()
      await second.close()
      ;(await within(SOON_MS, 'the turn of one that is gone', third.others.turn()))()
      await first.others.turn()
      await first.close()
      ;(await within(LATER_MS, 'the turn of the first one, which is gone', third.others.turn()))()
      expect(await commit(third, { changes: [put('k', 'on')] })).toBe(true)
    },
  },
  {
    name: 'a turn ends by time, whoever has it, and what was planned in it is not written',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as Three
      for (const stopped of [first, second]) {
        const expectedHead = await headOf(stopped)
        const pass = await stopped.others.turn()
        const taking = third.others.turn()
        ;(await within(2 * TURN_MS + SOON_MS, 'the turn of one that is stopped', taking))()
        expect(await write(stopped, { changes: [put('k', 'late')], expectedHead })).toBe(false)
        pass()
        expect(await valueAt(third, 'k')).toBeUndefined()
      }
    },
  },
  {
    name: 'the time of a turn is nobody’s to set',
    async run(medium) {
      const [, second, third] = (await writersOf(medium, 3)) as Three
      const expectedHead = await headOf(second)
      const pass = await second.others.turn()
      const taking = third.others.turn()
      const real = Date.now
      const clock = vi.spyOn(Date, 'now').mockImplementation(() => real() + DAY_MS)
      try {
        expect(await isPending(taking, 300)).toBe(true)
        expect(await write(second, { changes: [put('k', 'in time')], expectedHead })).toBe(true)
        ;(await within(SOON_MS, 'the next turn', taking))()
      } finally {
        clock.mockRestore()
        pass()
      }
    },
  },
]
