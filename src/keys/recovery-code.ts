import { systemRandom } from '../crypto/random'
import { formatRecoveryCode, parseRecoveryCode } from '../crypto/recovery-code'
import { RECOVERY_CODE, SLOT_KIND } from '../format/constants'
import type { KeyProvider } from './provider'
import { randomSecret } from './raw-key'

/** What `recoveryCode` takes beside the code. */
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
 * A code from `generateRecoveryCode`, as somebody typed it. Case, spaces and dashes do not matter. `O`, `I`, `1` and
 * `B`, which are in no code, are read as what they look like. It is random, so it is not stretched.
 *
 * @throws {TypeError} If it was mistyped. A sound code that opens nothing is `ERR_WRONG_KEY` where it is used.
 */
export function recoveryCode(code: string, options: RecoveryCodeOptions = {}): KeyProvider {
  return randomSecret(SLOT_KIND.recoveryCode, parseRecoveryCode(code), options, 'recovery code')
}
