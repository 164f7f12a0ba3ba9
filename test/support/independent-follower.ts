import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'

/**
 * A follower written from docs/format.md §16 alone: no line of it is the library's. It is told the root key, which §10 is
 * about.
 */
export class IndependentFollower {
  readonly #socket: Socket
  readonly #endpoint: string
  #arrived: Buffer = Buffer.alloc(0)
  #wake: () => void = () => {}
  #keys: { readonly owner: Buffer; readonly follower: Buffer } | undefined
  #sent = 0n
  #received = 0n

  private constructor(socket: Socket, endpoint: string) {
    this.#socket = socket
    this.#endpoint = endpoint
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.#arrived = Buffer.concat([this.#arrived, bytes])
      this.#wake()
    })
  }

  /** §16.3 */
  static async join(endpoint: string, rootKey: Uint8Array, storeId: Uint8Array): Promise<IndependentFollower> {
    const socket = connect({ path: endpoint })
    const one = new IndependentFollower(socket, endpoint)
    const channelKey = derived(rootKey, 'secret-store/v1/channel', storeId)
    const nonce = randomBytes(32)
    socket.write(Buffer.concat([Buffer.from('SSCH'), Buffer.of(0, 1), nonce]))
    const answer = await one.#take(64)
    const nonces = Buffer.concat([nonce, answer.subarray(0, 32)])
    const said = Buffer.concat([Buffer.of(0, 1), nonces, Buffer.from(endpoint)])
    const proof = (role: string): Buffer => createHmac('sha256', channelKey).update(`${role}\0`).update(said).digest()
    if (!proof('owner').equals(answer.subarray(32))) throw new Error('expected the proof of the owner')
    socket.write(proof('follower'))
    const context = Buffer.concat([nonces, Buffer.from(one.#endpoint)])
    one.#keys = {
      owner: derived(channelKey, 'secret-store/v1/frames-owner', context),
      follower: derived(channelKey, 'secret-store/v1/frames-follower', context),
    }
    return one
  }

  /** §16.4, of a message of one frame */
  send(message: Uint8Array): void {
    const plaintext = Buffer.concat([Buffer.of(1), message])
    const length = u32(plaintext.length + 16)
    const sealed = xchacha20poly1305(this.#keys?.follower as Buffer, nonceOf(this.#sent++), length).encrypt(plaintext)
    this.#socket.write(Buffer.concat([length, sealed]))
  }

  /** §16.4 */
  async receive(): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (;;) {
      const length = await this.#take(4)
      const sealed = await this.#take(length.readUInt32BE())
      const key = this.#keys?.owner as Buffer
      const plaintext = Buffer.from(xchacha20poly1305(key, nonceOf(this.#received++), length).decrypt(sealed))
      pieces.push(plaintext.subarray(1))
      if (plaintext[0] === 1) return Buffer.concat(pieces)
    }
  }

  end(): void {
    this.#socket.destroy()
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#arrived.length < length) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const taken = this.#arrived.subarray(0, length)
    this.#arrived = this.#arrived.subarray(length)
    return taken
  }
}

/** §3.2 */
function derived(key: Uint8Array, label: string, context: Uint8Array): Buffer {
  const info = Buffer.concat([Buffer.from(label), Buffer.of(0), context])
  return Buffer.from(hkdfSync('sha256', key, new Uint8Array(), info, 32))
}

function nonceOf(number: bigint): Buffer {
  const nonce = Buffer.alloc(24)
  nonce.writeBigUInt64BE(number, 16)
  return nonce
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
