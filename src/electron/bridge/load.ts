import { turnOfLoop } from '../../base/waiting'
import { SecretStoreError } from '../../errors'

/** What may wait at once, of one frame: beyond it, calls are refused. Of payloads, characters or bytes. */
const MOST_CALLS = 1000
const MOST_PAYLOAD_BYTES: number = 64 * 1024 * 1024

interface Load {
  calls: number
  payloadBytes: number
  lastRead: Promise<void>
}

/** What the frames have asked for and not got yet. Each has its own, so that none can block the others. */
export class Loads {
  readonly #loads = new WeakMap<object, Load>()

  /**
   * Does the work, or refuses it. Reads of one frame go one by one, with a turn for everybody else in between: how much
   * memory and time they take is not in what is asked.
   */
  async within<T>(frame: object, asked: { payloadBytes: number; isRead: boolean }, work: () => Promise<T>): Promise<T> {
    const load = this.#loads.get(frame) ?? { calls: 0, payloadBytes: 0, lastRead: Promise.resolve() }
    this.#loads.set(frame, load)
    if (load.calls >= MOST_CALLS) throw busy(`at most ${MOST_CALLS} calls at once`)
    if (load.payloadBytes + asked.payloadBytes > MOST_PAYLOAD_BYTES) {
      throw busy(`at most ${MOST_PAYLOAD_BYTES} characters or bytes of payload at once`)
    }
    load.calls++
    load.payloadBytes += asked.payloadBytes
    try {
      return await (asked.isRead ? inTurn(load, work) : work())
    } finally {
      load.calls--
      load.payloadBytes -= asked.payloadBytes
    }
  }
}

function inTurn<T>(load: Load, work: () => Promise<T>): Promise<T> {
  const read = load.lastRead.then(work)
  load.lastRead = read.then(turnOfLoop, turnOfLoop)
  return read
}

function busy(expected: string): SecretStoreError {
  return new SecretStoreError('ERR_BUSY', `secrets: expected ${expected}, got more`)
}
