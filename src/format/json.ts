/** The values of keyring.json, and of what else is JSON on disk: each of one shape, or `ERR_CORRUPT`. */

import { fromBase64url } from '../base/bytes'
import { corrupt } from '../errors'

/** The object itself, if it has these fields and no others. */
export function fields(json: unknown, label: string, names: readonly string[]): Record<string, unknown> {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw corrupt(`${label}: expected an object, got something else`)
  }
  const found = Object.keys(json)
  if (found.length !== names.length || !names.every((name) => Object.hasOwn(json, name))) {
    throw corrupt(`${label}: expected the fields ${names.join(', ')}, got others`)
  }
  return json as Record<string, unknown>
}

export function list(json: unknown, label: string, most: number): readonly unknown[] {
  if (!Array.isArray(json) || json.length < 1 || json.length > most) {
    throw corrupt(`${label}: expected a list of 1 to ${most}, got something else`)
  }
  return json
}

export function integer(json: unknown, label: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(json) || (json as number) < least || (json as number) > most) {
    throw corrupt(`${label}: expected an integer from ${least} to ${most}, got something else`)
  }
  return json as number
}

/** Base64url text of exactly `length` bytes. */
export function base64url(json: unknown, label: string, length: number): Uint8Array {
  const bytes = typeof json === 'string' ? fromBase64url(json) : undefined
  if (bytes?.length !== length) throw corrupt(`${label}: expected ${length} bytes in base64url, got something else`)
  return bytes
}
