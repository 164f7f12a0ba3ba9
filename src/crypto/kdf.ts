import { argon2idAsync } from '@noble/hashes/argon2.js'
import { unmoved } from '../base/bytes'
import { corrupt } from '../errors'
import { ARGON2ID, KEY_BYTES, SCRYPT } from '../format/constants'
import { nativeScrypt } from '../platform/scrypt'

/** scrypt: CPU and memory cost (a power of two), block size, parallelism. Argon2id: memory in KiB, passes, lanes. */
export type Kdf =
  | { readonly kdf: 'scrypt'; readonly N: number; readonly r: number; readonly p: number }
  | { readonly kdf: 'argon2id'; readonly m: number; readonly t: number; readonly p: number }

/** What is wrong with a cost, if anything: below the floor it is cheap to guess, above the ceiling too much work. */
export function costProblem(kdf: Kdf): string | undefined {
  const { floor, ceiling } = kdf.kdf === 'scrypt' ? SCRYPT : ARGON2ID
  for (const [name, least] of Object.entries(floor)) {
    const most = (ceiling as Readonly<Record<string, number>>)[name] as number
    const value = (kdf as unknown as Readonly<Record<string, number>>)[name] as number
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      return `${kdf.kdf} ${name}: expected an integer from ${least} to ${most}, got ${String(value)}`
    }
  }
  if (kdf.kdf === 'scrypt') {
    if (!Number.isInteger(Math.log2(kdf.N))) return `scrypt N: expected a power of two, got ${kdf.N}`
    if (128 * kdf.N * kdf.r > SCRYPT.maxMemoryBytes) return `scrypt N·r: expected at most 1 GiB of memory, got more`
  }
  return undefined
}

/**
 * Stretches a passphrase into 32 bytes: scrypt (RFC 7914) or Argon2id version 1.3 (RFC 9106).
 *
 * @param salt - 16 bytes.
 * @throws {SecretStoreError} `ERR_CORRUPT` if the cost is outside its bounds.
 */
export async function stretch(password: Uint8Array, salt: Uint8Array, kdf: Kdf): Promise<Uint8Array> {
  const problem = costProblem(kdf)
  if (problem !== undefined) throw corrupt(problem)
  if (kdf.kdf === 'argon2id') {
    return unmoved(
      await argon2idAsync(password, salt, { m: kdf.m, t: kdf.t, p: kdf.p, dkLen: KEY_BYTES, asyncTick: 20 }),
    )
  }
  return nativeScrypt(password, salt, { N: kdf.N, r: kdf.r, p: kdf.p }, KEY_BYTES)
}
