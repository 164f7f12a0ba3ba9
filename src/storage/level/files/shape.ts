import { FORMAT_VERSION, ROW } from '../../../format/constants'
import { IDENTITY_BYTES } from '../../../format/envelope'

const SORTS: ReadonlySet<number> = new Set(Object.values(ROW))

/** Whether every key that begins so is of no sort of row. */
export function isForeignKey(first: number | undefined): boolean {
  return first === undefined || !SORTS.has(first)
}

/** Whether some sort of row has a value that begins so. */
export function canBeValue(first: number | undefined): boolean {
  return first === FORMAT_VERSION || first === ROW.record
}

/**
 * Whether bytes can be a write of a store: by what every row has, so that a search among any bytes finds few others. Of
 * deletions, those of records are looked for.
 *
 * @param value - `undefined` for a deletion.
 */
export function looksLikeWrite(key: Uint8Array, value: Uint8Array | undefined): boolean {
  if (value === undefined) return key[0] === ROW.record && key.length > 1
  switch (key[0]) {
    case ROW.head:
      return key.length === 1 && looksLikeEnvelope(value)
    case ROW.record:
    case ROW.payload:
      return key.length > 1 && looksLikeEnvelope(value)
    case ROW.id:
    case ROW.expiry:
      return key.length > 1 && value[0] === ROW.record
    default:
      return false
  }
}

function looksLikeEnvelope(value: Uint8Array): boolean {
  return value[0] === FORMAT_VERSION && value.length >= IDENTITY_BYTES
}
