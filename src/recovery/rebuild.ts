import { StoreWriter } from '../backup/store-writer'
import type { Keyring } from '../crypto/keyring'
import { removeElement } from '../crypto/set-hash'
import { corrupt } from '../errors'
import type { Head } from '../format/head'
import type { UnverifiedKeyringFile } from '../format/keyring-file'
import { sealHead } from '../storage/head-row'
import { LevelEngine } from '../storage/level'
import type { Evidence } from './evidence'
import { Names, type RecoveryReport } from './report'
import { fates, NO_SUM, plus, type Sum, type Survivor } from './survivors'

/** Builds the new store in a directory that does not exist yet, and says what is in it and what is not. */
export async function rebuild(
  directory: string,
  evidence: Evidence,
  keyring: Keyring,
  { mac }: UnverifiedKeyringFile,
  { outdated, signal }: { readonly outdated: boolean; readonly signal: AbortSignal | undefined },
): Promise<Omit<RecoveryReport, 'damage' | 'outdated'>> {
  const account = await takeStock(evidence, keyring)
  if (evidence.head === undefined && account.all.count === 0) {
    throw corrupt('data: expected a head or a record of this store, got none that opens')
  }
  const isKept = selection(evidence.head, account)
  const engine = await LevelEngine.open(directory, { create: true })
  try {
    const writer = new StoreWriter(engine, keyring, 'recovery')
    const resurrected = new Names()
    const older = new Names()
    let kept: Sum = NO_SUM
    for await (const fate of fates(evidence, keyring)) {
      signal?.throwIfAborted()
      if (fate.kind !== 'survivor' || !isKept(fate)) continue
      const { rowKey, value, payloadValue, element, about } = fate
      await writer.take({ type: 'put', rowKey, value, payloadValue })
      kept = plus(kept, element)
      if (fate.mayBeDeleted) resurrected.add(about)
      if (fate.mayBeOlder) older.add(about)
    }
    const complete = evidence.head !== undefined && !outdated && isSame(kept, evidence.head)
    const head = headOf(kept, complete, evidence.head, account.lastRevision, keyring, mac)
    await writer.finish(head, sealHead(keyring, head).value)
    return reportOf(evidence.head, account, kept, complete, resurrected, older)
  } finally {
    await engine.close()
  }
}

/** What all survivors come to, before any is left out. */
interface Account {
  readonly all: Sum
  /** Without those that may have been deleted. */
  readonly certain: Sum
  readonly lastRevision: number
  readonly lost: Names
  readonly deleted: number
}

async function takeStock(evidence: Evidence, keyring: Keyring): Promise<Account> {
  const lost = new Names()
  let all: Sum = NO_SUM
  let certain: Sum = NO_SUM
  let lastRevision = 0
  let deleted = 0
  for await (const fate of fates(evidence, keyring)) {
    if (fate.kind === 'survivor') {
      all = plus(all, fate.element)
      if (!fate.mayBeDeleted) certain = plus(certain, fate.element)
      lastRevision = Math.max(lastRevision, fate.revision)
    } else if (fate.kind === 'lost') lost.add(fate.about)
    else deleted++
  }
  return { all, certain, lastRevision, lost, deleted }
}

/**
 * Which of the survivors had been deleted can be known from the head: if without them, or without one that is too many,
 * the rest is what it was sealed over, to the last bit of the set hash.
 */
function selection(head: Head | undefined, { all, certain, lastRevision }: Account): (survivor: Survivor) => boolean {
  // A head from before the last records says nothing of them.
  if (head === undefined || head.sequence < lastRevision || isSame(all, head)) return () => true
  if (isSame(certain, head)) return ({ mayBeDeleted }) => !mayBeDeleted
  if (all.count !== head.count + 1) return () => true
  const extra = removeElement(all.setHash, head.setHash)
  return ({ element }) => element !== extra
}

function isSame(sum: Sum, head: Head): boolean {
  return sum.count === head.count && sum.setHash === head.setHash
}

/**
 * If nothing is amiss it is the head that was found. Else it is the head of a write of its own behind all that was found: a
 * checkpoint of a later one still refuses the store.
 */
function headOf(
  kept: Sum,
  complete: boolean,
  found: Head | undefined,
  lastRevision: number,
  keyring: Keyring,
  mac: Uint8Array,
): Head {
  const { change } = keyring.file
  const least = (change?.sequence ?? -1) + 1
  const last = Math.max(found?.sequence ?? 0, lastRevision)
  const sequence = complete && last >= least ? last : Math.max(last + 1, least)
  const mark = change === undefined ? {} : { keyring: { generation: change.generation, mac } }
  return { sequence, count: kept.count, superseded: 0, setHash: kept.setHash, ...mark }
}

function reportOf(
  head: Head | undefined,
  { lost, deleted, all, lastRevision }: Account,
  kept: Sum,
  complete: boolean,
  resurrected: Names,
  older: Names,
): Omit<RecoveryReport, 'damage' | 'outdated'> {
  const counts = {
    head: head === undefined ? null : { sequence: head.sequence, records: head.count },
    kept: kept.count,
    deleted: deleted + all.count - kept.count,
  }
  if (complete) return { complete, ...counts, lost: [], resurrected: [], older: [], missing: 0, surplus: 0 }
  // A head older than a record says nothing of how many there were when that was written.
  const expected = head === undefined || head.sequence < lastRevision ? undefined : head.count
  const named = kept.count - resurrected.count + lost.count
  return {
    complete,
    ...counts,
    lost: lost.listed,
    resurrected: resurrected.listed,
    older: older.listed,
    missing: expected === undefined ? 0 : Math.max(0, expected - named),
    surplus: expected === undefined ? 0 : Math.max(0, kept.count - resurrected.count - expected),
  }
}
