import { compare } from '../../../base/bytes'
import { corrupt } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { KEY_TAG_BYTES } from './block'
import { type KeyBounds, KeyWalk, problemOfData } from './block-check'
import type { TableEntry } from './manifest'
import type { Sequences } from './sequences'
import { contentOf, Damage, type Footer, layoutOf, type Span, type TableLayout, TRAILER_BYTES } from './table-layout'

/** Blocks that lie one after the other: from which, to below which; and where in the file. */
export interface Piece extends Span {
  readonly from: number
  readonly to: number
}

/** So much of a table is read at once: many blocks, or one that is longer. */
const PIECE_BYTES: number = 1024 * 1024

/** One table, and which of its blocks of data are known to be ones that LevelDB can read. */
export class TableCheck {
  readonly entry: TableEntry
  /** Of its file. */
  readonly name: string
  readonly #footer: Footer
  readonly #read: (span: Span) => Uint8Array
  readonly #walk = new KeyWalk()
  #known: TableLayout | undefined
  #isChecked: Uint8Array = new Uint8Array()

  /** @param read - Gives a part of the file. */
  constructor(entry: TableEntry, name: string, footer: Footer, read: (span: Span) => Uint8Array) {
    this.entry = entry
    this.name = name
    this.#footer = footer
    this.#read = read
  }

  /** All of its blocks. */
  *pieces(): Generator<Piece, void> {
    const { starts, ends } = this.#layout()
    for (let from = 0; from < starts.length; ) {
      const start = starts[from] as number
      let to = from + 1
      while (to < starts.length && (ends[to] as number) - start < PIECE_BYTES) to++
      yield this.#piece(from, to)
      from = to
    }
  }

  /** Those that LevelDB looks for a row in, but for such as are known: one, or two where it may be at the end of one. */
  *piecesOf(row: Uint8Array): Generator<Piece, void> {
    const { smallest, largest } = this.entry
    if (compare(row, rowOf(smallest)) < 0 || compare(row, rowOf(largest)) > 0) return
    const blocks = this.#layout().starts.length
    let low = 0
    for (let high = blocks; low < high; ) {
      const middle = (low + high) >>> 1
      if (compare(rowOf(this.#separator(middle)), row) < 0) low = middle + 1
      else high = middle
    }
    for (let block = low; block < blocks; block++) {
      if (this.#isChecked[block] === 0) yield this.#piece(block, block + 1)
      if (compare(rowOf(this.#separator(block)), row) > 0) return
    }
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
    const layout = layoutOf(this.#footer, (span) => {
      const bytes = this.#read(span)
      if (bytes.length < span.end - span.start) throw this.#damaged('one that is cut short')
      return bytes
    })
    if (layout instanceof Damage) throw this.#damaged(layout.what)
    this.#isChecked = new Uint8Array(layout.starts.length)
    this.#known = layout
    return layout
  }

  #separator(block: number): Uint8Array {
    const { index, keyStarts, keyEnds } = this.#layout()
    return index.subarray(keyStarts[block], keyEnds[block])
  }

  #piece(from: number, to: number): Piece {
    const { starts, ends } = this.#layout()
    return { from, to, start: starts[from] as number, end: (ends[to - 1] as number) + TRAILER_BYTES }
  }

  #bounds(block: number): KeyBounds {
    const separator = this.#separator(block)
    const isLast = block === this.#layout().starts.length - 1
    return {
      from: block === 0 ? this.entry.smallest : undefined,
      after: block === 0 ? undefined : this.#separator(block - 1),
      to: isLast ? [separator, this.entry.largest] : [separator],
    }
  }

  #damaged(got: string): Error {
    return damagedFile(`${DATA_DIRECTORY}/${this.name}`, got)
  }
}

/** Without its tag. */
function rowOf(key: Uint8Array): Uint8Array {
  return key.subarray(0, key.length - KEY_TAG_BYTES)
}

/** @param got - What is wrong with a file, in words. */
export function damagedFile(label: string, got: string): Error {
  return corrupt(`${label}: expected a file that LevelDB can read, got ${got} (SecretStore.recover reads what is left)`)
}
