import { fromBase64url, isBytes, toBase64url } from '../base/bytes'
import { kindOf } from '../base/checks'
import type { BatchOperation, TargetParams } from '../input/params'

/** What Keyv keeps under a key: text, or bytes if its serializer makes those. */
export type KeyvValue = string | Uint8Array

export interface KeyvEntry {
  readonly value: KeyvValue
  /** Unix **milliseconds** from which on it is gone, or `undefined` for never. The store knows whole seconds alone. */
  readonly endMs: number | undefined
}

/**
 * The payload of an entry. Text is kept as it is. One colon before it says that it is empty or begins with a colon
 * itself, so that `:end:1700000000123:` and `:bytes:` can stand before what has an end, or is no text.
 */
export function encodeEntry({ value, endMs }: KeyvEntry): string {
  return (endMs === undefined ? '' : `:end:${endMs}:`) + encodeValue(value)
}

/** @throws {TypeError} If no adapter has written it. */
export function decodeEntry(payload: string): KeyvEntry {
  const [before, endMs] = /^:end:(\d{1,16}):/.exec(payload) ?? ['']
  return {
    value: decodeValue(payload.slice(before.length)),
    endMs: endMs === undefined ? undefined : Number(endMs),
  }
}

const BYTES = ':bytes:'

function encodeValue(value: KeyvValue): string {
  if (typeof value !== 'string') return BYTES + toBase64url(value)
  return value === '' || value.startsWith(':') ? `:${value}` : value
}

function decodeValue(text: string): KeyvValue {
  if (text !== '' && !text.startsWith(':')) return text
  if (text === ':' || text.startsWith('::')) return text.slice(1)
  const bytes = text.startsWith(BYTES) ? fromBase64url(text.slice(BYTES.length)) : undefined
  if (bytes === undefined) throw new TypeError("entry: expected one of an adapter's, got another secret in its scope")
  return bytes
}

/** The first whole second in which it is over for sure. */
function secondAfter(endMs: number): number {
  return Math.floor(endMs / 1000) + 1
}

/** What writes a value: one that has ended by now is deleted. @throws {TypeError} If it is neither text nor bytes. */
export function writeOf(
  target: TargetParams,
  value: unknown,
  endMs: number | undefined,
  nowMs: number,
): BatchOperation {
  if (typeof value !== 'string' && !isBytes(value)) {
    throw new TypeError(`value: expected text or bytes, got ${kindOf(value)} (from a serializer that is off?)`)
  }
  if (endMs !== undefined && endMs <= nowMs) return { type: 'delete', ...target }
  const payload = encodeEntry({ value, endMs })
  return { type: 'set', ...target, payload, expires_at: endMs === undefined ? null : secondAfter(endMs) }
}

/** The value of a payload, if there is one and it has not ended. @throws {TypeError} As `decodeEntry`. */
export function liveValue(payload: string | undefined, nowMs: number): KeyvValue | undefined {
  if (payload === undefined) return undefined
  const { value, endMs } = decodeEntry(payload)
  return endMs === undefined || nowMs < endMs ? value : undefined
}
