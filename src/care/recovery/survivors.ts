import { toBase64url } from '../../base/bytes'
import type { Keyring } from '../../crypto/keyring'
import { addressOf } from '../../storage/keyspace-inverse'
import { openRecord } from '../../storage/records'
import { choose, mayBeDeleted, mayBeOlder } from './choice'
import type { Evidence } from './evidence'
import { describe, type RecoveredSecret } from './report'
import type { Traces, Version } from './traces'

/** A secret that can be kept. */
export interface Survivor {
  readonly kind: 'survivor'
  readonly rowKey: Uint8Array
  readonly value: Uint8Array
  readonly payloadValue: Uint8Array
  readonly revision: number
  /** Its summand in the set hash. */
  readonly element: bigint
  /** That of the last version that was found: another one if the payload of that is lost. */
  readonly lastElement: bigint
  readonly mayBeDeleted: boolean
  readonly mayBeOlder: boolean
  readonly about: RecoveredSecret
}

/** A secret that cannot, or that had been deleted. */
export interface Departed {
  readonly kind: 'lost' | 'deleted'
  /** Its summand in the set hash, where enough is left to know it. */
  readonly lastElement: bigint | undefined
  /** When it was there last, by LevelDB's number, where that is beyond doubt. */
  readonly seenAt: number | undefined
  readonly about: RecoveredSecret
}

export type Fate = Survivor | Departed

/** What becomes of each record of which something was found. */
export async function* fates(evidence: Evidence, keyring: Keyring): AsyncGenerator<Fate, void> {
  for await (const traces of evidence.rows()) {
    const choice = choose(traces)
    if (choice.kind === 'nothing') continue
    if (choice.kind === 'versions') yield await bestWhole(evidence, keyring, traces, choice.versions)
    else yield departed(choice.kind, traces, keyring, onlyOne(traces.unreadableElements))
  }
}

/** The best version of which the payload is there, too. */
async function bestWhole(
  evidence: Evidence,
  keyring: Keyring,
  traces: Traces,
  versions: readonly Version[],
): Promise<Fate> {
  const { rowKey } = traces
  let lastElement: bigint | undefined
  for (const version of versions) {
    const value = await evidence.record(rowKey, version)
    const record = openRecord(keyring, rowKey, value)
    const element = keyring.elementHash(rowKey, value)
    lastElement ??= element
    const payloadValue = await evidence.payload(rowKey, record)
    if (payloadValue === undefined) continue
    return {
      kind: 'survivor',
      rowKey,
      value,
      payloadValue,
      revision: record.revision,
      element,
      lastElement,
      mayBeDeleted: mayBeDeleted(traces, version),
      mayBeOlder: mayBeOlder(traces, version),
      about: describe(toBase64url(rowKey), record.address, record.id),
    }
  }
  return departed('lost', traces, keyring, lastElement)
}

function departed(
  kind: Departed['kind'],
  { rowKey, ids, versions, hintedAt, unreadableAt, hasUndatedTrace }: Traces,
  keyring: Keyring,
  lastElement: bigint | undefined,
): Departed {
  const address = keyring.names === 'plain' ? addressOf(rowKey) : undefined
  const times = [...versions.map(({ sequence }) => sequence), hintedAt, unreadableAt].flatMap((time) => time ?? [])
  const isDated = !hasUndatedTrace && versions.every(({ sequence }) => sequence !== undefined) && times.length > 0
  const seenAt = isDated ? Math.max(...times) : undefined
  return { kind, lastElement, seenAt, about: describe(toBase64url(rowKey), address, ids.at(-1)) }
}

function onlyOne<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined
}
