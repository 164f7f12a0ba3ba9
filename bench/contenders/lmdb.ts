import type { Secret } from '../data'
import { type Contender, KEY, type Listed, load, pageOf, type Store } from './contender'

interface Database<Value> {
  get(key: string): Value | undefined
  put(key: string, value: Value): Promise<boolean>
  remove(key: string): Promise<boolean>
  getRange(
    range: Range,
  ): { readonly asArray: { key: string; value: Value }[] } & Iterable<{ key: string; value: Value }>
}

interface Range {
  readonly start?: string
  readonly end?: string
  readonly exclusiveStart?: boolean
  readonly limit?: number
}

interface Environment {
  openDB<Value>(name: string, options?: object): Database<Value>
  transaction(work: () => void): Promise<void>
  close(): Promise<void>
}

const END = '\uffff'
const RECORDS = 'account|'
const recordKey = (name: string): string => RECORDS + name
const duePrefix = (seconds: number): string => String(seconds).padStart(12, '0')
const dueKey = (seconds: number, name: string): string => `${duePrefix(seconds)}|${name}`

/** ChaCha8 over pages without authentication: who alters the file is not found out. MessagePack with shared structures. */
export async function loadContender(): Promise<Contender> {
  const { open } = await load<{ open(options: object): Environment }>('lmdb')
  const encryptionKey = Buffer.from(KEY).toString('base64').slice(0, KEY.length)
  // A commit waits for the disk, and is faster here than one whose `flushed` is then waited for.
  return { open: (directory) => storeOver(open({ path: directory, encryptionKey, overlappingSync: false })) }
}

function storeOver(environment: Environment): Store {
  const records = environment.openDB<Secret>('records', { sharedStructuresKey: Symbol.for('structures') })
  const ids = environment.openDB<string>('ids')
  const due = environment.openDB<string>('due')
  const find = (name: string): Secret | undefined => records.get(recordKey(name))

  const put = (secret: Secret): void => {
    const { name, payload, expires_at } = secret
    const previous = find(name)
    const next: Secret = previous === undefined ? secret : { ...previous, payload, expires_at }
    records.put(recordKey(name), next)
    if (previous === undefined) ids.put(next.id, name)
    const before = previous?.expires_at ?? null
    if (before === expires_at) return
    if (before !== null) due.remove(dueKey(before, name))
    if (expires_at !== null) due.put(dueKey(expires_at, name), next.id)
  }
  const batch = (secrets: readonly Secret[]): Promise<void> => environment.transaction(() => secrets.forEach(put))

  return {
    find,
    findBare: find,
    get: (name) => find(name)?.payload,
    getSync: (name) => find(name)?.payload,
    set: (secret) => batch([secret]),
    setAtOnce: batch,
    batch,
    page(limit, after) {
      const start = recordKey(after?.name ?? '')
      const rows = records.getRange({ start, exclusiveStart: true, end: RECORDS + END, limit: limit + 1 }).asArray
      return pageOf(
        rows.map(({ value }): Listed => value),
        limit,
      )
    },
    walk(visit) {
      for (const { value } of records.getRange({ start: RECORDS, end: RECORDS + END })) visit(value)
    },
    async sweep(nowSeconds) {
      const expired = due.getRange({ end: duePrefix(nowSeconds + 1) }).asArray
      await environment.transaction(() => {
        for (const { key, value } of expired) {
          due.remove(key)
          records.remove(recordKey(key.slice(duePrefix(0).length + 1)))
          ids.remove(value)
        }
      })
      return expired.length
    },
    close: () => environment.close(),
  }
}
