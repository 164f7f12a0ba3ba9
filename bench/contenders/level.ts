import type { Secret } from '../data'
import { type Contender, type Listed, load, type Page, pageOf, type Store } from './contender'

/** The part of classic-level that is used. */
export interface Level<Value> {
  open(): Promise<void>
  close(): Promise<void>
  getSync(key: string): Value | undefined
  get(key: string): Promise<Value | undefined>
  put(key: string, value: Value, options: { sync: boolean }): Promise<void>
  batch(changes: readonly Change<Value>[], options: { sync: boolean }): Promise<void>
  iterator(range: { gt: string; lt: string; limit?: number }): LevelIterator<Value>
  compactRange(start: string, end: string): Promise<void>
}

interface LevelIterator<Value> {
  nextv(count: number): Promise<[string, Value][]>
  all(): Promise<[string, Value][]>
  close(): Promise<void>
}

export type Change<Value> =
  | { readonly type: 'put'; readonly key: string; readonly value: Value }
  | { readonly type: 'del'; readonly key: string }

type LevelConstructor = new <Value>(
  directory: string,
  options: { keyEncoding: 'utf8'; valueEncoding: 'utf8' | 'view'; compression: boolean },
) => Level<Value>

/** Secret ↔ value, and text ↔ value for the rows that only lead to others. */
export interface Codec<Value> {
  readonly valueEncoding: 'utf8' | 'view'
  encode(key: string, secret: Secret): Value
  decode(key: string, value: Value): Secret
  encodeText(text: string): Value
  decodeText(value: Value): string
}

const WALK_ROWS = 1000
/** Sorts behind everything that begins with what stands before it. */
const END = '\uffff'
const RECORDS = 'r|account|'
const DUE = 'x|'
const recordKey = (name: string): string => RECORDS + name
const idKey = (id: string): string => `i|${id}`
const duePrefix = (seconds: number): string => DUE + String(seconds).padStart(12, '0')
const dueKey = (seconds: number, name: string): string => `${duePrefix(seconds)}|${name}`

type OpenLevel = <Value>(directory: string, valueEncoding: 'utf8' | 'view') => Promise<Level<Value>>

export async function loadLevel(): Promise<OpenLevel> {
  const { ClassicLevel } = await load<{ ClassicLevel: LevelConstructor }>('classic-level')
  return async <Value>(directory: string, valueEncoding: 'utf8' | 'view') => {
    // Uncompressed as ours is: what is sealed does not shrink.
    const level = new ClassicLevel<Value>(directory, { keyEncoding: 'utf8', valueEncoding, compression: false })
    await level.open()
    return level
  }
}

/** Settled: everything in one sorted run. */
export async function settleLevel(level: Level<unknown>): Promise<void> {
  await level.compactRange('\0', END)
}

/** A store over LevelDB as one writes it: a row for the secret, one that leads from its id to it, one for its expiry. */
export async function levelContender<Value>(codec: Codec<Value>): Promise<Contender> {
  const openLevel = await loadLevel()
  return { open: async (directory) => storeOver(await openLevel<Value>(directory, codec.valueEncoding), codec) }
}

function storeOver<Value>(level: Level<Value>, codec: Codec<Value>): Store {
  const find = (name: string): Secret | undefined => {
    const value = level.getSync(recordKey(name))
    return value === undefined ? undefined : codec.decode(recordKey(name), value)
  }
  const changesOf = (secret: Secret): Change<Value>[] => {
    const { name, payload, expires_at } = secret
    const previous = find(name)
    const next: Secret = previous === undefined ? secret : { ...previous, payload, expires_at }
    const changes: Change<Value>[] = [{ type: 'put', key: recordKey(name), value: codec.encode(recordKey(name), next) }]
    if (previous === undefined) changes.push({ type: 'put', key: idKey(next.id), value: codec.encodeText(name) })
    const before = previous?.expires_at ?? null
    if (before === expires_at) return changes
    if (before !== null) changes.push({ type: 'del', key: dueKey(before, name) })
    if (expires_at === null) return changes
    return [...changes, { type: 'put', key: dueKey(expires_at, name), value: codec.encodeText(next.id) }]
  }
  const batch = (secrets: readonly Secret[]): Promise<void> => level.batch(secrets.flatMap(changesOf), { sync: true })

  return {
    find,
    findBare: find,
    get: (name) => find(name)?.payload,
    getSync: (name) => find(name)?.payload,
    set: (secret) => batch([secret]),
    setAtOnce: batch,
    batch,
    async page(limit, after): Promise<Page> {
      const gt = recordKey(after?.name ?? '')
      const iterator = level.iterator({ gt, lt: RECORDS + END, limit: limit + 1 })
      const rows = await iterator.all()
      return pageOf(
        rows.map(([key, value]): Listed => codec.decode(key, value)),
        limit,
      )
    },
    async walk(visit) {
      const iterator = level.iterator({ gt: RECORDS, lt: RECORDS + END })
      for (let rows = await iterator.nextv(WALK_ROWS); rows.length > 0; rows = await iterator.nextv(WALK_ROWS)) {
        for (const [key, value] of rows) visit(codec.decode(key, value))
      }
      await iterator.close()
    },
    async sweep(nowSeconds) {
      const due = await level.iterator({ gt: DUE, lt: duePrefix(nowSeconds + 1) }).all()
      const changes = due.flatMap(([key, value]): Change<Value>[] => [
        { type: 'del', key },
        { type: 'del', key: recordKey(key.slice(duePrefix(0).length + 1)) },
        { type: 'del', key: idKey(codec.decodeText(value)) },
      ])
      await level.batch(changes, { sync: true })
      return due.length
    },
    settle: () => settleLevel(level),
    close: () => level.close(),
  }
}
