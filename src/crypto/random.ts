/** Where nonces, keys, salts and ids come from. Tests that reproduce exact bytes pass their own. */
export type Random = (lengthBytes: number) => Uint8Array

/** The platform's cryptographic generator (Web Crypto). */
export const systemRandom: Random = (lengthBytes) => crypto.getRandomValues(new Uint8Array(lengthBytes))
