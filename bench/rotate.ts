/**
 * Rotation, backup and restore of a large store while writers go on, held against a model.
 *
 *   npm run bench:rotate [-- COUNT]     100,000 secrets of 256 bytes by default
 *
 * Times are of one machine, and of one run; the figures to compare are the ratios to the writers alone, in the same run.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { account, passphrase, rawKey, SecretStore } from '../src/index'

const COUNT = Number(process.argv[2] ?? 100_000)
const WRITERS = 4
const ALONE_MS = 5000
const PAYLOAD_CHARACTERS = 256
const BATCH = 1000

if (!Number.isSafeInteger(COUNT) || COUNT < WRITERS) throw new RangeError('count: expected a whole number, got another')

const directory = await mkdtemp(join(tmpdir(), 'secret-store-bench-'))
const key = rawKey(randomBytes(32))
const location = join(directory, 'store')
const open = (path: string): Promise<SecretStore> =>
  SecretStore.open(path, { key, sweepIntervalMs: 0, compactIntervalMs: 0 })
const payload = (): string => randomBytes(PAYLOAD_CHARACTERS / 2).toString('hex')
const nameOf = (index: number): string => `secret-${String(index).padStart(7, '0')}`

/** What must be there. Each writer has names of its own, so the last acknowledged write to a name decides. */
const model = new Map<string, string>()

interface Load {
  readonly writes: number
  readonly wallMs: number
  readonly latenciesMs: readonly number[]
}

/** Each writer waits for one write after the other, as a program with that many users would. */
async function writeDuring(store: SecretStore, work: Promise<unknown>): Promise<Load> {
  let going = true
  const latenciesMs: number[] = []
  const writer = async (number: number): Promise<void> => {
    while (going) {
      const name = nameOf(number + WRITERS * Math.floor((Math.random() * COUNT) / WRITERS))
      const start = performance.now()
      if (Math.random() < 0.1) {
        await store.delete({ scope: account, name })
        model.delete(name)
      } else {
        const value = payload()
        await store.set({ scope: account, name, payload: value })
        model.set(name, value)
      }
      latenciesMs.push(performance.now() - start)
    }
  }
  const start = performance.now()
  const writers = Array.from({ length: WRITERS }, (_, number) => writer(number))
  await work.finally(() => {
    going = false
  })
  await Promise.all(writers)
  const wallMs = performance.now() - start
  return { writes: latenciesMs.length, wallMs, latenciesMs: latenciesMs.sort((a, b) => a - b) }
}

async function checkAgainstModel(store: SecretStore, label: string): Promise<void> {
  let found = 0
  for await (const secret of store.list({ scope: account, expand: ['data.payload'] })) {
    if (model.get(secret.name) !== secret.payload)
      throw new Error(`${label}: ${secret.name}: expected the model's, got another`)
    found++
  }
  if (found !== model.size) throw new Error(`${label}: expected ${model.size} secrets, got ${found}`)
  const { ok, records } = await store.verify()
  if (!ok || records !== model.size) throw new Error(`${label}: expected a whole store, got problems`)
}

/** On a terminal alone. */
function show(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${line.padEnd(40)}`)
}

const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const quantile = (load: Load, part: number): string =>
  (load.latenciesMs[Math.floor((load.latenciesMs.length - 1) * part)] ?? Number.NaN).toFixed(1)

try {
  let store = await open(location)
  for (let start = 0; start < COUNT; start += BATCH) {
    const names = Array.from({ length: Math.min(BATCH, COUNT - start) }, (_, index) => nameOf(start + index))
    for (const name of names) model.set(name, payload())
    await store.batch(
      names.map((name) => ({ type: 'set', scope: account, name, payload: model.get(name) as string }) as const),
    )
    show(`written: ${start + names.length} of ${COUNT}`)
  }
  show('')

  const rows: [string, string, Load][] = []
  const measure = async (label: string, work: () => Promise<unknown>): Promise<void> => {
    const cpu = process.cpuUsage()
    const start = performance.now()
    let wallMs = 0
    const load = await writeDuring(
      store,
      work().then(() => {
        wallMs = performance.now() - start
      }),
    )
    rows.push([label, `${seconds(wallMs)} s, CPU ${seconds(cpuMs(cpu))} s`, load])
  }
  const progress = ({ done, total }: { done: number; total: number }): void => {
    show(`${done} of ${total}`)
  }

  await measure('writers alone', () => new Promise((resolve) => setTimeout(resolve, ALONE_MS)))
  await measure('rotate', () => store.rotate({ onProgress: progress }))
  const { dataKeys } = await store.status()
  if (dataKeys.length !== 1 || dataKeys[0]?.records !== model.size) {
    throw new Error('rotate: expected every record under the one new key, got others')
  }
  await checkAgainstModel(store, 'after the rotation')
  const file = join(directory, 'backup')
  await measure('backup', () => store.backup(file, { onProgress: progress }))
  await checkAgainstModel(store, 'after the backup')
  await store.close()

  const restoreStart = performance.now()
  const restoreCpu = process.cpuUsage()
  await SecretStore.restore(file, join(directory, 'restored'), { key, onProgress: progress })
  const restored = `${seconds(performance.now() - restoreStart)} s, CPU ${seconds(cpuMs(restoreCpu))} s`
  show('')
  store = await open(location)
  await checkAgainstModel(store, 'after reopening')
  const changeStart = performance.now()
  const slot = await store.addKey(passphrase('correct horse battery staple'))
  await store.replaceKey(slot.id, passphrase('another'))
  const changeMs = (performance.now() - changeStart) / 2
  await store.close()
  store = await open(join(directory, 'restored'))
  const { ok, records } = await store.verify()
  await store.close()
  if (!ok) throw new Error('restore: expected a whole store, got problems')

  const { model: processor } = cpus()[0] ?? { model: 'unknown' }
  console.log(
    `${COUNT} secrets of ${PAYLOAD_CHARACTERS} bytes, ${WRITERS} writers; ${processor}, Node ${process.version}`,
  )
  console.log(`| meanwhile | took | writes a second | of alone | median ms | 99 % ms |`)
  console.log(`| --- | --- | ---: | ---: | ---: | ---: |`)
  const alone = rows[0]?.[2] as Load
  const rate = (load: Load): number => (load.writes / load.wallMs) * 1000
  for (const [label, took, load] of rows) {
    const share = `${((rate(load) / rate(alone)) * 100).toFixed(0)} %`
    console.log(
      `| ${label} | ${took} | ${rate(load).toFixed(0)} | ${share} | ${quantile(load, 0.5)} | ${quantile(load, 0.99)} |`,
    )
  }
  const { size } = await stat(file)
  console.log(
    `restore: ${restored}; ${records} records, ${(size / 1e6).toFixed(1)} MB; changing a passphrase: ${changeMs.toFixed(0)} ms`,
  )
  console.log('final state: equal to the model')
} finally {
  await rm(directory, { recursive: true, force: true })
}
