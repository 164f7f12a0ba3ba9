import { checkText, optionsOf } from '../base/checks'
import { SecretStoreError } from '../errors'
import { MAX_CHARACTERS } from '../format/constants'
import type { SecretSource, SourceEntry } from './source'

/** As much of keytar as is needed. */
export interface KeytarLike {
  /** All accounts of a service, with their passwords. */
  findCredentials(service: string): Promise<readonly { readonly account: string; readonly password: string }[]>
}

/** Options of `keytar`. */
export interface KeytarOptions {
  /** The name that the passwords were set under. */
  readonly service: string
  /** The module `keytar` itself. On Linux, `@napi-rs/keyring/keytar` finds none of its passwords. */
  readonly keytar: KeytarLike
}

/** The passwords of a service in the keychain, by their accounts. @throws {TypeError} On bad options. */
export function keytar(options: KeytarOptions): SecretSource {
  const given = optionsOf<KeytarOptions>(options, 'keytar', ['service', 'keytar'])
  const service = checkText(given.service, 'service', MAX_CHARACTERS)
  const library = given.keytar
  if (typeof library?.findCredentials !== 'function') {
    throw new TypeError('keytar: expected the module keytar, got something else')
  }
  return {
    kind: 'keytar',
    async read() {
      const found = await findCredentials(library, service)
      if (!Array.isArray(found)) throw new TypeError('keytar: expected a list of credentials, got something else')
      return found.map(entryOf)
    },
  }
}

async function findCredentials(library: KeytarLike, service: string): Promise<unknown> {
  try {
    return await library.findCredentials(service)
  } catch (cause) {
    throw new SecretStoreError('ERR_IO', 'keytar: expected to read the keychain, got an error from it', { cause })
  }
}

function entryOf(credential: unknown): SourceEntry {
  const { account, password } = (credential ?? {}) as { readonly account?: unknown; readonly password?: unknown }
  if (typeof account !== 'string') return { name: '', problem: 'account: expected text, got something else' }
  if (typeof password !== 'string') return { name: account, problem: 'password: expected text, got something else' }
  return { name: account, payload: password }
}
