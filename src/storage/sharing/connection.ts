import { concat, concatAll } from '../../base/bytes'
import { type ChannelSeal, frameBytes } from '../../crypto/channel'
import { corrupt } from '../../errors'
import { CHANNEL } from '../../format/constants'
import type { Wire } from '../../platform/local-socket'

/** The last frame of a message begins with 1, those before it with 0. */
const [MORE, LAST] = [0, 1]
const PIECE_BYTES: number = CHANNEL.mostFrameBytes - 1
/** A record has at most 1 GiB of payload. */
const MOST_MESSAGE_BYTES: number = 2 ** 30 + 2 ** 24

/** Cuts what arrives into pieces of given lengths. */
export class Pieces {
  #parts: Uint8Array[] = []
  #bytes = 0

  /** How many wait to be taken. */
  get bytes(): number {
    return this.#bytes
  }

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#bytes += bytes.length
  }

  /** @returns The first `length` bytes, which stay; `undefined` if there are fewer. */
  peek(length: number): Uint8Array | undefined {
    if (this.#bytes < length) return undefined
    if ((this.#parts[0]?.length ?? 0) < length) this.#parts = [concatAll(this.#parts)]
    return (this.#parts[0] ?? new Uint8Array()).subarray(0, length)
  }

  /** The same, and they are taken. */
  take(length: number): Uint8Array | undefined {
    const taken = this.peek(length)
    const [first, ...rest] = this.#parts
    if (taken === undefined || first === undefined) return taken
    this.#parts = first.length === length ? rest : [first.subarray(length), ...rest]
    this.#bytes -= length
    return taken
  }
}

/** Messages over a wire, sealed. Whatever is wrong with what arrives ends it. */
export class Connection {
  readonly #wire: Wire
  readonly #seal: ChannelSeal
  readonly #received: Pieces
  #message: Uint8Array[] = []
  #messageBytes = 0
  #ended = false

  /**
   * @param early - What had arrived behind the handshake.
   * @param onMessage - What it throws ends the connection.
   */
  constructor(
    wire: Wire,
    seal: ChannelSeal,
    early: Pieces,
    onMessage: (message: Uint8Array) => void,
    onEnd: () => void,
  ) {
    this.#wire = wire
    this.#seal = seal
    this.#received = early
    const take = (): void => {
      try {
        for (let message = this.#next(); message !== undefined && !this.#ended; message = this.#next())
          onMessage(message)
      } catch {
        this.end()
      }
    }
    wire.onBytes((bytes) => {
      if (this.#ended) return
      this.#received.push(bytes)
      take()
    })
    wire.onEnd(() => {
      this.#ended = true
      seal.wipe()
      onEnd()
    })
    queueMicrotask(take)
  }

  get waitingBytes(): number {
    return this.#wire.waitingBytes
  }

  send(message: Uint8Array): void {
    if (this.#ended) return
    for (let start = 0; ; start += PIECE_BYTES) {
      const isLast = start + PIECE_BYTES >= message.length
      const piece = message.subarray(start, start + PIECE_BYTES)
      this.#wire.send(this.#seal.seal(concat(Uint8Array.of(isLast ? LAST : MORE), piece)))
      if (isLast) return
    }
  }

  keepAlive(isKept: boolean): void {
    this.#wire.keepAlive(isKept)
  }

  /** Ends it when what was sent has been taken. */
  finish(): void {
    this.#wire.finish()
  }

  end(): void {
    this.#ended = true
    this.#wire.end()
  }

  /** @throws {SecretStoreError} `ERR_CORRUPT`. */
  #next(): Uint8Array | undefined {
    for (;;) {
      const prefix = this.#received.peek(CHANNEL.lengthBytes)
      const frame = prefix && this.#received.take(CHANNEL.lengthBytes + frameBytes(prefix))
      if (frame === undefined) return undefined
      const plaintext = this.#seal.open(frame)
      const piece = plaintext.subarray(1)
      this.#message.push(piece)
      this.#messageBytes += piece.length
      if (this.#messageBytes > MOST_MESSAGE_BYTES)
        throw corrupt('channel: expected a message of bounded length, got more')
      if (plaintext[0] !== LAST) continue
      const message = this.#message.length === 1 ? piece : concatAll(this.#message)
      this.#message = []
      this.#messageBytes = 0
      return message
    }
  }
}
