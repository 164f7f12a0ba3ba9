import { addElement, removeElement } from '../crypto/set-hash'
import type { Head } from '../format/head'
import { Names } from './report'
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
  readonly lost: Names
  readonly deleted: number
}

export async function takeStock(fates: AsyncIterable<Fate>): Promise<Stock> {
  const lost = new Names()
  let all = NO_SUM
  let certain = NO_SUM
  let [survivors, deleted, lastRevision] = [0, 0, 0]
  for await (const fate of fates) {
    if (fate.kind === 'survivor') {
      survivors++
      lastRevision = Math.max(lastRevision, fate.revision)
      all = plus(all, fate.lastElement)
      if (!fate.mayBeDeleted) certain = plus(certain, fate.lastElement)
    } else if (fate.kind === 'lost') {
      lost.add(fate.about)
      // Without its summand, the sums come to nothing that any head has.
      all = plus(all, fate.lastElement ?? 0n)
      certain = plus(certain, fate.lastElement ?? 0n)
    } else {
      deleted++
    }
  }
  return { survivors, all, certain, lastRevision, lost, deleted }
}

/** Which survivors are kept. */
export interface Selection {
  readonly isKept: (survivor: Survivor) => boolean
  /** Whether that, and what is lost, is all that the head was sealed over: then nothing else was there. */
  readonly isProven: boolean
}

/**
 * Which of the survivors had been deleted can be known from the head: if without them, or without one that is too many,
 * the rest is what it was sealed over, to the last bit of the set hash.
 *
 * @param head - The one of the last write that there was, if it was found.
 */
export function select(head: Head | undefined, { all, certain, lastRevision }: Stock): Selection {
  const everything = { isKept: () => true, isProven: false }
  // A head from before the last records says nothing of them.
  if (head === undefined || head.sequence < lastRevision) return everything
  if (isSame(all, head)) return { ...everything, isProven: true }
  if (isSame(certain, head)) return { isKept: ({ mayBeDeleted }) => !mayBeDeleted, isProven: true }
  if (all.count !== head.count + 1) return everything
  const extra = removeElement(all.setHash, head.setHash)
  return { isKept: ({ lastElement }) => lastElement !== extra, isProven: false }
}
