import { SecretStoreError } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { joinPath } from '../../../platform/files'
import { RandomAccess, readPartSync } from '../../../platform/random-access'
import { system, systemError } from '../../directory/system-errors'
import { type SequenceLimits, Sequences } from './sequences'
import { PIECE_BYTES, type Piece, type TableCheck } from './table-check'

/** The tables of a database, whose blocks of data are looked at all at once, or each before LevelDB reads it. */
export class TableChecks {
  readonly #directory: string
  readonly #tables: readonly TableCheck[]
  readonly #limits: SequenceLimits
  #completion: Promise<void> | undefined
  #isComplete = false
  #isEnded = false
  #problem: SecretStoreError | undefined

  constructor(directory: string, tables: readonly TableCheck[], limits: SequenceLimits) {
    this.#directory = directory
    this.#tables = tables
    this.#limits = limits
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Looks at all blocks. @throws {SecretStoreError} `ERR_CORRUPT`, from then on in every call; `ERR_IO`. */
  complete(): Promise<void> {
    this.#completion ??= this.#checkAll().catch((error) => {
      this.#completion = undefined
      throw error
    })
    return this.#completion
  }

  async #checkAll(): Promise<void> {
    const found = new Sequences(this.#limits)
    const longest = Math.max(0, ...this.#tables.map(({ entry }) => entry.bytes))
    const buffer = new Uint8Array(Math.min(2 * PIECE_BYTES, longest))
    await system(DATA_DIRECTORY, async () => {
      for (const table of this.#tables) {
        if (this.#isEnded) return
        const file = await RandomAccess.open(joinPath(this.#directory, table.name))
        try {
          for (const piece of this.#refusing(() => [...table.pieces()])) {
            const bytes = await file.read(piece.start, piece.end, buffer)
            this.#refusing(() => table.check(bytes, piece, found))
          }
        } finally {
          await file.close()
        }
      }
      this.#isComplete = !this.#isEnded
    })
  }

  /** The same without a promise. */
  completeSync(): void {
    if (this.#isComplete) return
    const found = new Sequences(this.#limits)
    for (const table of this.#tables) {
      for (const piece of this.#refusing(() => [...table.pieces()])) this.#checkSync(table, piece, found)
    }
    this.#isComplete = true
  }

  /** Looks at the blocks in which LevelDB would look for a row. @throws {SecretStoreError} The same. */
  checkRow(row: Uint8Array): void {
    if (this.#problem !== undefined) throw this.#problem
    for (const table of this.#tables) {
      const piece = this.#refusing(() => table.pieceOf(row))
      if (piece !== undefined) this.#checkSync(table, piece, undefined)
    }
  }

  /** Has what is under way end soon. */
  end(): void {
    this.#isEnded = true
  }

  #checkSync(table: TableCheck, piece: Piece, found: Sequences | undefined): void {
    this.#refusing(() => {
      const bytes = readPartSync(joinPath(this.#directory, table.name), piece.start, piece.end)
      table.check(bytes, piece, found)
    })
  }

  /** Once something is wrong LevelDB must not go on: what it does by itself reads all files. */
  #refusing<T>(work: () => T): T {
    if (this.#problem !== undefined) throw this.#problem
    try {
      return work()
    } catch (cause) {
      const error = systemError(DATA_DIRECTORY, cause)
      if (error instanceof SecretStoreError && error.code === 'ERR_CORRUPT') this.#problem = error
      throw error
    }
  }
}
