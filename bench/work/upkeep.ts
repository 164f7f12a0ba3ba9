import type { Store } from '../contenders/contender'
import { DUE_SECONDS, dueCount, nameOf } from '../data'
import { type MaybePromise, once } from '../measure'
import { type Bench, expectThat, LARGE, upToLarge, type Work } from './work'

const NOT_DUE_MS: number = (DUE_SECONDS - 1000) * 1000
const DUE_MS: number = DUE_SECONDS * 1000
const THOUSAND = 1000

/** Each of these is done once in a process, on a copy of the store, and takes what it takes. */
export const upkeep: readonly Work[] = [
  { ...sweep('sweep, 1 % due'), sizes: upToLarge },
  {
    ...sweep('sweep, 1,000 due'),
    variant: 'due',
    sizes: (asked) => asked.filter((size) => size === THOUSAND),
  },
  // In a store of these sizes, 1,000 of the secrets are due.
  { ...sweep('sweep, 1,000 due'), sizes: (asked) => asked.filter((size) => size > LARGE) },
  counterpart('rotate, a secret', async (store, { secrets }) => {
    await store.rotate?.()
    const found = await store.find(nameOf(1))
    if (!secrets.isPayload(found?.payload, 1)) throw new Error('rotate: expected the payload, got another')
  }),
  counterpart('verify, a secret', (store) => store.verify?.()),
]

/** What only some have anything like. */
function counterpart(name: string, act: (store: Store, bench: Bench) => MaybePromise<unknown>): Work {
  return {
    name,
    on: 'copy',
    sizes: upToLarge,
    maxRounds: 3,
    without: lacking(['sqlcipher', 'ours', 'ours-accelerated'], 'it has no such thing'),
    async run(bench) {
      const store = await bench.open()
      const outcome = await once(
        () => act(store, bench),
        () => {},
        bench.secrets.size,
      )
      await store.close()
      return outcome
    },
  }
}

function sweep(name: string): Omit<Work, 'sizes'> {
  return {
    name,
    on: 'copy',
    async run(bench) {
      let nowMs = NOT_DUE_MS
      const now = (): number => nowMs
      let store = await bench.open({ now })
      expectThat('sweep, nothing due', await store.sweep(nowMs / 1000), 0)
      nowMs = DUE_MS
      const due = dueCount(bench.secrets.size, bench.variant)
      const outcome = await once(
        () => store.sweep(nowMs / 1000),
        (swept) => expectThat('sweep', swept, due),
      )
      await store.close()
      // Gone, and not only hidden by the clock.
      nowMs = NOT_DUE_MS
      store = await bench.open({ now })
      expectThat('find, after the sweep', await store.find(nameOf(0)), undefined)
      if (bench.variant === 'plain') expectThat('find, after the sweep', (await store.find(nameOf(1)))?.name, nameOf(1))
      await store.close()
      return outcome
    },
  }
}

function lacking(having: readonly string[], reason: string) {
  return (contender: string): string | undefined => (having.includes(contender) ? undefined : reason)
}
