/** Where nonces, keys, salts and ids come from. Tests that reproduce exact bytes pass their own. */
export type Random = (lengthBytes: number) => Uint8Array

/** The platform's cryptographic generator (Web Crypto). */
export const systemRandom: Random = (lengthBytes) => crypto.getRandomValues(new Uint8Array(lengthBytes))

const POOL_BYTES = 4096
let pool: Uint8Array = new Uint8Array()

/**
 * The same generator, asked for much at a time; for what may be known, such as nonces and ids. What is handed out is
 * kept nowhere. Keys are not drawn from it, since what is not handed out yet lies in memory.
 */
export const publicRandom: Random = (lengthBytes) => {
  if (lengthBytes > POOL_BYTES) return systemRandom(lengthBytes)
  if (lengthBytes > pool.length) pool = systemRandom(POOL_BYTES)
  const bytes = pool.slice(0, lengthBytes)
  pool = pool.subarray(lengthBytes)
  return bytes
}
