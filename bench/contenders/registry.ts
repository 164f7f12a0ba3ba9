import type { Contender } from './contender'

/** What is known of a contender before it is loaded. */
export interface Entry {
  readonly name: string
  readonly what: string
  /** The packages it is made of: their versions, and what they take on disk with everything below them. */
  readonly packages: readonly string[]
  /** Whose prepared stores it opens. @defaultValue its own */
  readonly storesOf?: string
  load(): Promise<Contender>
}

/** The one that is no contender. */
export const FLOOR = 'floor'

export const CONTENDERS: readonly Entry[] = [
  {
    name: 'bare',
    what: 'JSON in LevelDB, not encrypted',
    packages: ['classic-level'],
    load: async () => (await import('./bare')).loadContender(),
  },
  {
    name: 'diy',
    what: 'JSON sealed by hand with @noble/ciphers in LevelDB; ids and times in the open',
    packages: ['classic-level', '@noble/ciphers'],
    load: async () => (await import('./diy')).loadContender(),
  },
  {
    name: 'sqlcipher',
    what: 'SQLCipher 4, raw key, WAL, synchronous = FULL',
    packages: ['@signalapp/sqlcipher'],
    load: async () => (await import('./sqlcipher')).loadContender(),
  },
  {
    name: 'lmdb',
    what: 'LMDB with its encryptionKey: **unauthenticated**',
    packages: ['lmdb'],
    load: async () => (await import('./lmdb')).loadContender(),
  },
  {
    name: 'conf',
    what: 'one AES-256-GCM file, decrypted for each read and written anew for each write; the rename is not waited for',
    packages: ['conf'],
    load: async () => (await import('./conf')).loadContender(),
  },
  {
    name: 'matrixai',
    what: 'RocksDB, values sealed with AES-256-GCM of node:crypto',
    packages: ['@matrixai/db'],
    load: async () => (await import('./matrixai')).loadContender(),
  },
  {
    name: 'ours',
    what: 'secret-store without sodium-native',
    packages: [],
    load: async () => (await import('./ours')).loadOurs(false),
  },
  {
    name: 'ours-accelerated',
    what: 'secret-store with sodium-native installed',
    packages: ['sodium-native'],
    storesOf: 'ours',
    load: async () => (await import('./ours')).loadOurs(true),
  },
  {
    name: FLOOR,
    what: 'one row of LevelDB, of the size of ours, got or put meanwhile: no contender, what goals are counted from',
    packages: ['classic-level'],
    load: async () => (await import('./floor')).loadContender(),
  },
]

export function entryOf(name: string): Entry {
  const entry = CONTENDERS.find((candidate) => candidate.name === name)
  if (entry === undefined) throw new Error(`${name}: expected a contender, got none of that name`)
  return entry
}
