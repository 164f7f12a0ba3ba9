import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Secret } from '../data'
import { type Contender, KEY, type Listed, load, pageOf, type Store } from './contender'

type KeyPath = readonly string[]
type Change =
  | { readonly type: 'put'; readonly keyPath: KeyPath; readonly value: unknown }
  | { readonly type: 'del'; readonly keyPath: KeyPath }

interface Database {
  get<Value>(keyPath: KeyPath): Promise<Value | undefined>
  batch(changes: readonly Change[], sync: boolean): Promise<void>
  iterator<Value>(
    level: KeyPath,
    options: { gt?: string; lt?: string; limit?: number; keyAsBuffer: false; valueAsBuffer: false },
  ): AsyncIterable<[KeyPath, Value]>
  stop(): Promise<void>
}

interface Package {
  readonly DB: { createDB(options: object): Promise<Database> }
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
const DECODED = { keyAsBuffer: false, valueAsBuffer: false } as const
const duePrefix = (seconds: number): string => String(seconds).padStart(12, '0')
const dueKey = (seconds: number, name: string): string => `${duePrefix(seconds)}|${name}`

/** RocksDB. Values are sealed by what it is given for that, here AES-256-GCM of `node:crypto`; they are bound to no key. */
export async function loadContender(): Promise<Contender> {
  const { default: db } = await load<{ default: Package }>('@matrixai/db')
  const { default: logging } = await load<{ default: { default: new (...given: unknown[]) => object } }>(
    '@matrixai/logger',
  )
  const silent = new logging.default('DB', 4, [])
  const crypto = { key: Buffer.from(KEY), ops: { encrypt, decrypt } }
  return {
    open: async (directory) =>
      storeOver(await db.DB.createDB({ dbPath: join(directory, 'db'), crypto, logger: silent })),
  }
}

async function encrypt(key: ArrayBuffer, plaintext: ArrayBuffer): Promise<Buffer> {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', bytesOf(key), nonce)
  const ciphertext = cipher.update(bytesOf(plaintext))
  cipher.final()
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext])
}

async function decrypt(key: ArrayBuffer, sealed: ArrayBuffer): Promise<Buffer | undefined> {
  const bytes = bytesOf(sealed)
  const decipher = createDecipheriv('aes-256-gcm', bytesOf(key), bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const plaintext = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
  try {
    decipher.final()
    return plaintext
  } catch {
    return undefined
  }
}

/** Its types say `ArrayBuffer`; a `Buffer` is what comes. */
function bytesOf(given: ArrayBuffer | Buffer): Buffer {
  return Buffer.isBuffer(given) ? given : Buffer.from(given)
}

function storeOver(database: Database): Store {
  const find = (name: string): Promise<Secret | undefined> => database.get<Secret>(['records', name])
  const changesOf = async (secret: Secret): Promise<Change[]> => {
    const { name, payload, expires_at } = secret
    const previous = await find(name)
    const next: Secret = previous === undefined ? secret : { ...previous, payload, expires_at }
    const changes: Change[] = [{ type: 'put', keyPath: ['records', name], value: next }]
    if (previous === undefined) changes.push({ type: 'put', keyPath: ['ids', next.id], value: name })
    const before = previous?.expires_at ?? null
    if (before === expires_at) return changes
    if (before !== null) changes.push({ type: 'del', keyPath: ['due', dueKey(before, name)] })
    if (expires_at !== null) changes.push({ type: 'put', keyPath: ['due', dueKey(expires_at, name)], value: next.id })
    return changes
  }
  const batch = async (secrets: readonly Secret[]): Promise<void> => {
    await database.batch((await Promise.all(secrets.map(changesOf))).flat(), true)
  }

  return {
    find,
    findBare: find,
    get: async (name) => (await find(name))?.payload,
    set: (secret) => batch([secret]),
    setAtOnce: batch,
    batch,
    async page(limit, after) {
      const rows: Listed[] = []
      const range = { ...(after === undefined ? {} : { gt: after.name }), limit: limit + 1, ...DECODED }
      for await (const [, secret] of database.iterator<Secret>(['records'], range)) rows.push(secret)
      return pageOf(rows, limit)
    },
    async walk(visit) {
      for await (const [, secret] of database.iterator<Secret>(['records'], DECODED)) visit(secret)
    },
    async sweep(nowSeconds) {
      const changes: Change[] = []
      let swept = 0
      const range = { lt: duePrefix(nowSeconds + 1), ...DECODED }
      for await (const [[key = ''], id] of database.iterator<string>(['due'], range)) {
        const name = key.slice(duePrefix(0).length + 1)
        changes.push({ type: 'del', keyPath: ['due', key] }, { type: 'del', keyPath: ['records', name] })
        changes.push({ type: 'del', keyPath: ['ids', id] })
        swept++
      }
      await database.batch(changes, true)
      return swept
    },
    close: () => database.stop(),
  }
}
