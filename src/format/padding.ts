/**
 * The Padmé length for `length` bytes: at most 12 % more, and of sizes up to M only O(log log M) bits leak (Nikitin et
 * al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019, §4).
 */
export function padmeLength(length: number): number {
  if (length < 2) return length
  const exponent = floorLog2(length)
  const mantissaBits = floorLog2(exponent) + 1
  const step = 2 ** (exponent - mantissaBits)
  return step <= 1 ? length : Math.ceil(length / step) * step
}

/** @param value - At least 1. */
function floorLog2(value: number): number {
  return value < 2 ** 32 ? 31 - Math.clz32(value) : Math.floor(Math.log2(value))
}

/** Appends zeros up to the Padmé length, in a copy if there are any. The content must say its own length. */
export function pad(content: Uint8Array): Uint8Array {
  const length = padmeLength(content.length)
  if (length === content.length) return content
  const padded = new Uint8Array(length)
  padded.set(content)
  return padded
}

/** Whether `padded` is exactly `pad` of its first `length` bytes. */
export function isPadded(padded: Uint8Array, length: number): boolean {
  if (padded.length !== padmeLength(length)) return false
  for (let i = length; i < padded.length; i++) if (padded[i] !== 0) return false
  return true
}
