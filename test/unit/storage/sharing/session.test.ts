import { account } from 'app-secret-store'
import { describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../../src/base/bytes'
import { sinceBootMs } from '../../../../src/platform/since-boot'
import type { Row } from '../../../../src/storage/engine'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { MemoryEngine } from '../../../../src/storage/memory-engine'
import { deleteOldSessions, encodeSession, Session } from '../../../../src/storage/sharing/session'
import { interceptWrites } from '../../../support/engine-writes'
import { editRows } from '../../../support/raw-rows'
import { newLocation, openStore } from '../../../support/stores'

const head: Row = { key: HEAD_ROW, value: utf8('head') }
const keyOf = (n: number): Uint8Array => concat(utf8('s'), new Uint8Array(16).fill(n))
/** The session of a writer whose last commit was so long ago. */
const aged = (n: number, ms: number): Row => ({
  key: keyOf(n),
  value: encodeSession(Math.max(0, sinceBootMs() - ms), utf8(`head ${n}`)),
})
const keysIn = async (engine: MemoryEngine): Promise<number[]> =>
  (await engine.scanKeys({ gte: utf8('s'), lt: utf8('t'), limit: 10_000 })).map((key) => key[1] as number)

describe('sessions', () => {
  test('go once their writers cannot ask for them any more, and no earlier', async () => {
    const other = { key: concat(utf8('s'), utf8('x')), value: utf8('of no writer') }
    const engine = new MemoryEngine([
      head,
      aged(1, 0),
      aged(2, 110_000),
      aged(3, 121_000),
      aged(4, 10_000_000),
      // The clock of another runtime tells whole seconds; that of another boot anything.
      aged(5, -1000),
      aged(6, -100_000),
      { key: keyOf(7), value: utf8('of another version') },
      other,
    ])
    const writes = interceptWrites(engine, async (changes, write) => {
      expect(changes.at(-1)).toEqual({ type: 'put', ...head })
      return write()
    })
    await deleteOldSessions(engine)
    expect(await keysIn(engine)).toEqual([1, 2, 5, other.key[1]])
    expect(engine.getSync(HEAD_ROW)).toEqual(head.value)
    await deleteOldSessions(engine)
    expect(writes.count).toBe(1)
  })

  test('go though there are more of them than are read at once', async () => {
    const value = utf8('old')
    const key = (n: number): Uint8Array => concat(utf8('s'), new Uint8Array(14), Uint8Array.of(n >> 8, n & 255))
    const engine = new MemoryEngine([head, ...Array.from({ length: 2500 }, (_, n) => ({ key: key(n), value }))])
    await deleteOldSessions(engine)
    expect(await keysIn(engine)).toEqual([])
  })

  test('are settled by for a minute', () => {
    let nowMs = 1000
    const session = new Session(() => nowMs)
    const row = session.row(utf8('head'))
    expect(row.key).not.toEqual(new Session().key)
    nowMs += 59_999
    expect(session.maySettle(row)).toBe(true)
    nowMs++
    expect(session.maySettle(row)).toBe(false)
  })

  test.each([false, true])('of writers that have gone leave the files with a compaction, shared %s', async (shared) => {
    const location = await newLocation()
    const options = { shared: true }
    const first = await openStore(location, options)
    await first.set({ scope: account, name: 'n', payload: 'p' })
    await first.close()
    const sessions = (): Promise<Uint8Array[]> =>
      editRows(location, async (database) => database.keys({ gte: utf8('s'), lt: utf8('t') }).all())
    const compacted = async (): Promise<number> => {
      const store = await openStore(location, { shared })
      await store.compact()
      expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
      expect(await store.get({ scope: account, name: 'n' })).toBe('p')
      await store.close()
      return (await sessions()).length
    }
    // A compaction with others is a commit, too, if something was deleted or replaced; here there was nothing.
    expect(await compacted()).toBe(1)
    await editRows(location, async (database) => {
      for (const key of await database.keys({ gte: utf8('s'), lt: utf8('t') }).all()) {
        await database.put(key, encodeSession(Math.max(0, sinceBootMs() - 121_000), utf8('head')))
      }
      // LevelDB's last write is to be a head, as in every commit.
      await database.put(HEAD_ROW, (await database.get(HEAD_ROW)) as Uint8Array)
    })
    expect(await compacted()).toBe(0)
  })
})
