/**
 * Shares a store as it is told: `sharer.mjs LOCATION ORDERS TOLD`. Each line that is added to the file ORDERS is a verb and
 * its words, and for each a line is added to TOLD: under Wine there are no pipes.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { account, rawKey, SecretStore } from 'app-secret-store'

const [location = '', orders = '', told = ''] = process.argv.slice(-3)
const tell = (line: string): void => appendFileSync(told, `${line}\n`)
const LOOK_MS = 5
const WAIT_MS = 60_000

const store = await SecretStore.open(location, {
  key: rawKey(new Uint8Array(32).fill(7)),
  shared: true,
  waitMs: WAIT_MS,
}).catch((error) => {
  tell(`${error.code} ${error.message}`)
  process.exit()
})
const heard: string[] = []
store.on('change', ({ type, name }) => void heard.push(`${type}:${name}`))
store.on('gap', () => void heard.push('gap'))

async function perform(order: string): Promise<unknown> {
  const [verb, name = '', payload = ''] = order.split(' ')
  const secret = { scope: account, name }
  if (verb === 'set') return (await store.set({ ...secret, payload })).name
  if (verb === 'get') return store.get(secret)
  if (verb === 'heard') return heard.join(' ')
  if (verb === 'verify') return (await store.verify()).ok
  if (verb === 'rotate') return store.rotate()
  if (verb === 'compact') return store.compact()
  if (verb === 'close') return store.close()
  if (verb === 'runtime') return runtime()
  const { sharing } = await store.status()
  return `${sharing?.role} of ${sharing?.processes.length}`
}

/** `electron 33.2.1 browser` is the main process of an app. */
function runtime(): string {
  const { type, versions } = process as typeof process & { readonly type?: string }
  const name = ['bun', 'deno', 'electron'].find((one) => one in versions) ?? 'node'
  return `${name} ${versions[name]}${type === undefined ? '' : ` ${type}`}`
}

tell('opened')
for (let done = 0; ; ) {
  const given = readFileSync(orders, 'utf8').split('\n').slice(done, -1)
  for (const order of given) {
    done++
    tell(await perform(order).then(String, (error) => `${error.code} ${error.message}`))
    if (order === 'close') process.exit()
  }
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
}
