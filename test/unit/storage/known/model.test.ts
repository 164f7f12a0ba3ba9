import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Keyring } from '../../../../src/crypto/keyring'
import {
  account,
  type BatchOperation,
  type ListParams,
  type OpenOptions,
  type Scope,
  SecretStore,
  type SecretView,
  user,
} from '../../../../src/index'
import { partsOf } from '../../../../src/view'
import { Draws } from '../../../support/campaign'
import { atLength } from '../../../support/lengths'
import { newLocation, openStore, TestClock, testKey } from '../../../support/stores'

/** The first knows nothing: all others are to answer as it does. */
const BOUNDS = [0, 700, 1600, 2600, 4000, 20_000, undefined]
const SCOPES: readonly Scope[] = [account, user('usr_1'), user('usr_2')]
/** Some right behind one another. */
const NAMES = ['a', 'a\0', 'a\0\0', 'aa', 'b', 'b\0', 'c', 'ca', 'd', 'e', '\0', '|', '\u{e9}', '\u{ff5e}', '\u{1f600}']
const LARGE = 'L'.repeat(1500)

/** What a verb did, with ids in the order in which they were first met: they differ from store to store. */
class Answers {
  readonly #ids = new Map<string, string>()
  readonly #known: string[] = []

  of(value: unknown): unknown {
    return JSON.parse(
      JSON.stringify(value ?? null).replace(/appsecret_\w+/g, (id) => {
        if (!this.#ids.has(id)) {
          this.#ids.set(id, `id ${this.#ids.size}`)
          this.#known.push(id)
        }
        return this.#ids.get(id) as string
      }),
    )
  }

  /** The id that was met as the nth, in this store. */
  nth(n: number): string | undefined {
    return this.#known[n % Math.max(1, this.#known.length)]
  }
}

interface Side {
  readonly location: string | undefined
  readonly options: Partial<OpenOptions>
  readonly answers: Answers
  store: SecretStore
}

type Verb = (view: SecretView, answers: Answers) => unknown

async function outcome(work: () => unknown): Promise<unknown> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error: String(error) }
  }
}

async function outcomeOf({ store, answers }: Side, livemode: boolean, verb: Verb): Promise<unknown> {
  const view = livemode ? store.view({ livemode }) : store
  return answers.of(await outcome(() => verb(view, answers)))
}

async function walk(view: SecretView, params: ListParams): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const secret of view.list(params)) found.push(secret)
  return found
}

/** Several reads at once: one may find what another has let go of meanwhile. */
function drawReads(draws: Draws, clock: TestClock): Verb {
  const reads = Array.from({ length: 2 + draws.below(5) }, () => draw(draws, clock, READS))
  return (view, answers) => Promise.all(reads.map(async (read) => outcome(() => read(view, answers))))
}

const READS = 42

/** One draws thing to do, of those from `from` on. What it is to do with is drawn once, and done to every store. */
function draw(draws: Draws, clock: TestClock, from = 0): Verb {
  const target = { scope: draws.below(3) === 0 ? draws.pick(SCOPES) : account, name: draws.pick(NAMES) }
  const expand = draws.below(4) === 0 ? { expand: ['payload'] as const } : {}
  const setOf = (): { readonly payload: string; readonly expires_at: number | null } => ({
    payload: draws.below(4) === 0 ? `${LARGE}${draws.below(100)}` : `p${draws.below(100)}`,
    expires_at: draws.below(3) === 0 ? clock.seconds + 1 + draws.below(20) : null,
  })
  const operationOf = (): BatchOperation => {
    const place = { scope: draws.pick(SCOPES), name: draws.pick(NAMES) }
    return draws.below(3) === 0 ? { type: 'delete', ...place } : { type: 'set', ...place, ...setOf() }
  }
  const kind = from + draws.below(100 - from)
  if (kind < 22) {
    const set = { ...target, ...setOf(), ...expand }
    return (view) => view.set(set)
  }
  if (kind < 34) return (view) => view.delete({ ...target, ...expand })
  if (kind < 38) {
    const operations = Array.from({ length: draws.below(6) }, operationOf)
    return (view) => view.batch(operations)
  }
  if (kind < READS) {
    const operations = Array.from({ length: draws.below(6) }, operationOf)
    const start = (view: SecretView, operation: BatchOperation): Promise<unknown> => {
      const { type: _, ...params } = operation
      if (operation.type === 'delete') return view.delete(params as Parameters<SecretView['delete']>[0])
      return view.set(params as Parameters<SecretView['set']>[0])
    }
    return (view) => Promise.all(operations.map((operation) => start(view, operation)))
  }
  if (kind < 60)
    return draws.below(2) === 0 ? (view) => view.find({ ...target, ...expand }) : (view) => view.findSync(target)
  if (kind < 64) return (view) => view.get(target)
  const limit = 1 + draws.below(draws.below(2) === 0 ? 4 : 20)
  const nth = draws.below(1000)
  const direction = draws.pick(['starting_after', 'ending_before', undefined] as const)
  const payloads = draws.below(5) === 0 ? { expand: ['data.payload'] as const } : {}
  const list = (answers: Answers): ListParams => {
    const id = answers.nth(nth)
    return {
      scope: target.scope,
      ...payloads,
      ...(direction === undefined || id === undefined ? {} : { [direction]: id }),
    }
  }
  if (kind < 85) return (view, answers) => view.list({ ...list(answers), limit })
  return (view, answers) => walk(view, list(answers))
}

describe.each([
  { engine: 'memory', names: 'plain', steps: atLength(300, 1500) },
  { engine: 'memory', names: 'sealed', steps: atLength(200, 1000) },
  { engine: 'LevelDB', names: 'plain', steps: atLength(100, 700) },
  { engine: 'LevelDB', names: 'sealed', steps: atLength(80, 500) },
] as const)('stores over $engine with $names names', ({ engine, names, steps }) => {
  test.each([1, 2, 3])('answer alike, however much they may know, seed %i', async (seed) => {
    if (names === 'sealed') {
      // In the same order in every store.
      const hash = vi
        .spyOn(Keyring.prototype, 'nameHash')
        .mockImplementation((name) => Uint8Array.from(createHash('sha256').update(name).digest()))
      onTestFinished(() => hash.mockRestore())
    }
    const clock = new TestClock()
    const draws = new Draws(seed)
    const sides: Side[] = []
    for (const indexBytes of BOUNDS) {
      const options = { now: clock.now, names, ...(indexBytes === undefined ? {} : { indexBytes }) }
      const location = engine === 'memory' ? undefined : await newLocation()
      const store =
        location === undefined
          ? SecretStore.memory({ ...options, sweepIntervalMs: 0, compactIntervalMs: 0 })
          : await openStore(location, options)
      if (location === undefined) await store.addKey(testKey()) // without one there is neither backup nor new root
      sides.push({ location, options, answers: new Answers(), store })
    }
    for (let n = 0; n < steps; n++) {
      const kind = draws.below(100)
      const livemode = draws.below(8) === 0
      if (kind === 0) {
        const root = draws.below(2) === 0
        for (const { store } of sides) await store.rotate(root ? { root, keys: [testKey()] } : {})
      } else if (kind === 1) {
        for (const { store } of sides) await store.compact()
      } else if (kind === 2) {
        const counts = []
        for (const { store } of sides) {
          const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
          counts.push((await store.backup(sink)).records)
        }
        expect(new Set(counts).size).toBe(1)
      } else if (kind < 6) {
        const counts = []
        for (const { store } of sides) counts.push(await store.sweep())
        expect(new Set(counts).size).toBe(1)
      } else if (kind < 12) {
        clock.advanceSeconds(draws.below(5))
      } else if (kind === 12 && engine === 'LevelDB') {
        for (const side of sides) {
          await side.store.close()
          side.store = await openStore(side.location as string, side.options)
        }
      } else {
        const verb = draws.below(6) === 0 ? drawReads(draws, clock) : draw(draws, clock)
        const [expected, ...others] = await Promise.all(sides.map((side) => outcomeOf(side, livemode, verb)))
        for (const other of others) expect(other).toEqual(expected)
      }
      // A read that meets something expired sets a deletion going; this waits for it, before the clock can move.
      for (const { store } of sides) await store.checkpoint()
    }
    for (const { store, options } of sides) {
      expect(partsOf(store)?.context.known.bytes).toBeLessThanOrEqual(
        (options.indexBytes ?? Number.POSITIVE_INFINITY) + 1000,
      )
      expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
      await store.close()
    }
  })
})
