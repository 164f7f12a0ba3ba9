import { describe, expect, test, vi } from 'vitest'
import { mapKey, utf8 } from '../../../src/base/bytes'
import type { Keyring } from '../../../src/crypto/keyring'
import type { KnownRecord, StoredRecord } from '../../../src/format/record'
import type { Engine } from '../../../src/storage/engine'
import { payloadRow } from '../../../src/storage/keyspace'
import { KnownRecords } from '../../../src/storage/known/known-records'
import { MemoryEngine } from '../../../src/storage/memory-engine'
import { openKnown } from '../../../src/storage/records'
import { type Lookup, lookUpPayload, lookUpRecord, lookUpStored, read, readNow } from '../../../src/verbs/reads'
import { keyring, large, row, rowKey, seal, text } from '../../support/one-record'
import { codeOf } from '../../support/stores'

const newSources = (): { readonly keyring: Keyring; readonly known: KnownRecords } => ({
  keyring,
  known: new KnownRecords(100_000),
})

/** Answers a lookup, row by row, and says what it asked for. */
function answer<T>(lookup: Lookup<T>, ...answers: readonly (Uint8Array | undefined)[]): { asked: string[]; found: T } {
  const asked: string[] = []
  let step = lookup.next()
  for (const value of answers) {
    if (step.done) expect.unreachable('it asked for less')
    asked.push(mapKey(step.value as Uint8Array))
    step = lookup.next(value)
  }
  if (!step.done) expect.unreachable(`it asks for ${mapKey(step.value)}`)
  return { asked, found: step.value as T }
}

const ROW = mapKey(rowKey)
const PAYLOAD_ROW = mapKey(payloadRow(rowKey))

describe('a lookup', () => {
  test('of a record asks for its row, and learns it', () => {
    const sources = newSources()
    const { value, record } = seal()
    expect(answer(lookUpStored(sources, row), value)).toEqual({ asked: [ROW], found: record })
    expect(sources.known.get(ROW)?.record).toEqual(openKnown(keyring, rowKey, value))
    expect(answer(lookUpStored(newSources(), row), undefined)).toEqual({ asked: [ROW], found: undefined })
  })

  test('of what is known asks for nothing, but for the payload of a small one', () => {
    const sources = newSources()
    const small = seal()
    answer(lookUpRecord(sources, row), small.value)
    const known = sources.known.get(ROW)?.record as KnownRecord
    expect(answer(lookUpRecord(sources, row))).toEqual({ asked: [], found: known })
    expect(answer(lookUpStored(sources, row), small.value).found).toEqual(small.record)
    const others = newSources()
    const { value, record } = seal(1, large(7))
    expect(answer(lookUpStored(others, row), value)).toEqual({ asked: [ROW], found: record })
    expect(answer(lookUpStored(others, row))).toEqual({ asked: [], found: record })
  })

  test('of a row that does not open reads it again: another one counts, the same one is damaged', async () => {
    const { value, record } = seal(2)
    const damaged = value.slice()
    damaged[40] = (damaged[40] as number) ^ 1
    expect(answer(lookUpStored(newSources(), row), damaged, value)).toEqual({ asked: [ROW, ROW], found: record })
    expect(answer(lookUpStored(newSources(), row), damaged, undefined).found).toBeUndefined()
    expect(await codeOf(() => answer(lookUpStored(newSources(), row), damaged, damaged.slice()))).toBe('ERR_CORRUPT')
    const more = Uint8Array.of(...damaged, 0)
    expect(answer(lookUpStored(newSources(), row), damaged, more, value).found).toEqual(record)
  })

  test('learns nothing that a commit has overtaken meanwhile, and what it reads again it does', () => {
    const { value } = seal()
    const damaged = value.slice(0, 50)
    const overtaken = newSources()
    const lookup = lookUpStored(overtaken, row)
    lookup.next()
    overtaken.known.begin([{ rowKey: row, previous: undefined, next: undefined }])
    overtaken.known.settle([])
    lookup.next(value)
    expect(overtaken.known.get(ROW)).toBeUndefined()
    const again = newSources()
    const second = lookUpStored(again, row)
    second.next()
    again.known.begin([{ rowKey: row, previous: undefined, next: undefined }])
    again.known.settle([])
    second.next(damaged)
    second.next(value)
    expect(again.known.get(ROW)).toBeDefined()
  })

  test('of a payload takes what is in the record, or asks for its row', () => {
    const small = seal()
    expect(answer(lookUpPayload(newSources(), row, small.record))).toEqual({
      asked: [],
      found: { record: small.record, payload: text(utf8('p')) },
    })
    const { record, payloadValue } = seal(1, large(7))
    expect(answer(lookUpPayload(newSources(), row, record), payloadValue)).toEqual({
      asked: [PAYLOAD_ROW],
      found: { record, payload: text(large(7)) },
    })
  })

  test('of a payload that does not fit reads the record again, which by then may be another one, or none', async () => {
    const [first, second] = [seal(1, large(1)), seal(2, large(2))]
    const look = (...answers: readonly (Uint8Array | undefined)[]) =>
      answer(lookUpPayload(newSources(), row, first.record), ...answers)
    for (const meanwhile of [second.payloadValue, undefined]) {
      expect(look(meanwhile, second.value, second.payloadValue)).toEqual({
        asked: [PAYLOAD_ROW, ROW, PAYLOAD_ROW],
        found: { record: second.record, payload: text(large(2)) },
      })
      expect(look(meanwhile, undefined)).toEqual({ asked: [PAYLOAD_ROW, ROW], found: undefined })
      const small = seal(3)
      expect(look(meanwhile, small.value)).toEqual({
        asked: [PAYLOAD_ROW, ROW],
        found: { record: small.record, payload: text(utf8('p')) },
      })
      // The record still says that this is its payload: then it is not a write that was in between.
      expect(await codeOf(() => look(meanwhile, first.value))).toBe('ERR_CORRUPT')
    }
  })
})

describe('reading', () => {
  const { value, record, payloadValue } = seal(1, large(7))
  const rows = [
    { key: payloadRow(rowKey), value: payloadValue as Uint8Array },
    { key: rowKey, value },
  ]

  function* whole(): Lookup<Uint8Array | undefined> {
    const stored: StoredRecord | undefined = yield* lookUpStored(newSources(), row)
    const found = stored && (yield* lookUpPayload(newSources(), row, stored))
    return found?.payload.bytes
  }

  test('is done at once where the engine can, and otherwise waits for it', async () => {
    const engine = new MemoryEngine(rows)
    expect(readNow(engine, whole())).toEqual(large(7))
    expect(await read(engine, whole())).toEqual(large(7))
    const later = vi.spyOn(engine as Engine, 'get').mockImplementation(async (key) => engine.getSync(key))
    expect(await read(engine, whole())).toEqual(large(7))
    expect(later).toHaveBeenCalledTimes(2)
  })

  test('of what needs no row asks the engine for nothing', async () => {
    const nothing = {} as Engine
    const sources = newSources()
    answer(lookUpStored(sources, row), value)
    expect(readNow(nothing, lookUpStored(sources, row))).toEqual(record)
    expect(await read(nothing, lookUpStored(sources, row))).toEqual(record)
  })
})
