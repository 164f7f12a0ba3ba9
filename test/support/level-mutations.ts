import { concat } from '../../src/base/bytes'
import { decodeEdit, type Edit } from '../../src/storage/level/files/manifest'
import type { Draws } from './campaign'
import {
  blocksOf,
  type ForgedAddition,
  type ForgedBlock,
  type ForgedEdit,
  type ForgedEntry,
  type ForgedTable,
  fixed,
  forgeBatch,
  forgedOf,
  forgeEdit,
  forgeLog,
  forgeTable,
  internalKey,
  recordsOf,
  varint,
} from './level-forge'

/** Alters the files of a database, by name, so that checksums stay right where LevelDB looks at them. */

export type Files = Map<string, Uint8Array>
type Mutation = (files: Files, draws: Draws) => void

const POWERS = [
  0n,
  1n,
  2n,
  7n,
  8n,
  12n,
  127n,
  128n,
  255n,
  ...[16, 31, 32, 40, 53, 56, 63, 64].map((n) => 1n << BigInt(n)),
]

/** Near what is there, or near what is special. */
function number(draws: Draws, near: bigint | number): bigint {
  const base = draws.below(3) === 0 ? BigInt(near) : draws.pick(POWERS)
  return BigInt.asUintN(64, base + BigInt(draws.below(7) - 3))
}

function replaced<T>(items: readonly T[], index: number, ...others: readonly T[]): T[] {
  return [...items.slice(0, index), ...others, ...items.slice(index + 1)]
}

/** One of them twice, gone, or in another place. */
function shuffled<T>(items: readonly T[], draws: Draws): T[] {
  if (items.length === 0) return []
  const index = draws.below(items.length)
  const item = items[index] as T
  const others = replaced(items, index)
  const to = draws.below(items.length)
  return draws.pick([
    [...items, item],
    others,
    replaced(items, index, item, item),
    [...others.slice(0, to), item, ...others.slice(to)],
  ])
}

function altered(bytes: Uint8Array, draws: Draws): Uint8Array {
  const at = draws.below(bytes.length + 1)
  const some = Uint8Array.from({ length: draws.below(4) }, () => draws.pick([0, 1, 127, 128, 255, draws.below(256)]))
  const changed = bytes.slice()
  if (at < bytes.length) changed[at] = draws.pick([0, 1, 255, 128, (bytes[at] as number) ^ (1 << draws.below(8))])
  return draws.pick([
    changed,
    changed,
    bytes.subarray(0, at),
    concat(bytes.subarray(0, at), some, bytes.subarray(at)),
    concat(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + draws.below(8)))),
  ])
}

const namesOf = (files: Files, pattern: RegExp): string[] =>
  [...files.keys()].filter((name) => pattern.test(name)).sort()
const LOG = /\.log$/
const TABLE = /\.(ldb|sst)$/
const MANIFEST = /^MANIFEST-/

function withOne(
  files: Files,
  pattern: RegExp,
  draws: Draws,
  change: (bytes: Uint8Array, name: string) => Uint8Array,
): void {
  const names = namesOf(files, pattern)
  if (names.length === 0) return
  const name = draws.pick(names)
  files.set(name, change(files.get(name) as Uint8Array, name))
}

/** A log or a MANIFEST of other records. */
function records(pattern: RegExp, change: (records: Uint8Array[], draws: Draws) => Uint8Array[]): Mutation {
  return (files, draws) => withOne(files, pattern, draws, (log) => forgeLog(change(recordsOf(log), draws)))
}

const oneRecord =
  (change: (record: Uint8Array, draws: Draws) => Uint8Array) =>
  (all: Uint8Array[], draws: Draws): Uint8Array[] => {
    if (all.length === 0) return all
    const index = draws.below(all.length)
    return replaced(all, index, change(all[index] as Uint8Array, draws))
  }

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

const LOGS: readonly Mutation[] = [
  records(LOG, shuffled),
  records(LOG, oneRecord(altered)),
  records(
    LOG,
    oneRecord((record, draws) =>
      record.length < 8
        ? record
        : concat(fixed(number(draws, view(record).getBigUint64(0, true)), 8), record.subarray(8)),
    ),
  ),
  records(
    LOG,
    oneRecord((record, draws) =>
      record.length < 12
        ? record
        : concat(record.subarray(0, 8), fixed(number(draws, view(record).getUint32(8, true)), 4), record.subarray(12)),
    ),
  ),
  records(LOG, (all, draws) => [
    ...all,
    forgeBatch(
      number(draws, all.length),
      [[Uint8Array.of(0x72, draws.below(4)), draws.pick([undefined, new Uint8Array(draws.below(90))])]],
      draws.pick([0, 1, 1, 2]),
    ),
  ]),
  records(LOG, (all, draws) => [
    ...all,
    draws.pick([
      new Uint8Array(),
      new Uint8Array(11),
      new Uint8Array(12),
      concat(new Uint8Array(12), varint(number(draws, 1))),
    ]),
  ]),
  // Twice the same file, or under another number.
  (files, draws) => withOne(files, LOG, draws, (log) => concat(log, log)),
  (files, draws) => {
    const names = namesOf(files, LOG)
    if (names.length === 0) return
    const name = draws.pick(names)
    const other = draws.pick([
      '0',
      '000000',
      '1',
      '7',
      '000001',
      String(number(draws, Number.parseInt(name, 10))),
      `0${Number.parseInt(name, 10)}`,
      String(Number.parseInt(name, 10) + 1 + draws.below(4)).padStart(6, '0'),
    ])
    files.set(`${other}.log`, files.get(name) as Uint8Array)
  },
  // Frames of other types, cut in two, or in another place.
  (files, draws) =>
    withOne(files, LOG, draws, (log) => {
      const cut = draws.below(log.length + 1)
      return concat(log.subarray(cut), log.subarray(0, cut))
    }),
  (files, draws) =>
    withOne(files, LOG, draws, (log) =>
      forgeLog([
        recordsOf(log)[0] ?? new Uint8Array(),
        new Uint8Array(draws.below(70_000)),
        ...recordsOf(log).slice(1),
      ]),
    ),
]

function edits(change: (all: ForgedEdit[], draws: Draws, files: Files) => ForgedEdit[]): Mutation {
  return (files, draws) =>
    withOne(files, MANIFEST, draws, (manifest) => {
      const all = recordsOf(manifest).map((record) => decodeEdit(record))
      // An earlier mutation may have left something else there.
      return all.includes(undefined)
        ? manifest
        : forgeLog(
            change(
              all.map((edit) => forgedOf(edit as Edit)),
              draws,
              files,
            ).map(forgeEdit),
          )
    })
}

const oneEdit = (change: (edit: ForgedEdit, draws: Draws, files: Files) => ForgedEdit): Mutation =>
  edits((all, draws, files) => {
    const index = draws.below(all.length)
    return all.length === 0 ? all : replaced(all, index, change(all[index] as ForgedEdit, draws, files))
  })

const oneAddition = (change: (table: ForgedAddition, draws: Draws) => ForgedAddition[]): Mutation =>
  oneEdit((edit, draws) => {
    const added = edit.added ?? []
    const index = draws.below(added.length)
    return added.length === 0
      ? edit
      : { ...edit, added: replaced(added, index, ...change(added[index] as ForgedAddition, draws)) }
  })

function key(draws: Draws, near: Uint8Array): Uint8Array {
  return draws.pick([
    () => altered(near, draws),
    () => near.subarray(0, draws.below(9)),
    () => concat(near.subarray(0, -8), fixed((number(draws, 5) << 8n) | BigInt(draws.below(3)), 8)),
    () => internalKey(draws.pick(['', 'h', 'r', 'z', '\u0000']), number(draws, 3), draws.below(3)),
    () => new Uint8Array(),
  ])()
}

const MANIFESTS: readonly Mutation[] = [
  records(MANIFEST, shuffled),
  records(MANIFEST, oneRecord(altered)),
  oneEdit((edit, draws) => {
    const numbers = edit.numbers ?? []
    const index = draws.below(numbers.length)
    const [tag, value] = numbers[index] ?? [draws.pick([2, 3, 4, 9]), 5]
    return { ...edit, numbers: replaced(numbers, index, [tag, number(draws, value)]) }
  }),
  oneEdit((edit, draws) => ({
    ...edit,
    pointers: [...(edit.pointers ?? []), [draws.below(8), key(draws, internalKey('r', 4))]],
  })),
  oneEdit((edit, draws) => ({ ...edit, comparator: draws.pick(['leveldb.BytewiseComparator', 'x', '']) })),
  oneEdit((edit, draws) => ({ ...edit, deleted: [...(edit.deleted ?? []), [draws.below(7), draws.below(20)]] })),
  oneEdit((edit) => ({ ...edit, deleted: [] })),
  oneAddition((table, draws) => [{ ...table, level: draws.below(8) }]),
  oneAddition((table, draws) => [table, { ...table, level: draws.below(7) }]),
  oneAddition((table, draws) => [table, { ...table, number: number(draws, table.number) }]),
  oneAddition((table, draws) => [{ ...table, number: number(draws, table.number) }]),
  oneAddition((table, draws) => [{ ...table, bytes: number(draws, table.bytes) }]),
  oneAddition((table, draws) => [{ ...table, smallest: key(draws, table.smallest) }]),
  oneAddition((table, draws) => [{ ...table, largest: key(draws, table.largest) }]),
  oneAddition((table) => [{ ...table, smallest: table.largest, largest: table.smallest }]),
  // A copy of a table, known under another number.
  (files, draws) => {
    const names = namesOf(files, TABLE)
    if (names.length === 0) return
    const name = draws.pick(names)
    const copy = 1 + draws.below(30)
    files.set(`${String(copy).padStart(6, '0')}.${draws.pick(['ldb', 'sst'])}`, files.get(name) as Uint8Array)
    edits((all) =>
      all.map((edit) => ({
        ...edit,
        added: (edit.added ?? []).flatMap((table) =>
          Number(table.number) === Number.parseInt(name, 10)
            ? [table, { ...table, number: copy, level: draws.below(7) }]
            : [table],
        ),
      })),
    )(files, draws)
  },
]

/** Puts another table in the place of one, of which MANIFEST mostly knows. */
function tables(change: (table: ForgedTable, draws: Draws) => ForgedTable): Mutation {
  return (files, draws) => {
    const names = namesOf(files, TABLE)
    if (names.length === 0) return
    const name = draws.pick(names)
    let forged: ForgedTable
    try {
      const { blocks, filter } = blocksOf(files.get(name) as Uint8Array)
      forged = change(filter === undefined ? { blocks } : { blocks, filter }, draws)
    } catch {
      return // an earlier mutation has left something else there
    }
    const bytes = forgeTable(forged)
    files.set(name, bytes)
    if (draws.below(20) === 0) return
    const [first, last] = [forged.blocks[0]?.entries[0]?.key, forged.blocks.at(-1)?.entries.at(-1)?.key]
    const isTold = draws.below(2) === 0 && first !== undefined && last !== undefined
    const bounds = isTold ? { smallest: first as Uint8Array, largest: last as Uint8Array } : {}
    edits((all) =>
      all.map((edit) => ({
        ...edit,
        added: (edit.added ?? []).map((table) =>
          Number(table.number) === Number.parseInt(name, 10) ? { ...table, bytes: bytes.length, ...bounds } : table,
        ),
      })),
    )(files, draws)
  }
}

const oneBlock = (change: (block: ForgedBlock, draws: Draws) => ForgedBlock): Mutation =>
  tables((table, draws) => {
    const index = draws.below(table.blocks.length)
    if (table.blocks.length === 0) return table
    return { ...table, blocks: replaced(table.blocks, index, change(table.blocks[index] as ForgedBlock, draws)) }
  })

function entryOf(block: ForgedBlock, draws: Draws, change: (entry: ForgedEntry) => ForgedEntry): ForgedBlock {
  const index = draws.below(block.entries.length)
  return block.entries.length === 0
    ? block
    : { ...block, entries: replaced(block.entries, index, change(block.entries[index] as ForgedEntry)) }
}

function restarts(block: ForgedBlock, draws: Draws): ForgedBlock {
  const list = Array.from({ length: draws.below(4) }, () => Number(BigInt.asUintN(32, number(draws, draws.below(600)))))
  return draws.pick([
    { ...block, restarts: list },
    { ...block, restartCount: Number(BigInt.asUintN(32, number(draws, 2))) },
    { ...block, restarts: [0, ...list] },
  ])
}

function lengths(entry: ForgedEntry, draws: Draws): ForgedEntry {
  const near = { shared: 3, rest: entry.key.length, valueBytes: entry.value.length }
  const name = draws.pick(['shared', 'rest', 'valueBytes'] as const)
  return { ...entry, [name]: number(draws, near[name]) }
}

const indexBlock = (draws: Draws, entries: ForgedEntry[]): ForgedBlock =>
  draws.pick([
    () => ({ entries: shuffled(entries, draws) }),
    () => restarts({ entries }, draws),
    () => entryOf({ entries }, draws, (entry) => lengths(entry, draws)),
    () => entryOf({ entries }, draws, (entry) => ({ ...entry, key: key(draws, entry.key) })),
    () =>
      entryOf({ entries }, draws, (entry) => ({
        ...entry,
        value: concat(varint(number(draws, 0)), varint(number(draws, 4000))),
      })),
    () => entryOf({ entries }, draws, (entry) => ({ ...entry, value: altered(entry.value, draws) })),
    () => ({ entries, type: draws.below(4) }),
  ])()

const TABLES: readonly Mutation[] = [
  oneBlock((block, draws) => ({ ...block, entries: shuffled(block.entries, draws) })),
  oneBlock((block, draws) => entryOf(block, draws, (entry) => lengths(entry, draws))),
  oneBlock((block, draws) => entryOf(block, draws, (entry) => ({ ...entry, key: key(draws, entry.key) }))),
  oneBlock((block, draws) => entryOf(block, draws, (entry) => ({ ...entry, value: altered(entry.value, draws) }))),
  oneBlock(restarts),
  oneBlock((block, draws) => ({ ...block, type: draws.below(4) })),
  tables((table, draws) => ({ ...table, blocks: shuffled(table.blocks, draws) })),
  tables((table, draws) => ({ ...table, index: (entries) => indexBlock(draws, entries) })),
  tables((table, draws) => ({ ...table, meta: (entries) => indexBlock(draws, entries) })),
  tables((table, draws) => ({ ...table, footer: (handles) => replaced(handles, draws.below(4), number(draws, 100)) })),
  tables((table, draws) => ({
    ...table,
    filter: draws.pick([altered(table.filter ?? new Uint8Array(9), draws), new Uint8Array(draws.below(9)).fill(255)]),
  })),
  // Bytes of it, and no checksum made right: LevelDB looks at none.
  (files, draws) => withOne(files, TABLE, draws, (table) => altered(table, draws)),
  (files, draws) => withOne(files, TABLE, draws, (table) => altered(table, draws)),
  (files, draws) =>
    withOne(files, TABLE, draws, (table) => {
      const [bytes, at] = [table.slice(), draws.below(table.length)]
      return bytes.length === 0
        ? bytes
        : Uint8Array.from(bytes).fill(draws.pick([0, 255, 1]), at, at + draws.pick([1, 8, 64, 512, 4096]))
    }),
]

const FILES: readonly Mutation[] = [
  (files, draws) => void files.delete(draws.pick([...files.keys()])),
  (files, draws) =>
    withOne(files, /./, draws, (bytes) => bytes.subarray(0, draws.pick([0, draws.below(bytes.length + 1)]))),
  (files, draws) => withOne(files, /./, draws, (bytes) => altered(bytes, draws)),
  (files, draws) => {
    const [one, other] = [draws.pick([...files.keys()]), draws.pick([...files.keys()])]
    const bytes = files.get(one) as Uint8Array
    files.set(one, files.get(other) as Uint8Array)
    files.set(other, bytes)
  },
  (files, draws) =>
    void files.set(
      draws.pick([
        '0.log',
        '5.ldb',
        '000003.ldb',
        '000030.log',
        'MANIFEST-000000',
        'MANIFEST-999999',
        '000031.dbtmp',
        '18446744073709551615.log',
        '18446744073709551616.log',
        '000032.sst',
      ]),
      draws.pick([...files.values()]),
    ),
  (files, draws) =>
    void files.set(
      'CURRENT',
      new TextEncoder().encode(
        draws.pick([
          '',
          '\n',
          'LOG\n',
          'LOCK\n',
          'CURRENT\n',
          '../CURRENT\n',
          'MANIFEST-000001\n',
          'MANIFEST-\n',
          '000005.ldb\n',
          'MANIFEST-000002',
          'MANIFEST-000004\n\n',
        ]),
      ),
    ),
]

const SORTS: readonly (readonly Mutation[])[] = [LOGS, MANIFESTS, TABLES, TABLES, FILES]

/** Alters some of the files in one to three places. */
export function mutate(files: Files, draws: Draws): void {
  for (let count = draws.pick([1, 1, 1, 2, 3]); count > 0; count--) draws.pick(draws.pick(SORTS))(files, draws)
}
