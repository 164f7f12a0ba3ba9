import { expect, test, vi } from 'vitest'
import { concat, equal, utf8 } from '../../../src/base/bytes'
import { ROW } from '../../../src/format/constants'
import { account, type Scope, SecretStore, user } from '../../../src/index'
import type { Change, Engine } from '../../../src/storage/engine'
import { expiryPrefix, HEAD_ROW, idRow } from '../../../src/storage/keyspace'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { campaign, times } from '../../support/campaign'
import { writeTo } from '../../support/engine-writes'
import { TestClock } from '../../support/stores'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, isCoded, isUsage, REFUSED } from './fuzz'

const FILE = 'campaigns/fuzz/hints.test.ts'

const TARGETS: readonly { readonly scope: Scope; readonly name: string; readonly payload: string }[] = [
  { scope: account, name: 'inline', payload: 'one' },
  { scope: account, name: 'large', payload: 'l'.repeat(1100) },
  { scope: account, name: 'second', payload: 'two' },
  { scope: user('usr_1'), name: 'inline', payload: 'of a user' },
]

/** A store in memory, and the engine below it, into which others can write. */
async function storeAndEngine(): Promise<{ store: SecretStore; engine: Engine; ids: string[]; clock: TestClock }> {
  const spy = vi.spyOn(MemoryEngine.prototype, 'batch')
  const clock = new TestClock()
  // Nothing is known without its row.
  const store = SecretStore.memory({ now: clock.now, sweepIntervalMs: 0, compactIntervalMs: 0, indexBytes: 0 })
  const ids: string[] = []
  for (const target of TARGETS) {
    const { id } = await store.set({ ...target, expires_at: target.name === 'second' ? clock.seconds + 1000 : null })
    ids.push(id)
  }
  const engine = spy.mock.contexts[0] as unknown as Engine
  spy.mockRestore()
  return { store, engine, ids, clock }
}

/** Writes a row beside the store's back. */
async function write(engine: Engine, change: Change): Promise<void> {
  await writeTo(engine, [change], await engine.get(HEAD_ROW))
}

async function codeless(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (isCoded(error) || isUsage(error)) return undefined
    throw error
  }
}

test('wherever a cursor or a hint leads, a page is right or refused, and no secret is another', async () => {
  const { store, engine, ids, clock } = await storeAndEngine()
  const rows = await engine.scan({ gte: Uint8Array.of(), lt: Uint8Array.of(0xff), limit: 100 })
  const keys = rows.map(({ key }) => key)
  const expiry = expiryPrefix(clock.seconds)
  const names = new Map(TARGETS.map((target) => [`${JSON.stringify(target.scope)}${target.name}`, target.payload]))

  /** An input is a hint: the first byte says of which sort, and what it leads to stands behind it. */
  const decoder: Decoder = {
    name: 'hint that leads astray',
    seeds: [0, 1, 2, 3].flatMap((sort) => keys.map((key) => concat(Uint8Array.of(sort), key))),
    words: [
      ...keys,
      ...ids.map(utf8),
      ...[[ROW.head], [ROW.record], [ROW.payload]].map((bytes) => Uint8Array.from(bytes)),
    ],
    refuses: () => false,
    decode: async (input) => {
      const [sort = 0] = input
      const value = input.slice(1)
      const id = ids[sort % ids.length] as string
      const key = sort % 8 < 4 ? idRow(id) : concat(expiry, utf8(id))
      const before = await engine.get(key)
      await write(engine, { type: 'put', key, value })
      try {
        await lookAround(id, before !== undefined && equal(before, value))
      } finally {
        await write(engine, before === undefined ? { type: 'del', key } : { type: 'put', key, value: before })
      }
    },
  }

  /** @param isSound - Whether the hint is what it should be. */
  async function lookAround(id: string, isSound: boolean): Promise<void> {
    for (const scope of [account, user('usr_1')]) {
      for (const cursor of [{ starting_after: id }, { ending_before: id }]) {
        const page = await codeless(() => store.list({ scope, limit: 2, expand: ['data.payload'], ...cursor }))
        for (const { name, payload } of (page as { data: { name: string; payload: string }[] } | undefined)?.data ??
          []) {
          const expected = names.get(`${JSON.stringify(scope)}${name}`)
          expectThat(payload === expected, `expected the payload of '${name}', got another`)
        }
      }
    }
    await codeless(() => store.sweep())
    for (const { scope, name, payload } of TARGETS) {
      expectThat((await store.get({ scope, name })) === payload, `expected '${name}' as it was set, got something else`)
    }
    const { ok } = await store.verify()
    expectThat(ok === isSound, `expected verify to say ${isSound}, got ${ok}`)
  }

  const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(300, 20_000)))
  tell(decoder.name, figures)
  expect(await store.verify()).toMatchObject({ ok: true, records: TARGETS.length })
  await store.close()
})

test('whatever is given as a cursor, it is a page of the scope or refused', async () => {
  const { store, ids } = await storeAndEngine()
  const texts = ids.map(utf8)
  const decoder: Decoder = {
    name: 'cursor',
    seeds: texts,
    words: [...texts, ...['i', 'x', 'appsecret_', '|', '%', '\ufeff'].map(utf8)],
    refuses: (error) => isCoded(error, 'ERR_CURSOR') || isUsage(error),
    decode: async (input) => {
      const text = input.length % 2 === 0 ? Buffer.from(input).toString('utf8') : fromUtf16(input)
      const { data } = await store.list({ scope: account, starting_after: text })
      expectThat(ids.includes(text), 'expected no page after what is no id, got one')
      expectThat(
        data.every(({ id }) => ids.includes(id)),
        'expected secrets of the store, got others',
      )
      return data.length === 0 ? REFUSED : undefined
    },
  }
  const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(3000, 300_000)))
  tell(decoder.name, figures)
  expect(figures.refused).toBeGreaterThan(0)
  await store.close()
})

/** Lone surrogates are among it. */
function fromUtf16(input: Uint8Array): string {
  return Buffer.from(input).toString('utf16le')
}
