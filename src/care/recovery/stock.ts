import { Shortlist } from '../../base/shortlist'
import type { Head } from '../../format/head'
import { isSameSum, NO_RECORDS, type RecordSum, withElement, withoutElement } from '../../format/head'
import type { RecoveredSecret } from './report'
import type { Fate, Survivor } from './survivors'

/** What all that was found comes to: the last version of every record, of those that are lost, too. */
export interface Stock {
  readonly survivors: number
  readonly all: RecordSum
  /** Without the survivors that may have been deleted. */
  readonly certain: RecordSum
  /** Of the survivors. */
  readonly lastRevision: number
  readonly lost: Shortlist<RecoveredSecret>
  readonly lostSum: RecordSum
  /** How many of those may have been written after the head. */
  readonly lostSince: number
  readonly deleted: number
}

/** @param headAt - When the head was written, by LevelDB's number. */
export async function takeStock(fates: AsyncIterable<Fate>, headAt: number | undefined): Promise<Stock> {
  const lost = new Shortlist<RecoveredSecret>()
  let lostSum = NO_RECORDS
  let all = NO_RECORDS
  let certain = NO_RECORDS
  let [survivors, deleted, lastRevision, lostSince] = [0, 0, 0, 0]
  for await (const fate of fates) {
    if (fate.kind === 'survivor') {
      survivors++
      lastRevision = Math.max(lastRevision, fate.revision)
      all = withElement(all, fate.lastElement)
      if (!fate.mayBeDeleted) certain = withElement(certain, fate.lastElement)
    } else if (fate.kind === 'lost') {
      lost.add(fate.about)
      // Without its summand, the sums come to nothing that any head has.
      const element = fate.lastElement ?? 0n
      if (headAt === undefined || fate.seenAt === undefined || fate.seenAt > headAt) lostSince++
      lostSum = withElement(lostSum, element)
      all = withElement(all, element)
      certain = withElement(certain, element)
    } else {
      deleted++
    }
  }
  return { survivors, all, certain, lastRevision, lost, lostSum, lostSince, deleted }
}

/**
 * The head tells which survivors had been deleted, if it was sealed over just the others.
 *
 * @param head - The one of the last write that there was, if it was found.
 * @returns Which of them are kept.
 */
export function select(head: Head | undefined, { all, certain, lastRevision }: Stock): (survivor: Survivor) => boolean {
  // A head from before the last records says nothing of them.
  if (head === undefined || head.sequence < lastRevision || isSameSum(all, head)) return () => true
  if (isSameSum(certain, head)) return ({ mayBeDeleted }) => !mayBeDeleted
  if (all.count !== head.count + 1) return () => true
  const extra = withoutElement(all, head.setHash).setHash
  return ({ lastElement }) => lastElement !== extra
}
