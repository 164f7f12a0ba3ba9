/** The process that `profile.ts` looks at. */
import { account, rawKey, SecretStore } from 'app-secret-store'

const SECRETS = 100_000
const PAYLOAD_CHARACTERS = 256
const SECONDS = 4

const [path, location, mode] = process.argv.slice(2) as [string, string, string]
const nameOf = (index: number): string => `service/${String(index % SECRETS).padStart(7, '0')}/api-key`
/** A stride that meets every secret, far from the one before. */
const spread = (index: number): number => (index * 7919) % SECRETS
const payloadOf = (index: number): string => `example-${index}-`.padEnd(PAYLOAD_CHARACTERS, 'p')

const options = {
  key: rawKey(new Uint8Array(32).fill(1)),
  sweepIntervalMs: 0,
  compactIntervalMs: 0,
  ...(mode === 'portable' ? { sodium: false as const } : {}),
}
const store = await SecretStore.open(location, options)
if (path === 'fill') {
  for (let from = 0; from < SECRETS; from += 1000) {
    await store.batch(
      Array.from({ length: 1000 }, (_, offset) => {
        const index = from + offset
        return { type: 'set' as const, scope: account, name: nameOf(index), payload: payloadOf(index) }
      }),
    )
  }
  await store.compact()
  await store.close()
  process.exit()
}

const PATHS: Readonly<Record<string, (index: number) => Promise<unknown>>> = {
  find: (index) => store.find({ scope: account, name: nameOf(spread(index)), expand: ['payload'] }),
  page: () => store.list({ scope: account, limit: 100 }),
  sets: (index) =>
    Promise.all(
      Array.from({ length: 64 }, (_, offset) => {
        const one = index * 64 + offset
        return store.set({ scope: account, name: nameOf(spread(one)), payload: payloadOf(one + 7) })
      }),
    ),
}

const act = PATHS[path]
if (act === undefined) throw new Error(`path: expected one of ${Object.keys(PATHS).join(', ')}, got '${path}'`)
const started = performance.now()
const cpu = process.cpuUsage()
let calls = 0
while (performance.now() - started < SECONDS * 1000) await act(calls++)
const { user, system } = process.cpuUsage(cpu)
console.log(`${calls} calls, ${((user + system) / calls).toFixed(1)} µs of CPU each`)
await store.close()
