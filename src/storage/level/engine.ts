import { equal } from '../../base/bytes'
import { SecretStoreError } from '../../errors'
import { fileGeneration, joinPath, openAttempts, removeTree } from '../../platform/files'
import { isLockedByThisProcess } from '../../platform/process-locks'
import { type BatchLimits, LOCAL_LIMITS } from '../batch-limits'
import { addTo, type Batch, type Change, type Engine, type Range, type Row } from '../engine'
import { ERASURE_ROWS, HEAD_ROW } from '../keyspace'
import { refusal } from '../refusal'
import { closed, lockLost, openError, readError } from './errors'
import { type Level, LOCK_FILE, loadLevel } from './library'
import { expectReadableLogs } from './logs'

/** What `level` is on Node; its types promise no more than what it is in browsers too. */
type Database = Level<Uint8Array, Uint8Array> & {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
}
type ChainedBatch = Omit<ReturnType<Level<Uint8Array, Uint8Array>['batch']>, 'write'> & {
  write(options: { readonly sync: true }): Promise<void>
}

const NO_BYTES: Uint8Array = new Uint8Array()

/** Puts the next keyring.json in place, in two steps: until the second, nothing has changed. */
export interface KeyringWriter {
  stage(bytes: Uint8Array): Promise<void>
  install(bytes: Uint8Array): Promise<void>
}

const notWritten = async (): Promise<never> => {
  throw new Error('keyring.json: expected an engine that writes it, got one that was opened without')
}
const NO_KEYRING: KeyringWriter = { stage: notWritten, install: notWritten }
const [LOWEST_KEY, HIGHEST_KEY] = ERASURE_ROWS
const SCAN_WATERMARK_BYTES = 1024 * 1024
const RETAKE_ATTEMPTS = 40
const RETRY_PAUSE_MS = 50

/**
 * LevelDB under `directory`. Each commit is synced. It holds no iterator or snapshot beyond a call, since either keeps
 * deleted rows on disk, and never touches the LOCK file: closing any handle of it would drop the process's lock.
 */
export class LevelEngine implements Engine {
  readonly limits: BatchLimits = LOCAL_LIMITS
  readonly #directory: string
  readonly #keyring: KeyringWriter
  #database: Database
  #generation: string | undefined
  /** The head row, where it is certain what it is. */
  #head: Uint8Array | undefined
  /** Set while `erase` closes and opens the files. */
  #reopening: Promise<void> | undefined
  /** Why the files could not be opened again. */
  #lost: SecretStoreError | undefined
  readonly #reads = new Set<Promise<unknown>>()

  private constructor(directory: string, database: Database, keyring: KeyringWriter) {
    this.#directory = directory
    this.#database = database
    this.#keyring = keyring
    this.#generation = generationOf(directory)
  }

  /** @throws {SecretStoreError} `ERR_LOCKED`, `ERR_CORRUPT`, `ERR_IO`. */
  static async open(
    directory: string,
    { create = false, keyring = NO_KEYRING }: { readonly create?: boolean; readonly keyring?: KeyringWriter } = {},
  ): Promise<LevelEngine> {
    return new LevelEngine(directory, await openDatabase(directory, create, openAttempts), keyring)
  }

  canReadSync(): boolean {
    return this.#reopening === undefined
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (this.#reopening !== undefined) {
      throw new SecretStoreError('ERR_BUSY', 'store: expected no compaction during a synchronous read, got one')
    }
    if (this.#lost !== undefined) throw this.#lost
    try {
      return plain(this.#database.getSync(key))
    } catch (error) {
      throw readError(error)
    }
  }

  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.canReadSync() ? this.getSync(key) : this.#read(async (database) => plain(await database.get(key)))
  }

  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#read(async (database) => (await database.getMany([...keys])).map(plain))
  }

  scan({ gte, lt, limit, reverse = false }: Range): Promise<readonly Row[]> {
    return this.#read(async (database) => {
      const iterator = database.iterator({ gte, lt, limit, reverse, highWaterMarkBytes: SCAN_WATERMARK_BYTES })
      try {
        const rows = await iterator.all()
        return rows.map(([key, value]) => ({ key: plain(key), value: plain(value) }))
      } finally {
        await iterator.close()
      }
    })
  }

  scanKeys({ gte, lt, limit, reverse = false }: Range): Promise<readonly Uint8Array[]> {
    return this.#read(async (database) => {
      const iterator = database.keys({ gte, lt, limit, reverse })
      try {
        return (await iterator.all()).map((key) => plain(key))
      } finally {
        await iterator.close()
      }
    })
  }

  batch(): Batch {
    const rows = this.#newBatch()
    let head: Uint8Array | undefined
    let keyring: Uint8Array | undefined
    return {
      // LevelDB copies what it is given into the batch, so that nobody else need keep it.
      put(key, value) {
        rows.put(key, value)
        if (equal(key, HEAD_ROW)) head = value.slice()
      },
      del: (key) => void rows.del(key),
      keyring: async (bytes) => {
        this.checkOwned()
        await this.#keyring.stage(bytes)
        keyring = bytes
      },
      describe() {},
      write: (expectedHead) => this.#write(rows, expectedHead, head, keyring),
      close: () => rows.close(),
    }
  }

  /** There is one writer: a head that is not the expected one shows that this process has lost its lock. */
  async #write(
    rows: ChainedBatch,
    expectedHead: Uint8Array | undefined,
    nextHead: Uint8Array | undefined,
    keyring: Uint8Array | undefined,
  ): Promise<true> {
    if (this.#database.status !== 'open') throw closed()
    this.#head ??= this.getSync(HEAD_ROW) ?? NO_BYTES
    if (!equal(this.#head, expectedHead ?? NO_BYTES)) throw lockLost('a write by another')
    this.checkOwned()
    const before = this.#head
    this.#head = undefined // until it is certain
    if (keyring !== undefined) await this.#keyring.install(keyring)
    await writeSynced(rows)
    this.#head = nextHead ?? before
    // If this process's lock was dropped, another opener has begun a new generation of files, and what was just
    // written may be in one that nobody reads any more. It must not be acknowledged.
    this.checkOwned()
    return true
  }

  /** Another opener begins a new generation, and its files have the numbers that ours would get. */
  checkOwned(): void {
    if (generationOf(this.#directory) !== this.#generation) throw lockLost('another one')
  }

  /**
   * Deleted names are in tables, in logs, and in what MANIFEST and LOG say of them; and for each level MANIFEST names the
   * key up to which it was compacted last, for ever if it is never compacted again. Hence two compactions through all
   * levels, of which the last key is none of a secret's: a row at either end is put before the first, and deleted before the
   * second. Opening the files puts what is in the log into the topmost level, and begins MANIFEST and LOG anew.
   */
  async erase(): Promise<void> {
    this.checkOwned()
    // Whatever was acknowledged goes into a table: a log that cannot be read as the files are opened again is deleted.
    await this.#database.compactRange(LOWEST_KEY, LOWEST_KEY)
    await this.#writeEnds((key) => ({ type: 'put', key, value: NO_BYTES }))
    await this.#openAnew()
    await this.#database.compactRange(LOWEST_KEY, HIGHEST_KEY)
    await this.#writeEnds((key) => ({ type: 'del', key }))
    await this.#openAnew()
    await this.#database.compactRange(LOWEST_KEY, HIGHEST_KEY)
    await this.#openAnew()
    await removeTree(joinPath(this.#directory, 'lost'))
  }

  /**
   * The head, as it is, comes last, so that it is LevelDB's last write at any time: a recovery can tell from it that
   * nothing later is lost.
   */
  async #writeEnds(change: (key: Uint8Array) => Change): Promise<void> {
    const head = this.getSync(HEAD_ROW)
    const batch = this.batch()
    try {
      addTo(batch, ERASURE_ROWS.map(change))
      if (head !== undefined) batch.put(HEAD_ROW, head)
      await batch.write(head)
    } finally {
      await batch.close()
    }
  }

  async #openAnew(): Promise<void> {
    this.#reopening = this.#reopen()
    try {
      await this.#reopening
    } catch (cause) {
      this.#lost = new SecretStoreError(
        'ERR_FAILED',
        'store: expected to open its files again after a compaction, got a failure; close the store and open it anew',
        { cause },
      )
      throw this.#lost
    } finally {
      this.#reopening = undefined
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  async #reopen(): Promise<void> {
    await Promise.allSettled(this.#reads)
    await this.close()
    await expectReadableLogs(this.#directory)
    this.#database = await openDatabase(this.#directory, false, RETAKE_ATTEMPTS)
    this.#generation = generationOf(this.#directory)
    this.#head = undefined
  }

  async #read<T>(ask: (database: Database) => Promise<T>): Promise<T> {
    await this.#reopening?.catch(() => {})
    if (this.#lost !== undefined) throw this.#lost
    const reading = ask(this.#database)
    this.#reads.add(reading)
    try {
      return await reading
    } catch (error) {
      throw readError(error)
    } finally {
      this.#reads.delete(reading)
    }
  }

  #newBatch(): ChainedBatch {
    if (this.#database.status !== 'open') throw closed()
    return this.#database.batch() as ChainedBatch
  }
}

/** LevelDB writes CURRENT anew at each opening, and at no other time. */
function generationOf(directory: string): string | undefined {
  return fileGeneration(joinPath(directory, 'CURRENT'))
}

async function openDatabase(directory: string, create: boolean, attempts: number): Promise<Database> {
  const { Level } = await loadLevel()
  for (let attempt = 1; ; attempt++) {
    // A second open in another thread of this process would fail, but not before it has dropped the lock of the first.
    // A new database begins to open by itself, so this is looked at before there is one.
    if (isLockedByThisProcess(joinPath(directory, LOCK_FILE))) throw lockLost('another thread')
    const database = new Level<Uint8Array, Uint8Array>(directory, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: create,
      errorIfExists: create,
      // Sealed rows do not shrink, and a compressed block could hide a name from a search of the files.
      compression: false,
    })
    try {
      await database.open()
      return database as Database
    } catch (error) {
      await database.close().catch(() => {})
      const coded = openError(error)
      if (attempt >= attempts || coded.code === 'ERR_CORRUPT') throw coded
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * Math.ceil(attempt / 8)))
    }
  }
}

/** @throws {SecretStoreError} `ERR_IO`. */
async function writeSynced(rows: ChainedBatch): Promise<void> {
  try {
    await rows.write({ sync: true })
  } catch (cause) {
    throw refusal('data: expected to write it', cause)
  }
}

/** Node's `Buffer`, which LevelDB returns, has a `slice` that aliases. */
function plain<T extends Uint8Array | undefined>(bytes: T): T {
  if (bytes === undefined) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) as T
}
