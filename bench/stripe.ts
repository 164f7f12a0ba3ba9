/**
 * Finds over keep-alive HTTP: how many a server on one core answers in a second; and how long a fixture takes to start.
 * `npm run bench:stripe`.
 *
 * The server is a process of its own, bound to one core where the system can do that (`taskset`), with a store on disk; the
 * load comes from this process. A server at its limit is told from a client at its own by the server's CPU time.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { account, rawKey, SecretStore } from '../src/index'
import { createStripeApp, listen, startStripeFixture } from '../src/stripe/index'

const SECRETS = 1000
const CONNECTIONS = 16
const FINDS = 20_000
const ROUNDS = 5
const API_KEY = 'sk_test_bench'
const FIXTURES = 101

if (process.argv[2] === 'server') await serve(process.argv[3] as string)
else {
  await measureStart()
  await measureFinds()
}

/** With three secrets, in memory. The first one pays for code that is not yet compiled. */
async function measureStart(): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < FIXTURES; i++) {
    const started = performance.now()
    const fixture = await startStripeFixture({ secrets: { a: 'example', b: 'example', c: 'example' } })
    times.push(performance.now() - started)
    await fixture.close()
  }
  const [first = 0, ...others] = times
  console.log(
    `startStripeFixture: ${first.toFixed(1)} ms the first time, ${median(others).toFixed(1)} ms the median after`,
  )
}

async function serve(location: string): Promise<void> {
  const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(1)) })
  const payload = 'x'.repeat(200)
  await store.batch(
    Array.from({ length: SECRETS }, (_, i) => ({ type: 'set', scope: account, name: `secret-${i}`, payload }) as const),
  )
  const server = await listen(createStripeApp(store, { apiKeys: [API_KEY] }))
  process.on('message', async (message) => {
    if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
    if (message !== 'stop') return
    await server.close()
    await store.close()
    process.disconnect()
  })
  process.send?.({ port: server.port })
}

async function measureFinds(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'secret-store-bench-'))
  const server = startServer(join(directory, 'secrets'))
  try {
    const { port } = await reply<{ port: number }>(server)
    console.log(`${cpus()[0]?.model.trim()}, Node ${process.version}, ${CONNECTIONS} keep-alive connections`)
    await finds(port, FINDS) // warm-up
    const rounds: { perSecond: number; cpuMicros: number }[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      const cpuBefore = await cpuOf(server)
      const started = performance.now()
      await finds(port, FINDS)
      const seconds = (performance.now() - started) / 1000
      const cpuMicros = ((await cpuOf(server)) - cpuBefore) / FINDS
      rounds.push({ perSecond: FINDS / seconds, cpuMicros })
      console.log(`round ${round}: ${row(FINDS / seconds, cpuMicros)}`)
    }
    console.log(`median:  ${row(median(rounds.map((r) => r.perSecond)), median(rounds.map((r) => r.cpuMicros)))}`)
  } finally {
    server.send('stop')
    await once(server, 'exit')
    await rm(directory, { recursive: true, force: true })
  }
}

function startServer(location: string): ChildProcess {
  const command = [process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url), 'server', location]
  const canBind = spawnSync('taskset', ['-c', '0', 'true']).status === 0
  if (!canBind) console.log('taskset: not there, so the server is not bound to one core')
  const [program = '', ...args] = canBind ? ['taskset', '-c', '0', ...command] : command
  return spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

async function finds(port: number, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  let sent = 0
  const one = async (): Promise<void> => {
    while (sent < count) {
      const name = `secret-${sent++ % SECRETS}`
      const body = await find(agent, port, name)
      if (JSON.parse(body).payload?.length !== 200) throw new Error(`${name}: expected its payload, got ${body}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
  agent.destroy()
}

function find(agent: Agent, port: number, name: string): Promise<string> {
  const path = `/v1/apps/secrets/find?scope[type]=account&name=${name}&expand[0]=payload`
  return new Promise((resolve, reject) => {
    get({ agent, port, path, headers: { authorization: `Bearer ${API_KEY}` } }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text) => {
        body += text
      })
      response.on('end', () => resolve(body))
    }).on('error', reject)
  })
}

/** In microseconds. */
async function cpuOf(server: ChildProcess): Promise<number> {
  server.send('cpu')
  const { cpu } = await reply<{ cpu: NodeJS.CpuUsage }>(server)
  return cpu.user + cpu.system
}

async function reply<T>(server: ChildProcess): Promise<T> {
  const [message] = await once(server, 'message')
  return message
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

function row(perSecond: number, cpuMicros: number): string {
  const perCpuSecond = Math.round(1_000_000 / cpuMicros)
  return `${Math.round(perSecond)} finds a second; the server used ${Math.round(cpuMicros)} µs of CPU each, so ${perCpuSecond} a CPU second`
}
