/** Uses a store in every way there is, over and over until it is killed. Says after each step what it has done. */
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { account, type NameMode, rawKey, SecretStore, user } from '../../../src/index'

/** What must not come to light, and where it is put. */
export interface Workplace {
  /** All that is made is made in it; the store is `secrets`. */
  readonly directory: string
  readonly mode: NameMode
  readonly names: readonly string[]
  readonly users: readonly string[]
  readonly accounts: readonly string[]
  readonly payloads: readonly string[]
}

const FIRST_KEY = rawKey(new Uint8Array(32).fill(7))
const OTHER_KEY = rawKey(new Uint8Array(32).fill(8), { label: 'other' })
const DAY_SECONDS = 86_400
/** Some go beyond what stands in a record's own row, and one beyond blocks of LevelDB's log and a chunk of a backup. */
const REPETITIONS = [1, 1, 20, 60, 60, 3000]

export function openPlace({ directory, mode }: Workplace, nowMs: number = Date.now()): Promise<SecretStore> {
  return SecretStore.open(join(directory, 'secrets'), {
    key: FIRST_KEY,
    names: mode,
    now: () => nowMs,
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
}

/** One round of work. The store that an earlier one left is taken up. @returns After each step, its name. */
export async function* work(place: Workplace): AsyncGenerator<string, void> {
  const { directory, names, users, accounts, payloads } = place
  const startMs = Date.now()
  const expires_at = Math.floor(startMs / 1000) + DAY_SECONDS
  const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)] as T
  const scopes = [account, ...users.map((id) => user(id))]
  const payload = (): string => pick(payloads).repeat(pick(REPETITIONS))
  let store = await openPlace(place, startMs)
  yield 'open'
  const views = [store, store.view({ livemode: true }), ...accounts.map((id) => store.view({ account: id }))]
  for (const view of views) {
    for (const scope of scopes) await view.set({ scope, name: pick(names), payload: payload() })
  }
  yield 'set'
  await Promise.all(names.map((name) => store.set({ scope: pick(scopes), name, payload: payload(), expires_at })))
  yield 'set what expires'
  await store.batch([
    ...names.slice(0, 3).map((name) => ({ type: 'delete', scope: account, name }) as const),
    ...names.slice(3).map((name) => ({ type: 'set', scope: pick(scopes), name, payload: payload() }) as const),
  ])
  yield 'batch'
  for (const length of [1, 100, 1]) {
    await store.set({ scope: account, name: names[4] as string, payload: (payloads[0] as string).repeat(length) })
    yield 'replace small by large by small'
  }
  for (const scope of scopes) await store.list({ scope, limit: 100, expand: ['data.payload'] })
  await store.find({ scope: account, name: names[4] as string, expand: ['payload'] })
  await store.view({ account: accounts[0] as string, user: users[0] as string }).list({ scope: account })
  yield 'read'
  await store.rotate()
  yield 'rotate'
  await store.addKey(OTHER_KEY)
  yield 'addKey'
  for (const name of names.slice(5, 8)) await store.delete({ scope: account, name })
  await store.delete({ scope: account, name: names[5] as string })
  yield 'delete'
  const [backup, restored] = [join(directory, 'backup'), join(directory, 'restored')]
  for (const path of [backup, restored]) await rm(path, { recursive: true, force: true })
  await Promise.all([
    store.backup(backup),
    ...names.map((name) => store.set({ scope: pick(scopes), name, payload: payload() })),
  ])
  yield 'backup'
  await SecretStore.restore(backup, restored, { key: OTHER_KEY })
  yield 'restore'
  await store.close()
  store = await openPlace(place, startMs + 2 * DAY_SECONDS * 1000)
  yield 'open a day later'
  await store.list({ scope: account, limit: 100 })
  await store.sweep()
  yield 'expire'
  for (const slot of store.keys().slice(1)) await store.removeKey(slot.id)
  yield 'removeKey'
  await store.compact()
  yield 'compact'
  await store.rotate({ root: true, keys: [FIRST_KEY] })
  yield 'rotate root'
  await store.verify()
  await store.close()
  yield 'close'
}

async function run(place: Workplace): Promise<never> {
  for (;;) for await (const step of work(place)) writeSync(1, `${step}\n`)
}

// Imported for its types, this file does nothing. Started, it waits for its place.
if (process.send !== undefined && process.argv[2] === 'run') {
  process.once('message', (place) => void run(place as Workplace))
  process.once('disconnect', () => process.exit())
}
