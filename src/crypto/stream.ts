import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ByteWriter } from '../base/byte-codec'
import type { ByteStreamReader } from '../base/byte-stream'
import { concatAll } from '../base/bytes'
import { corrupt } from '../errors'
import { CHUNK_BYTES, CHUNK_COUNTER_BYTES, TAG_BYTES } from '../format/constants'

/**
 * STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance", CRYPTO 2015, §5) as age has it (C2SP, age.md, "Payload"): ChaCha20-Poly1305 (RFC 8439) over chunks
 * of 64 KiB, the nonce an 11-byte counter and a byte that says whether the chunk is the last.
 */
export class ChunkSealer {
  readonly #key: Uint8Array
  #counter = 0
  #waiting: Uint8Array[] = []
  #waitingBytes = 0

  /** @param key - 32 bytes, of this one stream; overwritten at the end. */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** @returns The chunks that are full. */
  push(plaintext: Uint8Array): Uint8Array {
    this.#waiting.push(plaintext)
    this.#waitingBytes += plaintext.length
    if (this.#waitingBytes <= CHUNK_BYTES) return new Uint8Array()
    const bytes = concatAll(this.#waiting)
    const chunks: Uint8Array[] = []
    let start = 0
    // A chunk that is just full may be the last, so it waits.
    for (; bytes.length - start > CHUNK_BYTES; start += CHUNK_BYTES) {
      chunks.push(this.#seal(bytes.subarray(start, start + CHUNK_BYTES), false))
    }
    this.#waiting = [bytes.slice(start)]
    this.#waitingBytes = bytes.length - start
    return concatAll(chunks)
  }

  /** @returns The last chunk. */
  end(): Uint8Array {
    const chunk = this.#seal(concatAll(this.#waiting), true)
    this.wipe()
    return chunk
  }

  wipe(): void {
    this.#key.fill(0)
    this.#waiting = []
  }

  #seal(plaintext: Uint8Array, last: boolean): Uint8Array {
    return chacha20poly1305(this.#key, chunkNonce(this.#counter++, last)).encrypt(plaintext)
  }
}

/**
 * The inverse of `ChunkSealer`: plaintext, each piece authenticated before it is handed out.
 *
 * @param key - 32 bytes.
 * @throws {SecretStoreError} `ERR_CORRUPT` where the stream is altered or cut off.
 */
export async function* openChunks(key: Uint8Array, source: ByteStreamReader): AsyncGenerator<Uint8Array, void> {
  for (let counter = 0, last = false; !last; counter++) {
    const chunk = await source.readUpTo(CHUNK_BYTES + TAG_BYTES)
    last = await source.atEnd()
    let plaintext: Uint8Array
    try {
      plaintext = chacha20poly1305(key, chunkNonce(counter, last)).decrypt(chunk)
    } catch (cause) {
      const got = last ? 'one that is altered or cut off' : 'altered bytes'
      throw corrupt(`backup: expected chunk ${counter} as it was written, got ${got}`, cause)
    }
    if (plaintext.length === 0 && counter > 0) throw corrupt('backup: expected bytes in its last chunk, got none')
    yield plaintext
  }
}

function chunkNonce(counter: number, last: boolean): Uint8Array {
  return new ByteWriter()
    .raw(new Uint8Array(CHUNK_COUNTER_BYTES - 8))
    .u64(counter)
    .u8(last ? 1 : 0)
    .bytes()
}
