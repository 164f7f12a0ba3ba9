import { systemRandom } from '../crypto/random'
import { formatRecoveryCode, parseRecoveryCode } from '../crypto/recovery-code'
import { RECOVERY_CODE } from '../format/constants'
import type { KeyProvider } from './provider'
import { randomSecret } from './raw-key'

/** Options of `recoveryCode`. */
export interface RecoveryCodeOptions {
  /** A name for the slot, shown by tools, never secret. */
  readonly label?: string
}

/**
 * A new recovery code: 168 random bits and a checksum, as eight groups of five letters and digits. Show it once, to be
 * written down, and give it to `addKey(recoveryCode(code))`; nothing keeps it.
 */
export function generateRecoveryCode(): string {
  return formatRecoveryCode(systemRandom(RECOVERY_CODE.bytes))
}

/**
 * A code from `generateRecoveryCode`, as somebody typed it: case, spaces and dashes do not matter, and `O`, `I`, `1` and
 * `B`, which are in no code, are read as what they look like. It is random, so it is not stretched.
 *
 * @throws {TypeError} If it cannot be a code, because of its length, a character or its checksum: it was mistyped. A
 *   code that is sound and opens nothing is `ERR_WRONG_KEY` where it is used.
 */
export function recoveryCode(code: string, options: RecoveryCodeOptions = {}): KeyProvider {
  return randomSecret('recovery-code', parseRecoveryCode(code), options, 'recovery code')
}
