import { concat, equal, keyAfter, toBase64url } from '../../base/bytes'
import type { Shortlist } from '../../base/shortlist'
import { ROW } from '../../format/constants'
import { ERASURE_ROWS, HEAD_ROW, prefixRange, type Span } from '../../storage/keyspace'
import { openKnown } from '../../storage/records'
import { takenOver } from '../../storage/refusal'
import { isSession } from '../../storage/sharing/session'
import type { Verifiable, VerifyProblem } from './report'
import { belongs, type Counts, countChanges, noCounts, SECONDARY_ROWS, type Secondary } from './secondary-rows'

const COUNT_KEYS = 1000
const LOOK_KEYS = 64
/** Above every key that LevelDB would hold here: ours are shorter. */
const HIGHEST_KEY: Uint8Array = new Uint8Array(32 * 1024).fill(0xff)
const SECONDARY: ReadonlyMap<number, Secondary> = new Map(SECONDARY_ROWS)

/** Work in steps, each at a turn of the queue. */
export interface Steps {
  /** @returns Whether there is more. */
  step(): Promise<boolean>
}

export interface KeyWalk extends Steps {
  stop(): void
  /**
   * Walks over the sorts of rows of which there are more than the records should have, less those that were not found:
   * they look for the rows that belong to no record.
   */
  surplus(expected: Counts, absent: Counts): readonly Steps[]
}

/**
 * Goes over all keys, the empty one included: each is of a known sort, and the secondary ones are counted. A compaction
 * that was cut off leaves its two behind, which are empty.
 */
export function keyWalk({ engine, keyring, queue }: Verifiable, problems: Shortlist<VerifyProblem>): KeyWalk {
  const counts = noCounts()
  let position: Uint8Array = new Uint8Array()
  let isOutdated = false
  const stop = queue.listen((replacements) => {
    if (replacements === undefined) isOutdated = true
    for (const replacement of replacements ?? []) countChanges(counts, replacement, position)
  })
  const isDerived = (key: Uint8Array): boolean =>
    key[0] === ROW.derived && key.length > 1 && keyring.file.lineage !== undefined
  return {
    stop,
    async step() {
      if (isOutdated) throw takenOver()
      const keys = await engine.scanKeys({ gte: position, lt: HIGHEST_KEY, limit: COUNT_KEYS })
      for (const key of keys) {
        const what = SECONDARY.get(key[0] as number)
        if (what !== undefined) counts[what]++
        else if (key[0] !== ROW.record && !isSession(key) && !isDerived(key) && !equal(key, HEAD_ROW)) {
          const isErasure = ERASURE_ROWS.some((other) => equal(key, other))
          if (isErasure && !(await engine.get(key))?.length) continue
          const message = `row: expected ${isErasure ? 'no value, got one' : 'a known sort, got another'}`
          problems.add({ kind: 'stray', what: 'row', message, rowKey: toBase64url(key) })
        }
      }
      const last = keys.at(-1)
      position = last === undefined || keys.length < COUNT_KEYS ? HIGHEST_KEY : keyAfter(last)
      return keys.length === COUNT_KEYS
    },
    surplus: (expected, absent) =>
      SECONDARY_ROWS.filter(([, what]) => counts[what] > expected[what] - absent[what]).map(([sort, what]) =>
        strayWalk({ engine, keyring }, problems, sort, what),
      ),
  }
}

type Rows = Pick<Verifiable, 'engine' | 'keyring'>

/** Goes over the secondary rows of one sort, and looks for the record of each. */
function strayWalk(rows: Rows, problems: Shortlist<VerifyProblem>, sort: number, what: Secondary): Steps {
  let ahead: Span = prefixRange(Uint8Array.of(sort))
  return {
    async step() {
      const keys = await rows.engine.scanKeys({ ...ahead, limit: LOOK_KEYS })
      for (const key of keys) {
        if (await belongsToNone(rows, what, key)) {
          const message = `${what} row: expected a record it belongs to, got none`
          problems.add({ kind: 'stray', what, message, rowKey: toBase64url(key) })
        }
        ahead = { ...ahead, gte: keyAfter(key) }
      }
      return keys.length === LOOK_KEYS
    },
  }
}

async function belongsToNone({ engine, keyring }: Rows, what: Secondary, key: Uint8Array): Promise<boolean> {
  const rowKey = what === 'payload' ? concat(Uint8Array.of(ROW.record), key.subarray(1)) : await engine.get(key)
  const value = rowKey && (await engine.get(rowKey))
  // A secondary row that leads to no record belongs to none.
  if (rowKey === undefined || value === undefined || rowKey[0] !== ROW.record) return true
  try {
    return !belongs(what, key, openKnown(keyring, rowKey, value))
  } catch {
    return false // reported already, as an altered record
  }
}
