/** The libraries that can seal and open. */
export type AeadLibrary = '@noble/ciphers' | 'node:crypto' | 'sodium-native'

/** Which library works on plaintexts from a length on. */
export interface AeadUse {
  /** The library that seals and opens. */
  readonly library: AeadLibrary
  /** The least length of a plaintext that goes to it. */
  readonly fromBytes: number
}

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), as one library has it. All of them give the same bytes; lengths have
 * been checked when one is called.
 */
export interface Aead {
  /** In order of length, the first from 0. */
  readonly uses: readonly AeadUse[]
  /** @param out - Takes ciphertext ‖ tag: the plaintext's length and 16 bytes. */
  encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, context: Uint8Array, out: Uint8Array): void
  /**
   * @param out - Where the plaintext may be written, if it is long enough.
   * @returns The plaintext, in `out` or in memory of its own; `undefined` if the tag is not that of `sealed`.
   */
  decrypt(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    context: Uint8Array,
    out?: Uint8Array,
  ): Uint8Array | undefined
}
