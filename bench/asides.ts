/**
 * The figures of docs/performance.md that stand in no table of `npm run bench`: what a known record takes, what a batch
 * takes, how the cost of a set falls with company, what LevelDB asks for a look before a write, and two ways to see the locks of a process.
 * `npm run bench:asides`.
 *
 * Each is a process of its own. Run on Linux; what the others cannot do ends it.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Level } from 'level'
import { account, type BatchOperation, rawKey, SecretStore, type SetParams } from '../src/index'
import { isLockedByThisProcess } from '../src/platform/process-locks'

const SECRETS = 100_000
const PAYLOAD = 'p'.repeat(240)
const nameOf = (index: number): string => `service/${String(index % SECRETS).padStart(7, '0')}/api-key`
/** A stride that meets every secret, far from the one before. */
const spread = (index: number): number => (index * 7919) % SECRETS

const ASIDES: Readonly<Record<string, (directory: string) => Promise<void>>> = {
  async 'known records'(directory) {
    const location = join(directory, 'store')
    let store = await open(location)
    for (let from = 0; from < SECRETS; from += 1000) {
      await store.batch(
        Array.from({ length: 1000 }, (_, offset) =>
          batched(setOf(nameOf(from + offset), `${from + offset}${PAYLOAD}`)),
        ),
      )
    }
    await store.close()
    store = await open(location)
    const before = heapBytes()
    for await (const _ of store.list({ scope: account }));
    console.log(`${((heapBytes() - before) / SECRETS).toFixed(0)} bytes of heap a record`)
    await store.close()
  },
  'a batch of 2,000 × 100 kB': (directory) => batch(directory, 2000, 100_000),
  'a batch of 100,000 × 256 B': (directory) => batch(directory, 100_000, 256),
  async 'sets at once, again and again, of 20,000 secrets'(directory) {
    const store = await open(join(directory, 'store'))
    let turn = 0
    const sets = (count: number): Promise<unknown> =>
      Promise.all(Array.from({ length: count }, () => store.set(setOf(nameOf(turn++ % 20_000), `${turn}${PAYLOAD}`))))
    for (let round = 0; round < 40; round++) await sets(250)
    for (const count of [1, 16, 64, 256, 1000, 4000]) {
      await timed(`${count} at once`, 1500, count, () => sets(count))
    }
    await store.close()
  },
  'LevelDB, 64 rows a batch': (directory) => levelDb(directory, false),
  'LevelDB, 64 rows a batch, each read before': (directory) => levelDb(directory, true),
  async 'locks of this process'() {
    await timed('/proc/locks', 0, 1, async () => readFileSync('/proc/locks'))
    await timed('/proc/self/fdinfo', 0, 1, async () => isLockedByThisProcess(fileURLToPath(import.meta.url)))
  },
  async 'loading sodium-native'() {
    await timed('require', 0, 1, async () => createRequire(import.meta.url)('sodium-native'))
  },
}

const asked = process.argv[2]
if (asked === undefined) {
  for (const name of Object.keys(ASIDES)) {
    const script = fileURLToPath(import.meta.url)
    const { status } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', script, name], {
      stdio: 'inherit',
    })
    if (status !== 0) throw new Error(`${name}: expected exit code 0, got ${status}`)
  }
} else {
  console.log(`\n${asked}`)
  const directory = await mkdtemp(join(tmpdir(), 'secret-store-asides-'))
  try {
    await ASIDES[asked]?.(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function open(location: string): Promise<SecretStore> {
  const key = rawKey(new Uint8Array(32).fill(1))
  return SecretStore.open(location, { key, sweepIntervalMs: 0, compactIntervalMs: 0 })
}

function setOf(name: string, payload: string): SetParams {
  return { scope: account, name, payload }
}

function batched(params: SetParams): BatchOperation {
  return { type: 'set', ...params }
}

function heapBytes(): number {
  global.gc?.()
  global.gc?.()
  return process.memoryUsage().heapUsed
}

async function batch(directory: string, count: number, payloadBytes: number): Promise<void> {
  const store = await open(join(directory, 'store'))
  const operations = Array.from({ length: count }, (_, index) =>
    batched(setOf(nameOf(index), `${index}-`.padEnd(payloadBytes, 'p'))),
  )
  global.gc?.()
  const before = process.memoryUsage().rss
  const cpu = process.cpuUsage()
  await store.batch(operations)
  const { user, system } = process.cpuUsage(cpu)
  const peak = process.resourceUsage().maxRSS * 1024 - before
  const each = (peak / (count * payloadBytes)).toFixed(1)
  console.log(
    `${(peak / 1e6).toFixed(0)} MB at the peak, ${each} a byte of payload; ${((user + system) / count).toFixed(1)} µs of CPU each`,
  )
  await store.close()
}

/** Rows as large as those of 256-byte secrets, written over and over. */
async function levelDb(directory: string, readBefore: boolean): Promise<void> {
  const level = new Level<string, Uint8Array>(directory, { valueEncoding: 'view', compression: false })
  await level.open()
  const value = (index: number): Uint8Array => crypto.getRandomValues(new Uint8Array(397)).fill(index & 0xff, 0, 4)
  for (let from = 0; from < SECRETS; from += 1000) {
    const rows = level.batch()
    for (let index = from; index < from + 1000; index++) rows.put(nameOf(index), value(index))
    await rows.write()
  }
  const sync = { sync: true } as object
  let turn = 0
  await timed('a row', 4000, 64, async () => {
    const rows = level.batch()
    for (let row = 0; row < 64; row++) {
      const name = nameOf(spread(turn++))
      if (readBefore) level.getSync(name)
      rows.put(name, value(turn))
    }
    await rows.write(sync)
  })
  await level.close()
}

/** Over and over for so long, at least once. */
async function timed(label: string, forMs: number, operations: number, act: () => Promise<unknown>): Promise<void> {
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  let calls = 0
  do {
    await act()
    calls++
  } while (performance.now() - started < forMs)
  const { user, system } = process.cpuUsage(cpu)
  const perOperation = (micros: number): string => (micros / calls / operations).toFixed(1)
  console.log(
    `${label}: CPU ${perOperation(user + system)} µs, wall ${perOperation((performance.now() - started) * 1000)} µs`,
  )
}
