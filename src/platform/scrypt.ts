import { scrypt } from 'node:crypto'

/** scrypt (RFC 7914), off the main thread. */
export function nativeScrypt(
  password: Uint8Array,
  salt: Uint8Array,
  cost: { readonly N: number; readonly r: number; readonly p: number },
  lengthBytes: number,
): Promise<Uint8Array> {
  // OpenSSL counts 128·r·(N + p + 2) bytes; by default Node allows it 32 MiB.
  const maxmem = 128 * cost.r * (cost.N + cost.p + 2) + 1024 * 1024
  return new Promise((resolve, reject) => {
    scrypt(password, salt, lengthBytes, { ...cost, maxmem }, (error, key) => {
      if (error) reject(error)
      else resolve(new Uint8Array(key))
    })
  })
}
