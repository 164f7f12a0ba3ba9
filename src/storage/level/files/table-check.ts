import { compare } from '../../../base/bytes'
import { corrupt } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { KEY_TAG_BYTES } from './block'
import { type KeyBounds, KeyWalk, problemOfData } from './block-check'
import type { TableEntry } from './manifest'
import type { Sequences } from './sequences'
import {
  contentOf,
  Damage,
  type Footer,
  layoutOf,
  problemOfOrder,
  type Span,
  separatorOf,
  type TableLayout,
  TRAILER_BYTES,
} from './table-layout'

/** Blocks that lie one after the other: from which, to below which; and where in the file. */
export interface Piece extends Span {
  readonly from: number
  readonly to: number
}

/** So much of a table is read at once: many blocks, or one that is longer. */
export const PIECE_BYTES: number = 512 * 1024

/** One table, and which of its blocks of data are known to be ones that LevelDB can read. */
export class TableCheck {
  readonly entry: TableEntry
  /** Of its file. */
  readonly name: string
  readonly #footer: Footer
  readonly #lastSequence: number
  readonly #read: (span: Span) => Uint8Array
  readonly #walk = new KeyWalk()
  #known: TableLayout | undefined
  #isChecked: Uint8Array = new Uint8Array()

  /**
   * @param lastSequence - The number of the last write.
   * @param read - Gives a part of the file.
   */
  constructor(entry: TableEntry, name: string, footer: Footer, lastSequence: number, read: (span: Span) => Uint8Array) {
    this.entry = entry
    this.name = name
    this.#footer = footer
    this.#lastSequence = lastSequence
    this.#read = read
  }

  /** All of its blocks. */
  *pieces(): Generator<Piece, void> {
    const layout = this.#layout()
    const problem = problemOfOrder(layout)
    if (problem !== undefined) throw this.#damaged(problem)
    const { starts, ends } = layout
    for (let from = 0; from < starts.length; ) {
      const start = starts[from] as number
      let to = from + 1
      while (to < starts.length && (ends[to] as number) - start < PIECE_BYTES) to++
      yield this.#piece(from, to)
      from = to
    }
  }

  /**
   * The block in which LevelDB looks for the newest write of a row, unless it is known: found in the same steps, since
   * nobody has looked at the order of the index yet (LevelDB, table/block.cc, `Seek`).
   */
  pieceOf(row: Uint8Array): Piece | undefined {
    const { smallest, largest } = this.entry
    if (compare(row, rowOf(smallest)) < 0 || compare(row, rowOf(largest)) > 0) return undefined
    const layout = this.#layout()
    const isBelow = (block: number): boolean => {
      const separator = separatorOf(layout, block)
      // A key that was made up for an index has a number above those of all writes, and comes before these.
      return (compare(rowOf(separator), row) || (isWritten(separator) ? 1 : -1)) < 0
    }
    const blocks = layout.starts.length
    let block = 0
    for (let right = blocks - 1; block < right; ) {
      const middle = (block + right + 1) >>> 1
      if (isBelow(middle)) block = middle
      else right = middle - 1
    }
    while (block < blocks && isBelow(block)) block++
    return block === blocks || this.#isChecked[block] === 1 ? undefined : this.#piece(block, block + 1)
  }

  /**
   * @param bytes - Of the piece.
   * @param sequences - Those of other blocks, in which no write of these is; `undefined` while that is not known.
   * @throws {SecretStoreError} `ERR_CORRUPT`.
   */
  check(bytes: Uint8Array, { start, end, from, to }: Piece, sequences?: Sequences): void {
    if (bytes.length < end - start) throw this.#damaged('one that is cut short')
    const { starts, ends } = this.#layout()
    const take = (sequence: number): string | undefined => sequences?.take(sequence)
    for (let block = from; block < to; block++) {
      const at = (starts[block] as number) - start
      const content = contentOf(bytes.subarray(at, (ends[block] as number) - start + TRAILER_BYTES))
      const problem =
        content === undefined
          ? 'a block of an unknown sort'
          : problemOfData(content, this.#walk, this.#bounds(block), take)
      if (problem !== undefined) throw this.#damaged(problem)
      this.#isChecked[block] = 1
    }
  }

  /** LevelDB reads it when it needs the table. */
  #layout(): TableLayout {
    if (this.#known !== undefined) return this.#known
    const layout = layoutOf(this.#footer, this.#lastSequence, (span) => {
      const bytes = this.#read(span)
      if (bytes.length < span.end - span.start) throw this.#damaged('one that is cut short')
      return bytes
    })
    if (layout instanceof Damage) throw this.#damaged(layout.what)
    this.#isChecked = new Uint8Array(layout.starts.length)
    this.#known = layout
    return layout
  }

  #piece(from: number, to: number): Piece {
    const { starts, ends } = this.#layout()
    return { from, to, start: starts[from] as number, end: (ends[to - 1] as number) + TRAILER_BYTES }
  }

  #bounds(block: number): KeyBounds {
    const layout = this.#layout()
    const separator = separatorOf(layout, block)
    const isLast = block === layout.starts.length - 1
    return {
      from: block === 0 ? this.entry.smallest : undefined,
      after: block === 0 ? undefined : separatorOf(layout, block - 1),
      to: isLast ? [separator, this.entry.largest] : [separator],
    }
  }

  #damaged(got: string): Error {
    return damagedFile(`${DATA_DIRECTORY}/${this.name}`, got)
  }
}

/** Whether it has the number of a write; a key that was made up for an index has one above all of these. */
function isWritten(key: Uint8Array): boolean {
  return (key[key.length - 1] as number) < 0x80
}

/** Without its tag. */
function rowOf(key: Uint8Array): Uint8Array {
  return key.subarray(0, key.length - KEY_TAG_BYTES)
}

/** @param got - What is wrong with a file, in words. */
export function damagedFile(label: string, got: string): Error {
  return corrupt(`${label}: expected a file that LevelDB can read, got ${got} (SecretStore.recover reads what is left)`)
}
