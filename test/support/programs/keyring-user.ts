/** Uses stores and the system's keyring as its parent says; answers each command with a value or the error. */
import { AsyncEntry } from '@napi-rs/keyring'
import { account, type KeyProvider, recoveryCode, SecretStore } from '../../../src/index'
import { osKeyring } from '../../../src/os-keyring/index'

/** Whose entry is the key, as `service/account`, or the recovery code that is. */
export type KeySource = { readonly entry: string; readonly timeoutMs?: number } | { readonly code: string }

export type Command =
  | { readonly do: 'open'; readonly location: string; readonly key: KeySource; readonly create?: boolean }
  | { readonly do: 'set'; readonly payload: string }
  | { readonly do: 'get' }
  | { readonly do: 'keys' }
  | { readonly do: 'add key'; readonly key: KeySource }
  | { readonly do: 'replace key'; readonly id: string; readonly key: KeySource }
  | { readonly do: 'close' }
  /** The library itself, with no store. `target` is the label of a keyring. */
  | { readonly do: 'put entry'; readonly entry: string; readonly text: string; readonly target?: string }
  | { readonly do: 'read entry'; readonly entry: string }
  | { readonly do: 'delete entry'; readonly entry: string }

export type Answer = { readonly value: unknown } | { readonly error: string }

const NAME = { scope: account, name: 'token' } as const

let store: SecretStore | undefined

function providerOf(source: KeySource): KeyProvider {
  if ('code' in source) return recoveryCode(source.code)
  const { entry, ...options } = source
  const [service = '', account = ''] = entry.split('/')
  return osKeyring({ service, account, ...options })
}

function entryOf(name: string, target?: string): AsyncEntry {
  const [service = '', account = ''] = name.split('/')
  const selection = { linux: { store: 'secret-service' } } as const
  return target === undefined
    ? new AsyncEntry(service, account, selection)
    : AsyncEntry.withTarget(target, service, account, selection)
}

async function perform(command: Command): Promise<unknown> {
  if (command.do === 'put entry') return entryOf(command.entry, command.target).setPassword(command.text)
  if (command.do === 'read entry') return entryOf(command.entry).getPassword()
  if (command.do === 'delete entry') return entryOf(command.entry).deletePassword()
  if (command.do === 'open') {
    store = await SecretStore.open(command.location, {
      key: providerOf(command.key),
      createIfMissing: command.create ?? false,
      sweepIntervalMs: 0,
      compactIntervalMs: 0,
    })
    return 'opened'
  }
  if (store === undefined) throw new Error('keyring user: expected an open store, got none')
  if (command.do === 'set') return (await store.set({ ...NAME, payload: command.payload })).name
  if (command.do === 'get') return store.get(NAME)
  if (command.do === 'keys') return store.keys()
  if (command.do === 'add key') return store.addKey(providerOf(command.key))
  if (command.do === 'replace key') return store.replaceKey(command.id, providerOf(command.key))
  return store.close()
}

async function answer(command: Command): Promise<Answer> {
  try {
    return { value: await perform(command) }
  } catch (error) {
    const { code, name, message } = error as { code?: string; name: string; message: string }
    return { error: `${code ?? name} ${message}` }
  }
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'run') {
  process.on('message', async (command) => process.send?.(await answer(command as Command)))
  // A call that waits at a prompt would keep it from exiting.
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
}
