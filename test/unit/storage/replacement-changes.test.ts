import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { equal, mapKey, utf8 } from '../../../src/base/bytes'
import { EMPTY_HEAD } from '../../../src/format/head'
import { type StoredRecord, withoutPayload } from '../../../src/format/record'
import { nextHead } from '../../../src/storage/head'
import { expiryRow, idRow, payloadRow, RowKey } from '../../../src/storage/keyspace'
import type { Replacement, SealedRecord, WrittenRecord } from '../../../src/storage/records'
import { MOST_CHANGES, replacementChanges } from '../../../src/storage/records'

/** What one commit makes of the rows of a record, held against the rows that the records before and after it have. */

const ROW_KEY: Uint8Array = utf8('rt|account|name')
const address = {
  partition: { account: undefined, livemode: false },
  scope: { type: 'account' },
  name: 'name',
} as const

/** Few of everything, so that it often stays the same. */
const sealed: fc.Arbitrary<SealedRecord> = fc
  .record({
    id: fc.constantFrom('appsecret_00000000000000000000000a', 'appsecret_00000000000000000000000b'),
    expires_at: fc.constantFrom(null, 1, 2),
    revision: fc.nat(5),
    isLarge: fc.boolean(),
  })
  .map(({ id, expires_at, revision, isLarge }) => {
    const payload = isLarge
      ? ({ type: 'text', lengthBytes: 2000, tag: Uint8Array.of(revision) } as const)
      : ({ type: 'text', inline: Uint8Array.of(revision) } as const)
    const record: StoredRecord = { id, address, created: 0, expires_at, revision, payload }
    const value = utf8(JSON.stringify([id, expires_at, revision, isLarge]))
    return { record, value, ...(isLarge ? { payloadValue: Uint8Array.of(9, revision) } : {}) }
  })

/** Every row that a record has, by its key. */
function rowsOf(of: SealedRecord | undefined): Map<string, Uint8Array> {
  const rows = new Map<string, Uint8Array>()
  if (of === undefined) return rows
  const { record, value, payloadValue } = of
  rows.set(mapKey(ROW_KEY), value)
  rows.set(mapKey(idRow(record.id)), ROW_KEY)
  if (record.expires_at !== null) rows.set(mapKey(expiryRow(record.expires_at, record.id)), ROW_KEY)
  if (payloadValue !== undefined) rows.set(mapKey(payloadRow(ROW_KEY)), payloadValue)
  return rows
}

describe('the changes of one record', () => {
  test('lead from the rows it had to the rows it has, touch no others, and are no more than are reckoned with', () => {
    let most = 0
    fc.assert(
      fc.property(fc.option(sealed, { nil: undefined }), fc.option(sealed, { nil: undefined }), (previous, next) => {
        const [before, after] = [rowsOf(previous), rowsOf(next)]
        const rows = new Map(before)
        const seen = new Set<string>()
        const changes = replacementChanges(ROW_KEY, previous && withoutPayload(previous.record), next)
        expect(changes.length).toBeLessThanOrEqual(MOST_CHANGES)
        most = Math.max(most, changes.length)
        for (const change of changes) {
          const key = mapKey(change.key)
          expect(seen.has(key)).toBe(false)
          seen.add(key)
          if (change.type === 'put') rows.set(key, change.value)
          // What is deleted was there.
          else expect([change.type, rows.delete(key)]).toEqual(['del', true])
        }
        expect(rows).toEqual(after)
        // Hints that stay as they are are not written again; what was sealed anew is.
        const written = new Set([ROW_KEY, payloadRow(ROW_KEY)].map(mapKey))
        for (const [key, value] of after) {
          const stays = before.has(key) && equal(before.get(key) as Uint8Array, value) && !written.has(key)
          expect([key, seen.has(key)]).toEqual([key, !stays])
        }
      }),
      { numRuns: 1000 },
    )
    expect(most).toBe(MOST_CHANGES)
  })
})

describe('the head after a commit', () => {
  const rowKey = RowKey.of(ROW_KEY)
  const standing = (element: bigint): WrittenRecord => ({
    record: {
      id: 'appsecret_00000000000000000000000a',
      address,
      created: 0,
      expires_at: null,
      revision: 1,
      payload: { type: 'text' },
    },
    element,
  })
  const keyring = { generation: 3, mac: new Uint8Array(32) }
  const head = { ...EMPTY_HEAD, sequence: 7, count: 10, superseded: 4, setHash: 1000n, keyring }

  test.each([
    ['no record', [], {}],
    ['a new record', [{ rowKey, previous: undefined, next: standing(5n) }], { count: 11, setHash: 1005n }],
    ['a replaced one', [{ rowKey, previous: standing(3n), next: standing(5n) }], { superseded: 5, setHash: 1002n }],
    [
      'a deleted one',
      [{ rowKey, previous: standing(3n), next: undefined }],
      { count: 9, superseded: 5, setHash: 997n },
    ],
    [
      'one of each',
      [
        { rowKey, previous: undefined, next: standing(1n) },
        { rowKey, previous: standing(20n), next: standing(300n) },
        { rowKey, previous: standing(4000n), next: undefined },
      ],
      { superseded: 6, setHash: 2n ** 256n + 1000n + 1n - 20n + 300n - 4000n },
    ],
  ] satisfies [string, Replacement[], object][])(
    'with %s counts it, and goes with the same keyring.json',
    (_, replacements, changed) => {
      expect(nextHead(head, replacements)).toEqual({ ...head, sequence: 8, ...changed })
    },
  )
})
