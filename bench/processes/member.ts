/**
 * One process of a fleet on one store. It opens the store and says so, then does each work at the same time as all others,
 * and keeps the store open until it is told to end: so nobody takes over in the middle.
 */
import { randomFrom } from '../data'
import { type Party, type Place, partyAt } from './party'

export interface Joining extends Place {
  readonly seed: number
}

export interface Order {
  readonly verb: 'get' | 'set'
  /** Calls under way at a time. */
  readonly together: number
  /** For so long, and until it has made so many calls. */
  readonly ms: number
  readonly calls: number
}

/** What one process did in the time that is measured. */
export interface Done {
  readonly operations: number
  readonly wallMs: number
  /** Of all threads, also of a process that only answers others. */
  readonly cpuMicros: number
  /** How long the calls took. */
  readonly medianMs: number
  readonly slowestMs: number
}

/** So many calls, and then a turn of the loop: whoever holds the files of a store serves the others in between. */
const CALLS_A_TURN = 16
/** So far apart that no two processes set the same payloads. */
const SALTS = 1_000_000_000

const { seed, ...place } = JSON.parse(process.argv[2] ?? '') as Joining
const random = randomFrom(seed)
let salt = seed * SALTS

async function perform(party: Party, order: Order): Promise<Done> {
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  const waits = await (place.idle ? rest(order) : callsOf(party, order))
  const { user, system } = process.cpuUsage(cpu)
  const sorted = waits.toSorted((a, b) => a - b)
  return {
    operations: waits.length * order.together,
    wallMs: performance.now() - started,
    cpuMicros: user + system,
    medianMs: sorted[sorted.length >> 1] ?? 0,
    slowestMs: sorted.at(-1) ?? 0,
  }
}

/** @returns How long each call, or those that went together, took, in milliseconds. */
async function callsOf(party: Party, { verb, together, ms, calls }: Order): Promise<number[]> {
  const waits: number[] = []
  const end = performance.now() + ms
  do {
    const indexes = Array.from({ length: together }, () => Math.floor(random() * place.secrets))
    const before = performance.now()
    await party[verb](indexes, salt)
    waits.push(performance.now() - before)
    salt += together
    if (waits.length % CALLS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  } while (performance.now() < end || waits.length * together < calls)
  return waits
}

async function rest({ ms }: Order): Promise<number[]> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return []
}

const party = await partyAt(place)
process.on('message', async (order: Order | 'end') => {
  if (order !== 'end') return process.send?.(await perform(party, order))
  await party.close()
  // Some libraries keep a process running that has closed them.
  process.exit()
})
process.send?.('ready')
