import { expect, vi } from 'vitest'
import type { ForeignCommit } from '../../../src/storage/other-writers'
import {
  bytes,
  type Check,
  commit,
  commitInTheEnd,
  headOf,
  LATER_MS,
  newHead,
  put,
  type SharedEngine,
  text,
  valueAt,
  within,
  writersOf,
} from './medium'

const heardBy = (writer: SharedEngine): ForeignCommit[] => {
  const heard: ForeignCommit[] = []
  writer.others.onCommit((one) => heard.push(one))
  return heard
}
/** What may have been committed before somebody listened is one gap. */
const withoutFirstGap = (heard: readonly ForeignCommit[]): readonly ForeignCommit[] =>
  heard.filter(({ note }, n) => n > 0 || note !== undefined)
const headsOf = (heard: readonly ForeignCommit[]): (string | undefined)[] => heard.map(({ head }) => text(head))

/** Of engines of several writers: what each hears of the others, and of the end of its own commits. */
export const FEED_CHECKS: readonly Check[] = [
  {
    name: 'each commit of the others is told once, in their order, with note and keyring.json',
    async run(medium) {
      const writers = await writersOf(medium, 3)
      await commit(writers[0] as SharedEngine, { changes: [] })
      // All have heard of it by then.
      for (const writer of writers) (await writer.others.turn())()
      const all = writers.map(heardBy)
      const made: { by: number; head: string; note: string; keyring: Uint8Array | undefined }[] = []
      for (let round = 0; round < 24; round++) {
        await Promise.all(
          writers.map(async (writer, by) => {
            const [head, note] = [newHead(), `note ${round} ${by}`]
            const keyring = round % 8 === 7 && by === round % 3 ? await medium.nextKeyring() : undefined
            const more = keyring === undefined ? {} : { keyring }
            const changes = [put(`k${by}`, `${round}`)]
            expect(await commit(writer, { changes, head, note: bytes(note), ...more })).toBe(true)
            made.push({ by, head: `${text(head)}`, note, keyring })
          }),
        )
      }
      for (const writer of writers) (await writer.others.turn())()
      const heard = all.map(withoutFirstGap)
      const order = headsOf(heard[0] as ForeignCommit[])
      expect(made.filter(({ by }) => by === 0).some(({ head }) => order.includes(head))).toBe(false)
      for (const [n, told] of heard.entries()) {
        const ofOthers = made.filter(({ by }) => by !== n)
        expect([...headsOf(told)].toSorted()).toEqual(ofOthers.map(({ head }) => head).toSorted())
        for (const { head, note, keyring } of told) {
          const one = ofOthers.find((other) => other.head === text(head))
          expect([text(note), keyring]).toEqual([one?.note, one?.keyring])
        }
      }
      // What two have heard, both have heard in one order.
      for (const [one, other] of [
        [0, 1],
        [1, 2],
        [0, 2],
      ] as const) {
        const [left, right] = [heard[one], heard[other]].map((told) => headsOf(told as ForeignCommit[]))
        const both = (left as string[]).filter((head) => right?.includes(head))
        expect(right?.filter((head) => both.includes(`${head}`))).toEqual(both)
      }
      // And a writer's own come in the order in which it made them.
      const [second] = writers.slice(1)
      expect(second).toBeDefined()
      const own = made.filter(({ by }) => by === 1).map(({ head }) => head)
      expect(order.filter((head) => own.includes(`${head}`))).toEqual(own)
    },
  },
  {
    name: 'after the loss of the first writer the others hear on: no commit twice, and of the last one in any case',
    async run(medium) {
      const [first, second, third] = (await writersOf(medium, 3)) as [SharedEngine, SharedEngine, SharedEngine]
      await commit(first, { changes: [put('k', '0')] })
      for (const writer of [second, third]) (await writer.others.turn())()
      const heard = heardBy(third)
      for (let n = 1; n < 10; n++) {
        if (n === 5) await within(LATER_MS, 'the loss', medium.faults?.loseFirst() ?? Promise.resolve())
        await within(LATER_MS, 'a commit', commitInTheEnd(second, { changes: [put('k', `${n}`)] }))
      }
      ;(await within(LATER_MS, 'a turn', third.others.turn()))()
      const newest = text(await headOf(second))
      await vi.waitFor(() => expect(headsOf(heard).at(-1)).toBe(newest), { timeout: LATER_MS })
      const told = headsOf(heard.filter(({ note }) => note !== undefined))
      expect(new Set(told).size).toBe(told.length)
      expect(await valueAt(third, 'k')).toBe('9')
    },
  },
  ...(['written', 'not written'] as const).flatMap((when): Check[] => [
    {
      name: `a commit that was ${when} when its answer was lost takes effect once, and its writer is told the truth`,
      async run(medium) {
        const [, second, third] = (await writersOf(medium, 3)) as [SharedEngine, SharedEngine, SharedEngine]
        await commit(second, { changes: [put('k', 'before')] })
        const head = newHead()
        const pass = await second.others.turn()
        pass()
        medium.faults?.loseNextAnswer(when)
        const isWritten = await within(LATER_MS, 'its outcome', commit(second, { changes: [put('k', 'own')], head }))
        expect(isWritten).toBe(true)
        expect([await valueAt(third, 'k'), text(await headOf(third))]).toEqual(['own', text(head)])
        expect(await commit(third, { changes: [put('k', 'after')] })).toBe(true)
        expect(await valueAt(second, 'k')).toBe('after')
      },
    },
    {
      name: `the same, ${when}, where others write meanwhile: nothing of theirs is undone`,
      async run(medium) {
        const [, second, third] = (await writersOf(medium, 3)) as [SharedEngine, SharedEngine, SharedEngine]
        await commit(second, { changes: [put('k', 'before')] })
        medium.faults?.loseNextAnswer(when)
        const own = commit(second, { changes: [put('k', 'own'), put('own', 'written')] })
        const order: string[] = []
        const others = (async () => {
          // As soon as it may have been lost.
          if (when === 'written') while ((await valueAt(third, 'k')) === 'before') await Promise.resolve()
          for (let n = 0; n < 5; n++) {
            const value = (): Promise<string | undefined> => valueAt(third, 'k')
            await commitInTheEnd(third, { changes: [put('k', `other ${n}`), put(`other ${n}`, 'written')] })
            order.push(`${await value()}`)
          }
        })()
        const [isWritten] = await within(LATER_MS, 'its outcome', Promise.all([own, others]))
        expect((await valueAt(third, 'own')) === 'written').toBe(isWritten)
        if (when === 'written') {
          expect(isWritten).toBe(true)
          expect(order).toEqual(Array.from({ length: 5 }, (_, n) => `other ${n}`))
          expect(await valueAt(second, 'k')).toBe('other 4')
        }
        for (let n = 0; n < 5; n++) expect(await valueAt(second, `other ${n}`)).toBe('written')
      },
    },
  ]),
]
