import type { Listed, Store } from '../contenders/contender'
import { nameOf, type Secrets, shuffled } from '../data'
import { type Calls, type MaybePromise, type Outcome, reopened, steady } from '../measure'
import { anySize, type Bench, expectThat, upToLarge, type Work, withStore } from './work'

interface Target {
  readonly index: number
  readonly name: string
}

/** Between two looks at the clock; after an opening, all of them of different names. */
const CHUNK = 256
const NEW_NAMES = 1000
/** How many names are met again and again. */
const KNOWN_NAMES = 500
/** What a store of larger payloads holds in all. */
const LARGE_STORE_BYTES: number = 32 * 1024 * 1024
const INLINE_BYTES = 1024

const target = (index: number): Target => ({ index, name: nameOf(index) })

export const reading: readonly Work[] = [
  { ...finding('find, 256 B', { payloadBytes: 256 }), floor: gettingRows },
  finding('find, 64 B', { payloadBytes: 64 }),
  finding('find, 4 KiB', { payloadBytes: 4096 }),
  finding('find, 64 KiB', { payloadBytes: 65_536 }),
  finding('find, 1 MiB', { payloadBytes: 1_048_576 }),
  {
    name: 'find, 256 B, just opened',
    on: 'prepared',
    sizes: anySize,
    run: (bench) => justOpened(bench, (store) => ({ act: ({ name }) => store.find(name), check: checkFound(bench) })),
  },
  {
    name: 'find without payload, warm',
    on: 'prepared',
    sizes: anySize,
    run: (bench) =>
      withStore(bench, (store) => {
        const count = Math.min(KNOWN_NAMES, bench.secrets.size / 2)
        const known = Array.from(shuffled(bench.secrets.size, bench.random).subarray(0, count), target)
        const next = (): Target => known[Math.floor(bench.random() * count)] as Target
        const act = ({ name }: Target): MaybePromise<Listed | undefined> => store.findBare(name)
        return steady({ next, act, check: checkListed, chunk: CHUNK }, bench.budget)
      }),
  },
  {
    name: 'find without payload, just opened',
    on: 'prepared',
    sizes: anySize,
    run: (bench) => justOpened(bench, (store) => ({ act: ({ name }) => store.findBare(name), check: checkListed })),
  },
  {
    name: 'get, 256 B',
    on: 'prepared',
    sizes: upToLarge,
    run: (bench) =>
      warm(bench, (store) => ({ act: ({ name }) => store.get(name), check: checkPayload(bench.secrets) })),
  },
  {
    name: 'getSync, 256 B',
    on: 'prepared',
    sizes: upToLarge,
    without: (contender) => (contender === 'matrixai' ? 'it has no synchronous reads' : undefined),
    run: (bench) =>
      warm(bench, (store) => {
        const { getSync } = store
        if (getSync === undefined) throw new Error('getSync: expected one, got none')
        return { act: ({ name }) => getSync(name), check: checkPayload(bench.secrets) }
      }),
  },
]

/** Random names of the whole store, all of which may have been met. */
function finding(name: string, { payloadBytes }: { readonly payloadBytes: number }): Work {
  const most = Math.floor(LARGE_STORE_BYTES / payloadBytes)
  return {
    name,
    payloadBytes,
    on: 'prepared',
    sizes: (asked) => {
      if (payloadBytes <= INLINE_BYTES) return payloadBytes === 256 ? asked : upToLarge(asked)
      // One store holding a fixed amount.
      return asked.length === 0 ? [] : [Math.min(most, Math.max(...asked), Math.max(...upToLarge(asked), 1000))]
    },
    run: (bench) => warm(bench, (store) => ({ act: ({ name }) => store.find(name), check: checkFound(bench) })),
  }
}

/** `getSync` of the row, not of what is in it. */
function gettingRows(bench: Bench): Promise<Outcome> {
  return warm(bench, ({ getRow }) => {
    if (getRow === undefined) throw new Error('floor: expected rows, got a store')
    const check = (row: Uint8Array | undefined): void => {
      if (row === undefined || row.length === 0) throw new Error('floor: expected a row, got none')
    }
    return { act: ({ name }) => getRow(name), check }
  })
}

type Reading<Answer> = Pick<Calls<Target, Answer>, 'act' | 'check'>

function warm<Answer>(bench: Bench, read: (store: Store) => Reading<Answer>): Promise<Outcome> {
  const { size, payloadBytes } = bench.secrets
  const next = (): Target => target(Math.floor(bench.random() * size))
  const chunk = Math.max(4, Math.min(CHUNK, Math.floor((CHUNK * 1024) / payloadBytes)))
  return withStore(bench, (store) => steady({ ...read(store), next, chunk }, bench.budget))
}

function justOpened<Answer>(bench: Bench, read: (store: Store) => Reading<Answer>): Promise<Outcome> {
  const { size } = bench.secrets
  const order = shuffled(size, bench.random)
  let turn = 0
  const next = (): Target => target(order[turn++ % size] as number)
  const chunk = Math.min(NEW_NAMES, size / 2)
  return reopened(
    () => bench.open(),
    (store) => ({ ...read(store), next, chunk }),
    bench.budget,
  )
}

function checkFound({ secrets }: Bench) {
  return (found: (Listed & { payload: string }) | undefined, { index, name }: Target): void => {
    if (found?.name !== name) expectThat('find', found?.name, name)
    if (!secrets.isPayload(found?.payload, index)) throw new Error(`${name}: expected its payload, got another`)
  }
}

function checkListed(found: Listed | undefined, { name }: Target): void {
  if (found?.name !== name || found.id.length < 34) throw new Error(`${name}: expected it, got ${found?.name}`)
}

function checkPayload(secrets: Secrets) {
  return (payload: string | undefined, { index, name }: Target): void => {
    if (!secrets.isPayload(payload, index)) throw new Error(`${name}: expected its payload, got another`)
  }
}
