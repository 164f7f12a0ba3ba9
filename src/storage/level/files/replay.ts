import { hasChecksum } from './checksum'
import { BLOCK_BYTES, HEADER_BYTES, TYPE } from './log-format'

/** Told of what LevelDB comes to as it reads a log. */
export interface Replay {
  /** A record that it takes, whole; the bytes are good until this returns. */
  onRecord(record: Uint8Array): void
  /** Something that it passes over, and says so. */
  onDrop(): void
}

const FIRST_RECORD_BYTES = 2 * BLOCK_BYTES

/**
 * Reads a log, or a MANIFEST, exactly as LevelDB itself does (LevelDB, db/log_reader.cc): what is damaged is left out, up to
 * the end of its block, and so is a last record that has no end. A recovery reads more of a damaged log: `logParts`.
 */
export class LogReplay {
  readonly #told: Replay
  readonly #mostRecordBytes: number
  /** The beginning of a block. */
  readonly #block = new Uint8Array(BLOCK_BYTES)
  #filled = 0
  /** The beginning of a record that goes on in the next block. */
  #record = new Uint8Array(FIRST_RECORD_BYTES)
  #recordBytes = 0
  #isWithin = false
  /** Whether a record was longer than any can be. */
  isTooLong = false

  /** @param mostRecordBytes - Of a longer record no more is kept. */
  constructor(mostRecordBytes: number, told: Replay) {
    this.#mostRecordBytes = mostRecordBytes
    this.#told = told
  }

  /** The next bytes of the file, however many. */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.subarray(at, at + BLOCK_BYTES - this.#filled)
      this.#block.set(taken, this.#filled)
      this.#filled += taken.length
      at += taken.length
      if (this.#filled < BLOCK_BYTES) return
      this.#read(this.#block, false)
      this.#filled = 0
    }
  }

  /** That there are no more. A record that the file ends in was never acknowledged, and is nothing to LevelDB. */
  end(): void {
    this.#read(this.#block.subarray(0, this.#filled), true)
  }

  #read(block: Uint8Array, isLast: boolean): void {
    for (let at = 0; block.length - at >= HEADER_BYTES; ) {
      const type = block[at + 6] as number
      const length = (block[at + 4] as number) + (block[at + 5] as number) * 256
      const end = at + HEADER_BYTES + length
      if (end > block.length) {
        if (!isLast) this.#spoil(true)
        return
      }
      // A region that was allocated and never written.
      if (type === 0 && length === 0) {
        this.#spoil(false)
        return
      }
      if (!hasChecksum(block, at, at + 6, end)) {
        this.#spoil(true)
        return
      }
      this.#piece(type, block.subarray(at + HEADER_BYTES, end))
      at = end
    }
  }

  /** The rest of a block is left out, and with it the record that it goes on with. */
  #spoil(isTold: boolean): void {
    if (isTold || this.#isWithin) this.#told.onDrop()
    this.#isWithin = false
  }

  #piece(type: number, bytes: Uint8Array): void {
    if (type === TYPE.full || type === TYPE.first) {
      if (this.#isWithin && this.#recordBytes > 0) this.#told.onDrop()
      this.#isWithin = type === TYPE.first
      this.#recordBytes = 0
      if (this.#isWithin) this.#append(bytes)
      else this.#told.onRecord(bytes)
      return
    }
    if (!this.#isWithin || (type !== TYPE.middle && type !== TYPE.last)) {
      this.#isWithin = false
      this.#told.onDrop()
      return
    }
    this.#append(bytes)
    if (type === TYPE.middle || this.isTooLong) return
    this.#isWithin = false
    this.#told.onRecord(this.#record.subarray(0, this.#recordBytes))
  }

  #append(bytes: Uint8Array): void {
    const length = this.#recordBytes + bytes.length
    if (length > this.#mostRecordBytes) {
      this.isTooLong = true
      this.#isWithin = false
      return
    }
    if (length > this.#record.length) {
      const longer = new Uint8Array(Math.max(2 * this.#record.length, length))
      longer.set(this.#record.subarray(0, this.#recordBytes))
      this.#record = longer
    }
    this.#record.set(bytes, this.#recordBytes)
    this.#recordBytes = length
  }
}
