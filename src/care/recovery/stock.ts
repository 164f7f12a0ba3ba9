import { Shortlist } from '../../base/shortlist'
import { addElement, removeElement } from '../../crypto/set-hash'
import type { Head } from '../../format/head'
import type { RecoveredSecret } from './report'
import type { Fate, Survivor } from './survivors'

/** Count and set hash of records, as in a head. */
export interface Sum {
  readonly count: number
  readonly setHash: bigint
}

export const NO_SUM: Sum = { count: 0, setHash: 0n }

export function plus({ count, setHash }: Sum, element: bigint): Sum {
  return { count: count + 1, setHash: addElement(setHash, element) }
}

export function isSame(one: Sum, other: Sum): boolean {
  return one.count === other.count && one.setHash === other.setHash
}

/** What all that was found comes to: the last version of every record, of those that are lost, too. */
export interface Stock {
  readonly survivors: number
  readonly all: Sum
  /** Without the survivors that may have been deleted. */
  readonly certain: Sum
  /** Of the survivors. */
  readonly lastRevision: number
  readonly lost: Shortlist<RecoveredSecret>
  readonly lostSum: Sum
  /** How many of those may have been written behind the head. */
  readonly lostSince: number
  readonly deleted: number
}

/** @param headAt - When the head was written, by LevelDB's number. */
export async function takeStock(fates: AsyncIterable<Fate>, headAt: number | undefined): Promise<Stock> {
  const lost = new Shortlist<RecoveredSecret>()
  let lostSum = NO_SUM
  let all = NO_SUM
  let certain = NO_SUM
  let [survivors, deleted, lastRevision, lostSince] = [0, 0, 0, 0]
  for await (const fate of fates) {
    if (fate.kind === 'survivor') {
      survivors++
      lastRevision = Math.max(lastRevision, fate.revision)
      all = plus(all, fate.lastElement)
      if (!fate.mayBeDeleted) certain = plus(certain, fate.lastElement)
    } else if (fate.kind === 'lost') {
      lost.add(fate.about)
      // Without its summand, the sums come to nothing that any head has.
      const element = fate.lastElement ?? 0n
      if (headAt === undefined || fate.seenAt === undefined || fate.seenAt > headAt) lostSince++
      lostSum = plus(lostSum, element)
      all = plus(all, element)
      certain = plus(certain, element)
    } else {
      deleted++
    }
  }
  return { survivors, all, certain, lastRevision, lost, lostSum, lostSince, deleted }
}

/**
 * Which survivors had been deleted can be known from the head: if without them, or without one that is too many, the rest
 * is what it was sealed over, to the last bit of the set hash.
 *
 * @param head - The one of the last write that there was, if it was found.
 * @returns Which of them are kept.
 */
export function select(head: Head | undefined, { all, certain, lastRevision }: Stock): (survivor: Survivor) => boolean {
  // A head from before the last records says nothing of them.
  if (head === undefined || head.sequence < lastRevision || isSame(all, head)) return () => true
  if (isSame(certain, head)) return ({ mayBeDeleted }) => !mayBeDeleted
  if (all.count !== head.count + 1) return () => true
  const extra = removeElement(all.setHash, head.setHash)
  return ({ lastElement }) => lastElement !== extra
}
