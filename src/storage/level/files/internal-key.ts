import { KEY_TAG_BYTES, SORT } from './block'
import { u32 } from './coding'

/** A key as tables have it: the key of the row, then eight bytes of tag, its number and sort (LevelDB, db/dbformat.h). */

/** Whether it ends in a tag of a sort that there is. LevelDB aborts at a key that is too short for one. */
export function isInternalKey(key: Uint8Array): boolean {
  const sort = key[key.length - KEY_TAG_BYTES]
  return key.length >= KEY_TAG_BYTES && (sort === SORT.deletion || sort === SORT.value)
}

/** The order of tables: by the row, the newest write first. */
export function compareInternal(a: Uint8Array, b: Uint8Array): number {
  const [aEnd, bEnd] = [a.length - KEY_TAG_BYTES, b.length - KEY_TAG_BYTES]
  const shared = Math.min(aEnd, bEnd)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return aEnd - bEnd || u32(b, bEnd + 4) - u32(a, aEnd + 4) || u32(b, bEnd) - u32(a, aEnd)
}
