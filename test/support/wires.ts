import type { Wire } from '../../src/platform/local-socket'

/** One end of a wire of a test: what it sends goes to `sent`, and what it receives comes from the test. */
export interface TestWire {
  readonly wire: Wire
  /** Everything that was sent, piece by piece. */
  readonly sent: Uint8Array[]
  readonly isEnded: boolean
  /** How many bytes the other end is said not to have taken. */
  waitingBytes: number
  receive(bytes: Uint8Array): void
}

export function testWire(): TestWire {
  const sent: Uint8Array[] = []
  const onEnds: (() => void)[] = []
  let onBytes: (bytes: Uint8Array) => void = () => {}
  let isEnded = false
  const end = (): void => {
    if (isEnded) return
    isEnded = true
    for (const listener of onEnds) queueMicrotask(listener)
  }
  const one = {
    sent,
    waitingBytes: 0,
    get isEnded() {
      return isEnded
    },
    receive(bytes: Uint8Array) {
      if (!isEnded) onBytes(bytes)
    },
    wire: {
      get waitingBytes() {
        return one.waitingBytes
      },
      send: (bytes: Uint8Array) => void sent.push(bytes.slice()),
      end,
      finish: end,
      onBytes(listener: (bytes: Uint8Array) => void) {
        onBytes = listener
      },
      onEnd: (listener: () => void) => void (isEnded ? queueMicrotask(listener) : onEnds.push(listener)),
    },
  }
  return one
}

/** Two ends whose bytes arrive in pieces of the given lengths, over and over; `pump` delivers what was sent by now. */
export function wirePair(lengths: readonly number[] = [2 ** 30]): {
  readonly follower: TestWire
  readonly owner: TestWire
  readonly pump: () => void
} {
  const [follower, owner] = [testWire(), testWire()]
  let n = 0
  const carry = (from: TestWire, to: TestWire): boolean => {
    const bytes = Buffer.concat(from.sent.splice(0))
    for (let start = 0; start < bytes.length; n++) {
      const length = lengths[n % lengths.length] as number
      to.receive(bytes.subarray(start, start + length))
      start += length
    }
    return bytes.length > 0
  }
  const pump = (): void => {
    for (let isMoved = true; isMoved; ) isMoved = [carry(follower, owner), carry(owner, follower)].includes(true)
  }
  return { follower, owner, pump }
}
