import { describe, expect, test } from 'vitest'
import { concat } from '../../../../../src/base/bytes'
import { LogReplay } from '../../../../../src/storage/level/files/replay'
import { Draws } from '../../../../support/campaign'
import { atLength } from '../../../../support/lengths'
import { forgeLog } from '../../../../support/level-forge'

function replayed(log: Uint8Array, draws = new Draws(1)): { records: Uint8Array[]; drops: number; isTooLong: boolean } {
  const records: Uint8Array[] = []
  let drops = 0
  const replay = new LogReplay(200_000, { onRecord: (record) => records.push(record.slice()), onDrop: () => drops++ })
  for (let at = 0; at < log.length; ) {
    const piece = log.subarray(at, at + 1 + draws.below(50_000))
    replay.take(piece)
    at += piece.length
  }
  replay.end()
  return { records, drops, isTooLong: replay.isTooLong }
}

const record = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)

describe('a log as LevelDB reads it', () => {
  test.each([1, 2, 3, 4, 5, 6].slice(0, atLength(2, 6)))(
    'gives the records that were written, in pieces of any length (%i)',
    (seed) => {
      const draws = new Draws(seed)
      const written = Array.from({ length: 12 }, (_, n) => record(draws.pick([0, 1, 300, 32_754, 32_761, 70_000]), n))
      expect(replayed(forgeLog(written), draws)).toEqual({ records: written, drops: 0, isTooLong: false })
    },
  )

  test('leaves out the rest of a block that is damaged, and a record that lies across it', () => {
    const [one, two, three] = [record(100, 1), record(70_000, 2), record(100, 3)]
    const log = forgeLog([one, two, three])
    log[40_000] = 9 // in the second of three blocks
    expect(replayed(log)).toMatchObject({ records: [one, three] })
    expect(replayed(log).drops).toBeGreaterThan(0)
    log[50] = 9
    expect(replayed(log).records).toEqual([three])
  })

  test('ends with a record that has no end, and goes past what was never written, without a word', () => {
    const [one, two] = [record(100, 1), record(70_000, 2)]
    expect(replayed(forgeLog([one, two]).subarray(0, -1))).toMatchObject({ records: [one], drops: 0 })
    const padded = concat(forgeLog([one]), new Uint8Array(32_768 - 107), forgeLog([two]))
    expect(replayed(padded)).toMatchObject({ records: [one, two], drops: 0 })
  })

  test('keeps no record that is longer than any can be', () => {
    const long = forgeLog([record(10, 1), record(300_000, 2)])
    expect(replayed(long)).toMatchObject({ records: [record(10, 1)], isTooLong: true })
  })
})
