import { toBase64url } from '../bytes'
import type { Keyring } from '../crypto/keyring'
import { addElement } from '../crypto/set-hash'
import type { StoredRecord } from '../format/record'
import { openRecord } from '../storage/records'
import { choose, mayBeDeleted, mayBeOlder } from './choice'
import type { Evidence, Traces, Version } from './evidence'
import { placeOf } from './place'
import { describe, type RecoveredSecret } from './report'

/** A secret that can be kept. */
export interface Survivor {
  readonly kind: 'survivor'
  readonly rowKey: Uint8Array
  readonly value: Uint8Array
  readonly payloadValue: Uint8Array
  readonly revision: number
  /** Its summand in the set hash. */
  readonly element: bigint
  readonly mayBeDeleted: boolean
  readonly mayBeOlder: boolean
  readonly about: RecoveredSecret
}

/** A secret that cannot, or that had been deleted. */
export interface Departed {
  readonly kind: 'lost' | 'deleted'
  readonly about: RecoveredSecret
}

export type Fate = Survivor | Departed

/** What becomes of each record of which something was found. */
export async function* fates(evidence: Evidence, keyring: Keyring): AsyncGenerator<Fate, void> {
  for await (const traces of evidence.rows()) {
    const choice = choose(traces)
    if (choice.kind === 'nothing') continue
    const survivor =
      choice.kind === 'versions' ? await firstWhole(evidence, keyring, traces, choice.versions) : undefined
    if (survivor !== undefined) yield survivor
    else yield { kind: choice.kind === 'deleted' ? 'deleted' : 'lost', about: aboutTraces(traces, keyring) }
  }
}

/** The best version of which the payload is there, too. */
async function firstWhole(
  evidence: Evidence,
  keyring: Keyring,
  traces: Traces,
  versions: readonly Version[],
): Promise<Survivor | undefined> {
  const { rowKey } = traces
  const [best] = versions as [Version]
  for (const version of versions) {
    const value = await evidence.record(rowKey, version)
    const record = openRecord(keyring, rowKey, value)
    const payloadValue = await evidence.payload(rowKey, record)
    if (payloadValue === undefined) continue
    return {
      kind: 'survivor',
      rowKey,
      value,
      payloadValue,
      revision: record.revision,
      element: keyring.elementHash(rowKey, value),
      mayBeDeleted: mayBeDeleted(traces, version),
      mayBeOlder: mayBeOlder(traces, version, best),
      about: aboutRecord(rowKey, record),
    }
  }
  return undefined
}

function aboutRecord(rowKey: Uint8Array, { address, id }: StoredRecord): RecoveredSecret {
  return describe(toBase64url(rowKey), address, id)
}

function aboutTraces({ rowKey, ids }: Traces, keyring: Keyring): RecoveredSecret {
  const address = keyring.names === 'plain' ? placeOf(rowKey) : undefined
  return describe(toBase64url(rowKey), address, ids.at(-1))
}

/** Count and set hash of records, as in a head. */
export interface Sum {
  readonly count: number
  readonly setHash: bigint
}

export const NO_SUM: Sum = { count: 0, setHash: 0n }

export function plus({ count, setHash }: Sum, element: bigint): Sum {
  return { count: count + 1, setHash: addElement(setHash, element) }
}
