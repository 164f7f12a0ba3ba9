import { join } from 'node:path'
import type { Secret } from '../data'
import { type Contender, type Found, KEY, type Listed, load, MOST_WAIT_MS, pageOf, type Store } from './contender'

interface Statement {
  run(parameters: readonly unknown[]): { readonly changes: number }
  get<Row>(parameters: readonly unknown[]): Row | undefined
  all<Row>(parameters: readonly unknown[]): Row[]
}

interface Database {
  exec(sql: string): void
  prepare(sql: string, options?: { pluck?: true; persistent?: boolean }): Statement
  pragma(source: string): unknown[]
  pragma(source: string, options: { simple: true }): unknown
  transaction(work: () => void): () => void
  close(): void
}

const SCHEMA = `create table if not exists secrets (
  id text primary key, scope text not null, name text not null, payload text not null,
  created integer not null, expires_at integer, livemode integer not null, unique (scope, name)
);
create index if not exists secrets_due on secrets (expires_at) where expires_at is not null;`
const WALK_ROWS = 1000
/** `pragma synchronous`: a commit waits for the disk. */
const FULL = 2
const NEW_KEY: string = 'ee'.repeat(32)

/** All is synchronous, as the library is. */
export async function loadContender(): Promise<Contender> {
  const { default: Database } = await load<{ default: new (file: string) => Database }>('@signalapp/sqlcipher')
  return {
    open(directory, { shared }) {
      const database = new Database(join(directory, 'secrets.db'))
      if (shared) database.pragma(`busy_timeout = ${MOST_WAIT_MS}`)
      database.pragma(`key = "x'${Buffer.from(KEY).toString('hex')}'"`)
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = FULL')
      if (database.pragma('synchronous', { simple: true }) !== FULL) throw new Error('synchronous: expected FULL')
      if (database.pragma('journal_mode', { simple: true }) !== 'wal') throw new Error('journal_mode: expected WAL')
      database.exec(SCHEMA)
      return storeOver(database)
    },
  }
}

/** Statements are prepared when first used, and kept: an opening pays only for what it uses. */
function storeOver(database: Database): Store {
  const prepared = new Map<string, Statement>()
  const statement = (sql: string, pluck = false): Statement => {
    let found = prepared.get(sql)
    if (found === undefined) {
      found = database.prepare(sql, { persistent: true, ...(pluck ? { pluck: true } : {}) })
      prepared.set(sql, found)
    }
    return found
  }
  const FIND = 'select * from secrets where scope = ? and name = ?'
  const FIND_BARE = 'select id, scope, name, created, expires_at, livemode from secrets where scope = ? and name = ?'
  const GET = 'select payload from secrets where scope = ? and name = ?'
  const PAGE = `select id, scope, name, created, expires_at, livemode from secrets
    where scope = ? and name > ? order by name limit ?`
  const SET = `insert into secrets (id, scope, name, payload, created, expires_at, livemode) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (scope, name) do update set payload = excluded.payload, expires_at = excluded.expires_at`

  const set = ({ id, scope, name, payload, created, expires_at, livemode }: Secret): void => {
    const { changes } = statement(SET).run([id, scope, name, payload, created, expires_at, livemode ? 1 : 0])
    if (changes !== 1) throw new Error(`set: expected one row, got ${changes}`)
  }
  const batch = (secrets: readonly Secret[]): void => {
    database.transaction(() => {
      for (const secret of secrets) set(secret)
    })()
  }
  const rowsAfter = (name: string, limit: number): Listed[] => statement(PAGE).all<Listed>(['account', name, limit])
  const get = (name: string): string | undefined => statement(GET, true).get<string>(['account', name])

  return {
    find: (name) => statement(FIND).get<Found>(['account', name]),
    findBare: (name) => statement(FIND_BARE).get<Listed>(['account', name]),
    get,
    getSync: get,
    set,
    setAtOnce: batch,
    batch,
    page: (limit, after) => pageOf(rowsAfter(after?.name ?? '', limit + 1), limit),
    walk(visit) {
      for (let name: string | undefined = ''; name !== undefined; ) {
        const rows = rowsAfter(name, WALK_ROWS)
        for (const row of rows) visit(row)
        name = rows.at(-1)?.name
      }
    },
    sweep: (nowSeconds) => statement('delete from secrets where expires_at <= ?').run([nowSeconds]).changes,
    rotate: () => database.pragma(`rekey = "x'${NEW_KEY}'"`),
    verify() {
      const problems = database.pragma('cipher_integrity_check')
      if (problems.length > 0) throw new Error(`cipher_integrity_check: expected nothing, got ${problems.length}`)
    },
    settle: () => void database.pragma('wal_checkpoint(TRUNCATE)'),
    close: () => database.close(),
  }
}
