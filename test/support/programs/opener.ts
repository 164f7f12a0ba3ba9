/** Opens and uses stores as its parent says, one command after the other; answers each with a value or the error's code. */
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'

export type Command =
  | { readonly do: 'open'; readonly location: string }
  /** Several calls at once; the answer is one outcome each. All that opened are closed again. */
  | { readonly do: 'open at once'; readonly location: string; readonly calls: number }
  | { readonly do: 'set'; readonly name: string; readonly payload: string }
  | { readonly do: 'get'; readonly name: string }
  | { readonly do: 'verify' }
  | { readonly do: 'compact' }
  | { readonly do: 'close' }

export type Answer = { readonly value: unknown } | { readonly error: string }

let store: SecretStore | undefined

function open(location: string): Promise<SecretStore> {
  return SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
}

function told(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : String(error)
}

async function openAtOnce(location: string, calls: number): Promise<string[]> {
  const outcomes = await Promise.allSettled(Array.from({ length: calls }, () => open(location)))
  const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  await Promise.all(opened.map((store) => store.close()))
  return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'opened' : told(outcome.reason)))
}

async function perform(command: Command): Promise<unknown> {
  if (command.do === 'open at once') return openAtOnce(command.location, command.calls)
  if (command.do === 'open') {
    store = await open(command.location)
    return 'opened'
  }
  if (store === undefined) throw new Error('opener: expected an open store, got none')
  if (command.do === 'set') return (await store.set({ scope: account, ...pickSet(command) })).id
  if (command.do === 'get') return store.get({ scope: account, name: command.name })
  if (command.do === 'verify') return (await store.verify()).ok
  if (command.do === 'compact') return store.compact()
  return store.close()
}

function pickSet({ name, payload }: { readonly name: string; readonly payload: string }): {
  name: string
  payload: string
} {
  return { name, payload }
}

async function answer(command: Command): Promise<Answer> {
  try {
    return { value: await perform(command) }
  } catch (error) {
    return { error: told(error) }
  }
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'run') {
  process.on('message', async (command) => process.send?.(await answer(command as Command)))
  process.once('disconnect', () => process.exit())
}
