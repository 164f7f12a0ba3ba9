/**
 * What the verbs cost on a store of 10,000 secrets: medians of wall and CPU time. `npm run bench`.
 *
 * CPU time is the process's own, all its threads; where it is far below wall time, the disk was waited for.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { account, passphrase, rawKey, SecretStore } from '../src/index'

const SECRETS = 10_000
const PAYLOAD = `example-${'p'.repeat(192)}`
const nameOf = (index: number): string => `service/${String(index % SECRETS).padStart(5, '0')}/api-key`

/** Medians over `runs` of what one run of `repeat` calls cost, in µs a call. */
async function measure(
  label: string,
  act: (index: number) => unknown,
  { runs = 15, repeat = 1 }: { readonly runs?: number; readonly repeat?: number } = {},
): Promise<void> {
  const wall: number[] = []
  const cpu: number[] = []
  let index = 0
  for (let run = -1; run < runs; run++) {
    const [startedMs, startedCpu] = [performance.now(), process.cpuUsage()]
    for (let call = 0; call < repeat; call++) await act(index++)
    const spent = process.cpuUsage(startedCpu)
    if (run < 0) continue // the first warms up
    wall.push(((performance.now() - startedMs) * 1000) / repeat)
    cpu.push((spent.user + spent.system) / repeat)
  }
  process.stdout.write(`| ${label} | ${time(median(wall))} | ${time(median(cpu))} |\n`)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

function time(microseconds: number): string {
  const [value, unit] = microseconds < 1000 ? [microseconds, 'µs'] : [microseconds / 1000, 'ms']
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

const directory = await mkdtemp(join(tmpdir(), 'secret-store-bench-'))
try {
  const location = join(directory, 'store')
  const options = { key: rawKey(new Uint8Array(32).fill(1)), sweepIntervalMs: 0, compactIntervalMs: 0 }
  let store = await SecretStore.open(location, options)
  for (let from = 0; from < SECRETS; from += 1000) {
    const operations = Array.from({ length: 1000 }, (_, offset) => ({
      type: 'set' as const,
      scope: account,
      name: nameOf(from + offset),
      payload: PAYLOAD,
    }))
    await store.batch(operations)
  }
  await store.compact()

  const cursors: string[] = []
  for await (const { id } of store.list({ scope: account })) cursors.push(id)
  // A stride that meets every secret, far from the one before.
  const spread = (index: number): number => (index * 7919) % SECRETS
  const target = (index: number): { scope: typeof account; name: string } => ({
    scope: account,
    name: nameOf(spread(index)),
  })
  const cursor = (index: number): string => cursors[spread(index) % (SECRETS - 200)] as string

  process.stdout.write(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}, ${SECRETS} secrets of `)
  process.stdout.write(`${PAYLOAD.length} bytes\n\n| | wall | CPU |\n|---|---:|---:|\n`)
  await measure('`getSync`', (index) => store.getSync(target(index)), { repeat: 500 })
  await measure('`get`', (index) => store.get(target(index)), { repeat: 500 })
  await measure('`find`', (index) => store.find(target(index)), { repeat: 500 })
  for (const limit of [10, 100]) {
    await measure(
      `\`list\`, a page of ${limit} at any depth`,
      (index) => store.list({ scope: account, limit, starting_after: cursor(index) }),
      { repeat: 20 },
    )
  }
  await measure(
    'walking all 10,000 with `for await`',
    async () => {
      for await (const _ of store.list({ scope: account }));
    },
    { runs: 5 },
  )
  await measure('`set`, alone', (index) => store.set({ ...target(index), payload: PAYLOAD }), { repeat: 50 })
  await measure('100 × `set` at once', (index) =>
    Promise.all(
      Array.from({ length: 100 }, (_, offset) => store.set({ ...target(index * 100 + offset), payload: PAYLOAD })),
    ),
  )
  await measure('`delete` and `set` again', async (index) => {
    await store.delete(target(index))
    await store.set({ ...target(index), payload: PAYLOAD })
  })
  await measure('`verify`', () => store.verify(), { runs: 5 })
  await measure('`compact`', () => store.compact(), { runs: 5 })
  await store.close()

  await measure(
    '`open` and `close`, raw key',
    async () => {
      store = await SecretStore.open(location, options)
      await store.close()
    },
    { runs: 9 },
  )
  const underPassphrase = join(directory, 'passphrase')
  const key = passphrase('correct horse battery staple')
  await (await SecretStore.open(underPassphrase, { ...options, key })).close()
  await measure(
    '`open` and `close`, passphrase (scrypt N=2^17)',
    async () => (await SecretStore.open(underPassphrase, { ...options, key })).close(),
    { runs: 5 },
  )
} finally {
  await rm(directory, { recursive: true, force: true })
}
