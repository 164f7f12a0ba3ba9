import type { Listed, Page, Store } from '../contenders/contender'
import { nameOf } from '../data'
import { type Calls, type MaybePromise, reopened, steady } from '../measure'
import { anySize, type Bench, expectThat, upToLarge, type Work, withStore } from './work'

/** How many different pages are read again and again. */
const KNOWN_PAGES = 4
/** How many different pages are read after openings. */
const NEW_PAGES = 64
/** Where the deep pages are. */
const DEPTH = 0.9

/** A page begins behind the secret at `after`. */
interface Place {
  readonly after: number
  readonly cursor: Listed | undefined
}

interface Walked {
  count: number
  last: string
}

export const listing: readonly Work[] = [
  ...[10, 100].flatMap((limit) => [pages(limit, false), pages(limit, true)].flat()),
  {
    name: 'walk everything, a secret',
    on: 'prepared',
    sizes: upToLarge,
    run: (bench) => withStore(bench, (store) => steady(walks(bench, store), bench.budget)),
  },
  {
    name: 'walk everything, a secret, just opened',
    on: 'prepared',
    sizes: upToLarge,
    run: (bench) =>
      reopened(
        () => bench.open(),
        (store) => walks(bench, store),
        bench.budget,
      ),
  },
]

function walks({ secrets: { size } }: Bench, store: Store): Calls<undefined, Walked> {
  const act = async (): Promise<Walked> => {
    const walked = { count: 0, last: '' }
    await store.walk(({ name }) => {
      walked.count++
      walked.last = name
    })
    return walked
  }
  const check = ({ count, last }: Walked): void => {
    expectThat('walk', count, size)
    expectThat('walk', last, nameOf(size - 1))
  }
  return { next: () => undefined, act, check, chunk: 1, operations: size }
}

/** Warm: the same few pages again and again. Just opened: the first thing after an opening, other pages each time. */
function pages(limit: number, deep: boolean): Work[] {
  const where = deep ? `at ${DEPTH * 100} %` : 'at the start'
  const shared = { on: 'prepared', sizes: anySize } as const
  return [
    {
      ...shared,
      name: `page of ${limit} ${where}, warm`,
      run: async (bench) => {
        const places = await placesOf(bench, limit, deep ? KNOWN_PAGES : 0)
        return withStore(bench, (store) => steady(calls(bench, store, limit, places, 16), bench.budget))
      },
    },
    {
      ...shared,
      name: `page of ${limit} ${where}, just opened`,
      run: async (bench) => {
        const places = await placesOf(bench, limit, deep ? NEW_PAGES : 0)
        return reopened(
          () => bench.open(),
          (store) => calls(bench, store, limit, places, 1),
          bench.budget,
        )
      },
    },
  ]
}

/** @param count - 0 for the first page alone. */
async function placesOf(bench: Bench, limit: number, count: number): Promise<Place[]> {
  const { size } = bench.secrets
  if (count === 0) return [{ after: -1, cursor: undefined }]
  const store = await bench.open()
  const places: Place[] = []
  for (let turn = 0; turn < count; turn++) {
    const after = Math.floor(size * DEPTH) - 2 - ((turn * limit) % Math.ceil(size / 20))
    places.push({ after, cursor: await store.findBare(nameOf(after)) })
  }
  await store.close()
  return places
}

let placesTaken = 0

function calls(bench: Bench, store: Store, limit: number, places: Place[], chunk: number): Calls<Place, Page> {
  return {
    next: () => places[placesTaken++ % places.length] as Place,
    act: ({ cursor }): MaybePromise<Page> => store.page(limit, cursor),
    check: ({ rows, hasMore }, { after }) => {
      expectThat('page', rows.length, Math.min(limit, bench.secrets.size - after - 1))
      if (rows[0]?.name !== nameOf(after + 1) || rows.at(-1)?.name !== nameOf(after + rows.length) || !hasMore) {
        throw new Error(`page: expected the ${limit} behind ${nameOf(after)}, got others`)
      }
    },
    chunk,
  }
}
