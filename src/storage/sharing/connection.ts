import { concat, concatAll } from '../../base/bytes'
import { type ChannelSeal, frameBytes } from '../../crypto/channel'
import { corrupt, SecretStoreError } from '../../errors'
import { CHANNEL } from '../../format/constants'
import type { Wire } from '../../platform/local-socket'

/** The last frame of a message begins with 1, those before it with 0. */
const [MORE, LAST] = [0, 1]
/** What a frame has of a message; all but the last have as much. */
const PIECE_BYTES: number = CHANNEL.mostFrameBytes - 1

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

/** Messages over a wire, sealed. Whatever is wrong with what arrives ends it, without a word to the other end. */
export class Connection {
  readonly #wire: Wire
  readonly #seal: ChannelSeal
  readonly #received: Pieces
  readonly #onPiece: () => void
  readonly #mostMessageBytes: number
  /** Of a message whose last frame has not come. */
  #message: Uint8Array[] = []
  #messageBytes = 0
  #sentBytes = 0
  /** Whether messages go out. */
  #isOpen = true
  /** Whether they come in. */
  #isHearing = true

  /**
   * @param early - What had arrived after the handshake.
   * @param onMessage - What it throws ends the connection.
   * @param onEnd - Called once.
   * @param onPiece - Called with each piece of a long message but the last.
   * @param mostMessageBytes - Of a longer message nothing is kept, and none is sent.
   */
  constructor(
    wire: Wire,
    seal: ChannelSeal,
    early: Pieces,
    onMessage: (message: Uint8Array) => void,
    onEnd: () => void,
    onPiece: () => void = () => {},
    mostMessageBytes: number = CHANNEL.mostMessageBytes,
  ) {
    this.#wire = wire
    this.#seal = seal
    this.#received = early
    this.#onPiece = onPiece
    this.#mostMessageBytes = mostMessageBytes
    const take = (): void => {
      try {
        while (this.#isHearing) {
          const message = this.#next()
          if (message === undefined) return
          onMessage(message)
        }
      } catch {
        this.end()
      }
    }
    wire.onBytes((bytes) => {
      if (!this.#isHearing) return
      this.#received.push(bytes)
      take()
    })
    wire.onEnd(() => {
      this.deafen()
      this.#isOpen = false
      seal.wipe()
      onEnd()
    })
    queueMicrotask(take)
  }

  /** All that was sent, with what sealing adds. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /** Those of them that the other end has not taken. */
  get waitingBytes(): number {
    return this.#wire.waitingBytes
  }

  /** @throws {SecretStoreError} `ERR_IO` if the message is longer than the other end would take. */
  send(message: Uint8Array): void {
    if (!this.#isOpen) return
    if (message.length > this.#mostMessageBytes) {
      const expected = `sharing: expected at most ${this.#mostMessageBytes} bytes for another process`
      throw new SecretStoreError('ERR_IO', `${expected}, got ${message.length}`)
    }
    for (let start = 0; ; start += PIECE_BYTES) {
      const isLast = start + PIECE_BYTES >= message.length
      const piece = message.subarray(start, start + PIECE_BYTES)
      const frame = this.#seal.seal(concat(Uint8Array.of(isLast ? LAST : MORE), piece))
      this.#sentBytes += frame.length
      this.#wire.send(frame)
      if (isLast) return
    }
  }

  /** Takes no message any more. What was asked by now is still answered. */
  deafen(): void {
    this.#isHearing = false
  }

  /** Takes and sends no message any more, and ends when what was sent has been taken. */
  finish(): void {
    this.deafen()
    this.#isOpen = false
    this.#wire.finish()
  }

  end(): void {
    this.deafen()
    this.#isOpen = false
    this.#wire.end()
  }

  /** The next whole message, if it is there. @throws {SecretStoreError} `ERR_CORRUPT`. */
  #next(): Uint8Array | undefined {
    for (;;) {
      const prefix = this.#received.peek(CHANNEL.lengthBytes)
      const frame = prefix && this.#received.take(CHANNEL.lengthBytes + frameBytes(prefix))
      if (frame === undefined) return undefined
      const plaintext = this.#seal.open(frame)
      const piece = plaintext.subarray(1)
      const isLast = plaintext[0] === LAST
      if (!isLast && (plaintext[0] !== MORE || piece.length !== PIECE_BYTES))
        throw corrupt('channel: expected a whole frame or the last one, got neither')
      this.#message.push(piece)
      this.#messageBytes += piece.length
      if (this.#messageBytes > this.#mostMessageBytes)
        throw corrupt('channel: expected a message of bounded length, got a longer one')
      if (!isLast) {
        this.#onPiece()
        continue
      }
      const message = this.#message.length === 1 ? piece : concatAll(this.#message)
      this.#message = []
      this.#messageBytes = 0
      return message
    }
  }
}
