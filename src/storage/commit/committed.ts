import { corrupt } from '../../errors'
import type { Engine } from '../engine'
import { payloadRow, type RowKey } from '../keyspace'
import type { Known, KnownRecords } from '../known/known-records'

/** Values of rows, by the text of their record's key. */
export type Values = ReadonlyMap<string, Uint8Array | undefined>

/** The committed state of the records that a group names, by the text of their row keys. */
export interface Committed {
  readonly rows: Values
  readonly payloadRows: Values
  readonly known: ReadonlyMap<string, Known>
}

/** Up to so many rows are read at once; more would keep the thread for too long. */
const MOST_SYNC_READS = 128

/** Reads what operations look at. */
export async function readCommitted(
  operations: readonly { readonly records: readonly RowKey[]; readonly payloads: readonly RowKey[] }[],
  engine: Engine,
  knownRecords: KnownRecords,
): Promise<Committed> {
  const known = new Map<string, Known>()
  const rows = new Map<string, RowKey>()
  const payloads = new Map<string, RowKey>()
  for (const operation of operations) {
    for (const rowKey of operation.payloads) {
      rows.set(rowKey.text, rowKey)
      payloads.set(rowKey.text, rowKey)
    }
    for (const rowKey of operation.records) {
      const record = knownRecords.get(rowKey.text)
      // Without its summand in the set hash it cannot be taken out of that: then the row is needed all the same.
      if (record?.element === undefined) rows.set(rowKey.text, rowKey)
      else known.set(rowKey.text, record)
    }
  }
  const keys = [...rows.values()].map(({ bytes }) => bytes)
  const payloadKeys = [...payloads.values()].map(({ bytes }) => payloadRow(bytes))
  const values = await getAll(engine, [...keys, ...payloadKeys])
  return { known, rows: byText(rows, values), payloadRows: byText(payloads, values.slice(keys.length)) }
}

/** @throws {SecretStoreError} `ERR_CORRUPT` for a row that the operation has not named. */
export function rowValue(values: Values, { text }: RowKey): Uint8Array | undefined {
  if (!values.has(text)) throw corrupt('operation: expected to look at the rows it named, got another')
  return values.get(text)
}

async function getAll(engine: Engine, keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
  if (keys.length === 0) return []
  const atOnce = keys.length <= MOST_SYNC_READS && engine.canReadSync()
  return atOnce ? keys.map((key) => engine.getSync(key)) : engine.getMany(keys)
}

function byText(rows: ReadonlyMap<string, RowKey>, values: readonly (Uint8Array | undefined)[]): Values {
  const found = new Map<string, Uint8Array | undefined>()
  let index = 0
  for (const text of rows.keys()) found.set(text, values[index++])
  return found
}
