import type { Store } from '../contenders/contender'
import { type Secret, shuffled } from '../data'
import { type Calls, type MaybePromise, type Outcome, steady } from '../measure'
import { type Bench, upToLarge, type Work } from './work'

const AT_ONCE = 64
const BATCH = 1000
/** A measurement uses fewer salts than this. 0 is that of what is there. */
const SALTS_A_TURN: number = 36 ** 4

/** The cost is that of one set, among so many that go together. */
interface Kind {
  readonly together: number
  readonly isNew?: true
  act(store: Store, secrets: readonly Secret[]): MaybePromise<unknown>
}

const alone = (store: Store, [secret]: readonly Secret[]): MaybePromise<unknown> => store.set(secret as Secret)
const atOnce = (store: Store, secrets: readonly Secret[]): MaybePromise<unknown> => store.setAtOnce(secrets)
const batch = (store: Store, secrets: readonly Secret[]): MaybePromise<unknown> => store.batch(secrets)

export const writing: readonly Work[] = [
  sets('set, replacing', { together: 1, act: alone }),
  sets('set, new', { together: 1, act: alone, isNew: true }),
  sets(`${AT_ONCE} sets at once, replacing`, { together: AT_ONCE, act: atOnce }),
  sets(`${AT_ONCE} sets at once, new`, { together: AT_ONCE, act: atOnce, isNew: true }),
  sets(`batch of ${BATCH}, replacing`, { together: BATCH, act: batch }),
]

function sets(name: string, kind: Kind): Work {
  const run = (bench: Bench): Promise<Outcome> => setOverAndOver(bench, kind)
  return { name, on: 'copy', sizes: upToLarge, run, floor: run }
}

async function setOverAndOver(bench: Bench, { together, isNew, act }: Kind): Promise<Outcome> {
  const { size } = bench.secrets
  const store = await bench.open()
  const order = shuffled(size, bench.random)
  let turn = 0
  let last: Secret | undefined
  const another = (): Secret => {
    const index = order[turn++ % size] as number
    const salt = bench.turn * SALTS_A_TURN + turn
    return bench.secrets.secret(index, salt, isNew ? `-${salt.toString(36)}` : '')
  }
  const calls: Calls<readonly Secret[], unknown> = {
    next: () => Array.from({ length: together }, another),
    act: (secrets) => {
      last = secrets.at(-1)
      return act(store, secrets)
    },
    check: () => {},
    chunk: together === 1 ? 32 : 1,
    operations: together,
  }
  const outcome = await steady(calls, bench.budget)
  if (store.getRow === undefined && last !== undefined) {
    const found = await store.find(last.name)
    if (found?.payload !== last.payload) throw new Error(`${last.name}: expected what was set last, got other`)
  }
  await store.close()
  return outcome
}
