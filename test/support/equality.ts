import { expect } from 'vitest'

/** Bytes are compared as bytes: going through them as objects takes a good part of a run. */
expect.addEqualityTesters([
  (a: unknown, b: unknown): boolean | undefined =>
    a instanceof Uint8Array && b instanceof Uint8Array && Object.getPrototypeOf(a) === Object.getPrototypeOf(b)
      ? Buffer.compare(a, b) === 0
      : undefined,
])
