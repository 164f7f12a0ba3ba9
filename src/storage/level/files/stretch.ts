import type { Write } from './batch'

/** A part of a file: what a checksum vouches for, or what none does. */
export interface Stretch {
  /** Those of a sound part; of a damaged one there are none yet. */
  readonly writes: readonly Write[]
  /** What is to be searched: bytes of which nobody knows what they are. */
  readonly damaged: Uint8Array | undefined
  /** How many bytes of the file are not as they were written. */
  readonly damagedBytes: number
}

export function sound(writes: readonly Write[]): Stretch {
  return { writes, damaged: undefined, damagedBytes: 0 }
}

/** @param damagedBytes - The length that it has in the file. */
export function damaged(bytes: Uint8Array, damagedBytes: number = bytes.length): Stretch {
  return { writes: [], damaged: bytes, damagedBytes }
}
