import { utf8 } from '../../src/base/bytes'
import { createKeyringFile } from '../../src/crypto/data-keys'
import { Keyring } from '../../src/crypto/keyring'
import { systemRandom } from '../../src/crypto/random'
import { ID_PREFIX, ID_RANDOM_CHARACTERS } from '../../src/format/constants'
import type { KeyringFile } from '../../src/format/keyring-file'
import type { SecretRecord } from '../../src/model'
import { RowKey } from '../../src/storage/keyspace'

/** Of every keyring of these tests. */
export const rootKey: Uint8Array = new Uint8Array(32).fill(1)

/** One data key, plain names, no slots. */
export const keyringFile: KeyringFile = createKeyringFile(
  rootKey,
  { storeId: new Uint8Array(16), created: 0, names: 'plain', slots: [] },
  systemRandom,
)

/** A keyring with the same keys each time. */
export function newKeyring(): Keyring {
  return new Keyring(keyringFile, rootKey, systemRandom)
}

/** The row of a secret of the app's own account, in test mode, with plain names. */
export function rowOf(name: string): RowKey {
  return RowKey.of(utf8(`rt|account|${name}`))
}

/** An id that a writer could have drawn, made of a text of up to 24 characters. */
export function idOf(text: string): string {
  return ID_PREFIX + text.replaceAll(/[^0-9A-Za-z]/g, '0').padStart(ID_RANDOM_CHARACTERS, '0')
}

/** A record of that row. */
export function recordOf(name: string, expires_at: number | null = null): Omit<SecretRecord, 'revision'> {
  const address = { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name } as const
  return { id: idOf(name), address, created: 0, expires_at }
}
