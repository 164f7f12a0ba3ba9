/**
 * Shares a store with others as its parent says. `run`: one command after the other, each answered. `once`: opens, sets,
 * says so, and ends by itself without closing. `closed`: opens, sets, closes, and says what is left that could keep it alive.
 * `lingering`: as `once`, some time later.
 */
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'

export type Command =
  | { readonly do: 'open'; readonly location: string; readonly key?: number; readonly shared?: boolean }
  | { readonly do: 'set'; readonly name: string; readonly payload: string }
  | { readonly do: 'get'; readonly name: string }
  | { readonly do: 'close' }

export type Answer = { readonly value: unknown } | { readonly error: string; readonly message: string }

const WAIT_MS = 60_000
const LINGER_MS = 2000

let store: SecretStore | undefined

const timers: (NodeJS.Timeout & { readonly _destroyed?: boolean })[] = []

/** Has every timer kept, to look at it later. */
function watchTimers(): void {
  for (const name of ['setTimeout', 'setInterval'] as const) {
    const begin = globalThis[name] as (...args: unknown[]) => NodeJS.Timeout
    const watched = (...args: unknown[]): NodeJS.Timeout => {
      const timer = begin(...args)
      timers.push(timer)
      return timer
    }
    Object.assign(globalThis, { [name]: watched })
  }
}

/** The sockets, pipes and timers that there are, those that keep no process alive as well. */
function handles(): string[] {
  // Node has those from when they are first used.
  void [process.stdout, process.stderr]
  const { libuv } = process.report.getReport() as unknown as { libuv: { type: string }[] }
  const sockets = libuv.flatMap(({ type }) => (['pipe', 'tcp'].includes(type) ? [type] : []))
  return [...sockets, ...timers.flatMap(({ _destroyed }) => (_destroyed ? [] : ['timer']))]
}

function open(location: string, key = 7, shared = true): Promise<SecretStore> {
  const timers = { sweepIntervalMs: 0, compactIntervalMs: 0 }
  return SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(key)), shared, waitMs: WAIT_MS, ...timers })
}

async function perform(command: Command): Promise<unknown> {
  if (command.do === 'open') {
    store = await open(command.location, command.key, command.shared)
    return 'opened'
  }
  if (store === undefined) throw new Error('sharer: expected an open store, got none')
  if (command.do === 'set') {
    await store.set({ scope: account, name: command.name, payload: command.payload })
    return 'set'
  }
  if (command.do === 'get') return store.get({ scope: account, name: command.name })
  return store.close()
}

async function answer(command: Command): Promise<Answer> {
  try {
    return { value: await perform(command) }
  } catch (error) {
    return { error: error instanceof SecretStoreError ? error.code : 'no code', message: String(error) }
  }
}

const [mode, location = ''] = process.argv.slice(2)
// Imported for its types, this file does nothing.
if (process.send !== undefined && mode === 'run') {
  process.on('message', async (command) => process.send?.(await answer(command as Command)))
  process.once('disconnect', () => process.exit())
}
if (mode === 'once' || mode === 'closed' || mode === 'lingering') {
  watchTimers()
  const before = handles()
  const opened = await open(location)
  await opened.set({ scope: account, name: `of-${process.pid}`, payload: 'p' })
  if (mode === 'closed') {
    await opened.close()
    // What was closed is gone at the next turns of the loop.
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve))
  }
  const left = handles()
  for (const name of before) if (left.includes(name)) left.splice(left.indexOf(name), 1)
  process.stdout.write(`${JSON.stringify(left)}\n`)
  if (mode === 'lingering') setTimeout(() => {}, LINGER_MS)
}
