import { concat, utf8 } from '../../src/base/bytes'
import { decodeEdit, type Edit, type TableEntry } from '../../src/storage/level/files/manifest'
import {
  blocksOf,
  type ForgedAddition,
  type ForgedBlock,
  type ForgedEntry,
  type ForgedTable,
  forgeBatch,
  forgedOf,
  forgeEdit,
  forgeLog,
  forgeTable,
  internalKey,
  recordsOf,
  varint,
} from './level-forge'

/**
 * What has LevelDB end the process, read what is none of its bytes, or answer with other rows, when it opens such files
 * alone: each in one step.
 */

export type Files = Map<string, Uint8Array>

const nameOf = (files: Files, pattern: RegExp): string =>
  [...files.keys()].filter((name) => pattern.test(name)).sort()[0] as string
const LOG = /\.log$/
const TABLE = /\.ldb$/
const MANIFEST = /^MANIFEST-/

function change(files: Files, pattern: RegExp, work: (bytes: Uint8Array) => Uint8Array): void {
  const name = nameOf(files, pattern)
  files.set(name, work(files.get(name) as Uint8Array))
}

/** The last batch of the log is exchanged. */
const lastBatch = (work: (batch: Uint8Array) => Uint8Array) => (files: Files) =>
  change(files, LOG, (log) => {
    const records = recordsOf(log)
    return forgeLog([...records.slice(0, -1), work(records.at(-1) as Uint8Array)])
  })

const oneMoreEdit = (edit: Parameters<typeof forgeEdit>[0]) => (files: Files) =>
  change(files, MANIFEST, (manifest) => forgeLog([...recordsOf(manifest), forgeEdit(edit)]))

function tablesIn(files: Files): TableEntry[] {
  const tables = new Map<number, TableEntry>()
  for (const record of recordsOf(files.get(nameOf(files, MANIFEST)) as Uint8Array)) {
    const { deleted, added } = decodeEdit(record) as Edit
    for (const { number } of deleted) tables.delete(number)
    for (const table of added) tables.set(table.number, table)
  }
  return [...tables.values()]
}

/** The first table is known otherwise, from the beginning: LevelDB takes no second word on a table. */
const otherTable = (work: (table: TableEntry) => readonly ForgedAddition[]) => (files: Files) => {
  const { number } = tablesIn(files).sort((a, b) => a.number - b.number)[0] as TableEntry
  change(files, MANIFEST, (manifest) =>
    forgeLog(
      recordsOf(manifest).map((record) => {
        const edit = decodeEdit(record) as Edit
        const added = edit.added.flatMap((table) => (table.number === number ? work(table) : [table]))
        return forgeEdit({ ...forgedOf(edit), added })
      }),
    ),
  )
}

/** The first table is made anew, and MANIFEST told how long it is. */
const anewTable = (work: (table: ForgedTable) => ForgedTable) => (files: Files) => {
  const name = nameOf(files, TABLE)
  const { blocks, filter } = blocksOf(files.get(name) as Uint8Array)
  files.set(name, forgeTable(work(filter === undefined ? { blocks } : { blocks, filter })))
  const { length } = files.get(name) as Uint8Array
  otherTable((table) => [{ ...table, bytes: length }])(files)
}

const anewBlock = (work: (block: ForgedBlock) => ForgedBlock) =>
  anewTable(({ blocks: [first, ...others], ...table }) => ({
    ...table,
    blocks: [work(first as ForgedBlock), ...others],
  }))

const anewEntry = (work: (entry: ForgedEntry) => ForgedEntry) =>
  anewBlock(({ entries: [first, second, ...others] }) => ({
    entries: [first as ForgedEntry, work(second as ForgedEntry), ...others],
  }))

const ROW: readonly (readonly [Uint8Array, Uint8Array])[] = [[utf8('r'), utf8('value')]]
const copyOf = (files: Files, pattern: RegExp, name: string): void =>
  void files.set(name, files.get(nameOf(files, pattern)) as Uint8Array)

/** By what it is, each with the file that is to blame. */
export const RECIPES: Readonly<Record<string, readonly [label: RegExp, spoil: (files: Files) => void]>> = {
  'a log that was appended to itself': [LOG, (files) => change(files, LOG, (log) => concat(log, log))],
  'a log under a second number': [LOG, (files) => copyOf(files, LOG, '000999.log')],
  'a log under a second name of its number': [LOG, (files) => copyOf(files, LOG, `0${nameOf(files, LOG)}`)],
  'a log of number 0': [LOG, (files) => copyOf(files, LOG, '0.log')],
  'a log of the greatest number': [LOG, (files) => copyOf(files, LOG, '18446744073709551615.log')],
  'a write whose number is above 2^56': [LOG, lastBatch(() => forgeBatch(2n ** 56n + 5n, ROW))],
  'a write whose number leaves none for the next': [LOG, lastBatch(() => forgeBatch(2n ** 56n - 2n, ROW))],
  'a batch of number 0 without writes': [LOG, lastBatch(() => forgeBatch(0, []))],
  'a batch that says that it has no writes': [
    LOG,
    (files) =>
      change(files, LOG, (log) =>
        forgeLog([...recordsOf(log), forgeBatch(9000, [...ROW, ...ROW], 0), forgeBatch(9001, ROW)]),
      ),
  ],
  'writes of numbers that tables have, too': [
    TABLE,
    (files) =>
      change(files, LOG, () =>
        forgeLog([
          forgeBatch(1, [
            [utf8('h'), utf8('x')],
            [utf8('h'), utf8('y')],
            [utf8('h'), utf8('z')],
          ]),
        ]),
      ),
  ],
  'a last write above 2^56': [MANIFEST, oneMoreEdit({ numbers: [[4, 2n ** 56n]] })],
  'a last write before those of tables': [
    TABLE,
    (files) => {
      oneMoreEdit({ numbers: [[4, 1]] })(files)
      files.delete(nameOf(files, LOG))
    },
  ],
  'no number for the next file': [MANIFEST, oneMoreEdit({ numbers: [[3, 0]] })],
  'the greatest number for the next file': [MANIFEST, oneMoreEdit({ numbers: [[3, 2n ** 64n - 1n]] })],
  'a log that is still to come': [MANIFEST, oneMoreEdit({ numbers: [[2, 10_000]] })],
  'a compaction up to an empty key': [MANIFEST, oneMoreEdit({ pointers: [[0, new Uint8Array()]] })],
  'a table of number 0': [MANIFEST, otherTable((table) => [{ ...table, number: 0 }])],
  'a table from an empty key': [
    MANIFEST,
    otherTable((table) => [table, { ...table, number: 1, smallest: new Uint8Array() }]),
  ],
  'a table to a key that is too short': [
    MANIFEST,
    otherTable((table) => [table, { ...table, number: 1, largest: utf8('rt') }]),
  ],
  'a table from its last key to its first': [
    MANIFEST,
    otherTable((table) => [{ ...table, level: 0, smallest: table.largest, largest: table.smallest }]),
  ],
  'tables that overlap': [
    MANIFEST,
    (files) => {
      copyOf(files, TABLE, '000001.ldb')
      otherTable((table) => [
        { ...table, level: 3 },
        { ...table, level: 3, number: 1 },
      ])(files)
    },
  ],
  'a table in two levels': [
    MANIFEST,
    otherTable((table) => [
      { ...table, level: 3 },
      { ...table, level: 4 },
    ]),
  ],
  'a table whose number is still to come': [
    MANIFEST,
    (files) => {
      copyOf(files, TABLE, '005000.ldb')
      otherTable((table) => [{ ...table, number: 5000 }])(files)
    },
  ],
  'a copy of a table under another number': [
    TABLE,
    (files) => {
      copyOf(files, TABLE, '000001.ldb')
      otherTable((table) => [
        { ...table, level: 3 },
        { ...table, level: 4, number: 1 },
      ])(files)
    },
  ],
  'a table that is cut to nothing': [TABLE, (files) => change(files, TABLE, () => new Uint8Array())],
  'an index of 2^40 bytes': [
    TABLE,
    anewTable((table) => ({
      ...table,
      footer: ([meta, metaBytes, index]) => [meta, metaBytes, index, 2n ** 40n] as bigint[],
    })),
  ],
  'an index whose place goes round': [
    TABLE,
    anewTable((table) => ({
      ...table,
      footer: ([meta, metaBytes]) => [meta, metaBytes, 2n ** 64n - 20n, 24n] as bigint[],
    })),
  ],
  'a list of filters of 2^40 bytes': [
    TABLE,
    anewTable((table) => ({
      ...table,
      footer: ([meta, , index, bytes]) => [meta, 2n ** 40n, index, bytes] as bigint[],
    })),
  ],
  'a filter of 2^40 bytes': [
    TABLE,
    anewTable((table) => ({
      ...table,
      meta: (entries) => ({
        entries: entries.map((entry) => ({ ...entry, value: concat(varint(0), varint(2n ** 40n)) })),
      }),
    })),
  ],
  'a block of 2^40 bytes': [
    TABLE,
    anewTable((table) => ({
      ...table,
      index: (entries) => ({
        entries: entries.map((entry) => ({ ...entry, value: concat(varint(0), varint(2n ** 40n)) })),
      }),
    })),
  ],
  'an index with a key that is too short': [
    TABLE,
    anewTable((table) => ({
      ...table,
      index: (entries) => ({ entries: entries.map((entry) => ({ ...entry, key: utf8('r') })) }),
    })),
  ],
  'a key that is too short': [TABLE, anewEntry((entry) => ({ ...entry, key: utf8('r') }))],
  'a key whose length goes round': [TABLE, anewEntry((entry) => ({ ...entry, rest: 2n ** 32n - 1n, valueBytes: 2 }))],
  'an entry that shares more than there is': [TABLE, anewEntry((entry) => ({ ...entry, shared: 2n ** 32n + 1n }))],
  'keys out of order': [TABLE, anewBlock(({ entries }) => ({ entries: [...entries].reverse() }))],
  'a key twice': [
    TABLE,
    anewBlock(({ entries }) => ({
      entries: entries.flatMap((entry, index) => (index === 1 ? [entry, entry] : [entry])),
    })),
  ],
  'a key below the first of its table': [
    TABLE,
    (files) => {
      const [first] = tablesIn(files).sort((a, b) => a.number - b.number)
      anewBlock(({ entries }) => ({ entries: [{ key: internalKey('a', 1), value: new Uint8Array() }, ...entries] }))(
        files,
      )
      otherTable((table) => [{ ...table, smallest: (first as TableEntry).smallest }])(files)
    },
  ],
  'a sector of zeros': [TABLE, (files) => change(files, TABLE, (table) => Uint8Array.from(table).fill(0, 0, 512))],
  'a restart in the middle of an entry': [TABLE, anewBlock((block) => ({ ...block, restarts: [0, 5] }))],
  'CURRENT that names LOCK': [/^CURRENT$/, (files) => void files.set('CURRENT', utf8('LOCK\n'))],
}
