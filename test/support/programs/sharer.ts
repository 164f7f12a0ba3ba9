/**
 * Shares a store with others as its parent says. `run`: one command after the other, each answered. `once`: opens, sets,
 * says so, and ends by itself without closing. `closed`: opens, sets, closes, and says what is left that could keep it alive.
 */
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'

export type Command =
  | { readonly do: 'open'; readonly location: string; readonly key?: number; readonly shared?: boolean }
  | { readonly do: 'set'; readonly name: string; readonly payload: string }
  | { readonly do: 'get'; readonly name: string }
  | { readonly do: 'close' }

export type Answer = { readonly value: unknown } | { readonly error: string; readonly message: string }

const WAIT_MS = 60_000

let store: SecretStore | undefined

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
if (mode === 'once' || mode === 'closed') {
  const before = process.getActiveResourcesInfo()
  const opened = await open(location)
  await opened.set({ scope: account, name: `of-${process.pid}`, payload: 'p' })
  if (mode === 'closed') {
    await opened.close()
    // What was closed is gone at the next turn of the loop.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const left = process.getActiveResourcesInfo().filter((name) => !before.includes(name))
  process.stdout.write(`${JSON.stringify(left)}\n`)
}
