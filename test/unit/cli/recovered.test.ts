import type { RecoveryReport } from 'app-secret-store'
import { expect, test } from 'vitest'
import { recoveredText } from '../../../src/cli/commands/care'

const WHOLE: RecoveryReport = {
  complete: true,
  proven: true,
  outdated: false,
  rolledBack: false,
  head: { sequence: 3, records: 2 },
  kept: 2,
  deleted: 0,
  lost: [],
  resurrected: [],
  older: [],
  missing: 0,
  surplus: 0,
  damage: [],
}

test('of a whole result there is one line', () => {
  expect(recoveredText(WHOLE, '/new')).toBe(
    'recovered: 2 records, at /new; complete, as of the last write that was found\n',
  )
})

test('all that is not as it was is told, and no name can do anything to a terminal', () => {
  const report: RecoveryReport = {
    ...WHOLE,
    complete: false,
    proven: false,
    outdated: true,
    rolledBack: true,
    kept: 1,
    lost: [{ rowKey: 'cg', name: 'one\x1b[31m' }, { rowKey: 'cnM' }],
    resurrected: [{ rowKey: 'cg', name: 'back' }],
    older: [{ rowKey: 'cg', name: 'old' }],
    unlisted: 7,
    missing: 1,
    surplus: 2,
  }
  expect(recoveredText(report, '/new').split('\n')).toEqual([
    'lost: one\\x1b[31m',
    'lost: the row cnM',
    'may have been deleted: back',
    'may be an older version: old',
    'and 7 more of these',
    '1 more secret lost at least, of unknown name',
    '2 more secrets kept at least that had been deleted, of unknown name',
    'all of it is an older state: the last writes are lost',
    'keyring.json and the data are of different times: see which keys open the new store',
    'what is kept cannot be proven: there may be older versions among it',
    'recovered: 1 record, at /new; INCOMPLETE',
    '',
  ])
})
