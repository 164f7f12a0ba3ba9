import { createRequire } from 'node:module'
import type { KeyProvider } from 'app-secret-store'
import type { SystemKeyringLibrary } from 'app-secret-store/keyring'
import { findPeer } from '../platform/optional-peer'
import type { Io } from './io'
import { keyringProcess } from './keyring-process'

export interface KeyringEntryName {
  readonly service: string
  readonly account: string
}

const DEFAULT_ENTRY: KeyringEntryName = { service: 'secret-store', account: 'default' }

/** @param text - As `service/account`. @returns `undefined` if it is not. */
export function parseKeyringEntry(text: string): KeyringEntryName | undefined {
  const at = text.lastIndexOf('/')
  const [service, account] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)]
  return service === '' || account === '' ? undefined : { service, account }
}

/** A key in the system keyring, which is asked by a process of its own. */
export async function keyringKey(
  io: Io,
  entry: KeyringEntryName | undefined,
  options: { readonly label?: string },
): Promise<KeyProvider> {
  const { osKeyring } = await import('app-secret-store/keyring')
  const keyring = installed()
  return osKeyring({
    ...(entry ?? DEFAULT_ENTRY),
    ...options,
    // If there is none, what is to be installed is said where it is looked for.
    ...(keyring !== undefined && { keyring: keyringProcess(keyring.library, keyring.path, io.signal) }),
  })
}

/**
 * The key in the system keyring that a slot of the store names. The slot is not vouched for before a key has opened it:
 * what comes of another entry opens nothing.
 */
export function slotKeyring(io: Io): KeyProvider {
  let opened: KeyProvider | undefined
  return {
    kind: 'os-keyring',
    get label() {
      return opened?.label ?? 'system keyring'
    },
    async wrap(rootKey, context) {
      return (opened ?? (await keyringKey(io, undefined, {}))).wrap(rootKey, context)
    },
    async unwrap(params, context) {
      const { service, account } = params
      if (typeof service !== 'string' || typeof account !== 'string') return null
      const key = await keyringKey(io, { service, account }, {})
      const rootKey = await key.unwrap(params, context)
      if (rootKey !== null) opened = key
      return rootKey
    },
  }
}

/** The library beside this program, and from no folder above. */
function installed(): { readonly path: string; readonly library: SystemKeyringLibrary } | undefined {
  try {
    const path = findPeer(LIBRARY)
    return path === undefined ? undefined : { path, library: createRequire(path)(path) as SystemKeyringLibrary }
  } catch {
    return undefined
  }
}

const LIBRARY = '@napi-rs/keyring'
