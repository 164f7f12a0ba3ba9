import { Shortlist } from '../../base/shortlist'
import { corrupt, SecretStoreError } from '../../errors'
import type { Head } from '../../format/head'
import { isSameSum, NO_RECORDS, type RecordSum, withElement } from '../../format/head'
import type { KeyringFile } from '../../format/keyring-file'
import type { Unlocked } from '../../keys/unlock'
import type { Engine } from '../../storage/engine'
import { sealHead } from '../../storage/head'
import { matchKeyring } from '../../storage/match-keyring'
import { StoreWriter } from '../store-writer'
import type { Evidence } from './evidence'
import type { RecoveredSecret, RecoveryReport } from './report'
import { type Stock, select, takeStock } from './stock'
import { fates, type Survivor } from './survivors'

interface RebuildPlan {
  /** Whether there were later writes than any that was found. */
  readonly outdated: boolean
  readonly signal: AbortSignal | undefined
}

/** Builds the new store in an empty engine, and says what is in it and what is not. */
export async function rebuild(
  engine: Engine,
  evidence: Evidence,
  unlocked: Unlocked,
  { outdated, signal }: RebuildPlan,
): Promise<Omit<RecoveryReport, 'damage'>> {
  const { keyring, mac } = unlocked
  const found = evidence.head
  const stock = await takeStock(fates(evidence, keyring), evidence.headAt)
  if (found === undefined && stock.survivors === 0) {
    throw corrupt('data: expected a head or a record of this store, got none that opens')
  }
  const lastHead = outdated ? undefined : found
  const isKept = select(lastHead, stock)
  const writer = new StoreWriter(engine, keyring, 'recovery')
  const kept = new Kept(stock.lostSum)
  for await (const fate of fates(evidence, keyring)) {
    signal?.throwIfAborted()
    if (fate.kind !== 'survivor' || !isKept(fate)) continue
    await writer.take({ type: 'put', ...fate })
    kept.add(fate)
  }
  // What is lost from before the head, and not among what it was sealed over, had been deleted.
  const rolledBack = !goTogether(evidence, unlocked)
  const proof = rolledBack ? undefined : lastHead
  const complete = proof !== undefined && stock.lostSince === 0 && isSameSum(kept.sum, proof)
  const proven = complete || (proof !== undefined && isSameSum(kept.lastSum, proof))
  const head = headOf(kept.sum, complete, stock.lastRevision, found, { file: keyring.file, mac })
  await writer.finish(head, sealHead(keyring, head).value)
  return { outdated, rolledBack, ...reportOf(found, stock, kept, { complete, proven }) }
}

/** Whether keyring.json and the newest head are of one time (docs/format.md §8.1), as far as a head was found. */
function goTogether({ head, headKeyId }: Evidence, { keyring, mac }: Unlocked): boolean {
  if (head === undefined || headKeyId === undefined) return true
  try {
    matchKeyring(keyring.file, mac, head, headKeyId)
    return true
  } catch (error) {
    if (error instanceof SecretStoreError && error.code === 'ERR_ROLLBACK') return false
    throw error
  }
}

/** What the new store has, and what is to be said of it. */
class Kept {
  sum: RecordSum = NO_RECORDS
  /** Of the last version of each, and of what is lost. */
  lastSum: RecordSum
  readonly resurrected: Shortlist<RecoveredSecret> = new Shortlist<RecoveredSecret>()
  readonly older: Shortlist<RecoveredSecret> = new Shortlist<RecoveredSecret>()
  /** Those, and others of which that cannot be known without a proof. */
  readonly perhapsOlder: Shortlist<RecoveredSecret> = new Shortlist<RecoveredSecret>()

  constructor(lostSum: RecordSum) {
    this.lastSum = lostSum
  }

  add({ element, lastElement, mayBeDeleted, mayBeOlder, about }: Survivor): void {
    this.sum = withElement(this.sum, element)
    this.lastSum = withElement(this.lastSum, lastElement)
    if (mayBeDeleted) this.resurrected.add(about)
    if (element !== lastElement) this.older.add(about)
    if (element !== lastElement || mayBeOlder) this.perhapsOlder.add(about)
  }
}

/**
 * The head that was found, if nothing is amiss; else one of a write after all that was found. Checkpoints of later
 * writes refuse the store.
 */
function headOf(
  sum: RecordSum,
  complete: boolean,
  lastRevision: number,
  found: Head | undefined,
  { file: { change }, mac }: { readonly file: KeyringFile; readonly mac: Uint8Array },
): Head {
  const least = (change?.sequence ?? -1) + 1
  const last = Math.max(found?.sequence ?? 0, lastRevision)
  const sequence = complete && last >= least ? last : Math.max(last + 1, least)
  const mark = change === undefined ? {} : { keyring: { generation: change.generation, mac } }
  return { sequence, ...sum, superseded: 0, ...mark }
}

const NOBODY = new Shortlist<RecoveredSecret>()

function reportOf(
  head: Head | undefined,
  { lost, deleted, survivors, lastRevision }: Stock,
  { sum, resurrected, older, perhapsOlder }: Kept,
  { complete, proven }: Pick<RecoveryReport, 'complete' | 'proven'>,
): Omit<RecoveryReport, 'outdated' | 'rolledBack' | 'damage'> {
  const certain = sum.count - resurrected.count
  // A head older than a record says nothing of how many there were when that was written.
  const counted = proven || head === undefined || head.sequence < lastRevision ? undefined : head.count
  const lists = {
    lost: complete ? NOBODY : lost,
    resurrected: proven ? NOBODY : resurrected,
    older: proven ? older : perhapsOlder,
  }
  const unlisted = Object.values(lists).reduce((sum, list) => sum + list.unlisted, 0)
  return {
    complete,
    proven,
    head: head === undefined ? null : { sequence: head.sequence, records: head.count },
    kept: sum.count,
    deleted: deleted + survivors - sum.count,
    lost: lists.lost.listed,
    resurrected: lists.resurrected.listed,
    older: lists.older.listed,
    ...(unlisted > 0 && { unlisted }),
    missing: counted === undefined ? 0 : Math.max(0, counted - certain - lost.count),
    surplus: counted === undefined ? 0 : Math.max(0, certain - counted),
  }
}
