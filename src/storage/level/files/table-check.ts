import { corrupt } from '../../../errors'
import { DATA_DIRECTORY } from '../../../format/constants'
import { KeyWalk, problemOfData } from './block-check'
import type { TableEntry } from './manifest'
import { contentOf, type Span, type TableLayout, TRAILER_BYTES } from './table-layout'

/** So much of a table is read at once: many blocks, or one that is longer. */
const PIECE_BYTES: number = 1024 * 1024

/** The blocks of data of one table: which of them are known to be ones that LevelDB can read. */
export class TableCheck {
  readonly entry: TableEntry
  readonly #layout: TableLayout
  readonly #label: string
  readonly #walk = new KeyWalk()

  /** @param name - Of its file. */
  constructor(entry: TableEntry, layout: TableLayout, name: string) {
    this.entry = entry
    this.#layout = layout
    this.#label = `${DATA_DIRECTORY}/${name}`
  }

  get blocks(): number {
    return this.#layout.starts.length
  }

  /** The parts of the file with its blocks. @returns From which block, to below which one. */
  *pieces(): Generator<Span & { readonly from: number; readonly to: number }, void> {
    const { starts, ends } = this.#layout
    for (let from = 0; from < starts.length; ) {
      const start = starts[from] as number
      let to = from + 1
      while (to < starts.length && (ends[to] as number) - start < PIECE_BYTES) to++
      yield { start, end: (ends[to - 1] as number) + TRAILER_BYTES, from, to }
      from = to
    }
  }

  /**
   * @param piece - One of `pieces`, or a single block.
   * @throws {SecretStoreError} `ERR_CORRUPT`.
   */
  check(
    bytes: Uint8Array,
    { start, end, from, to }: Span & { readonly from: number; readonly to: number },
    onSequence: (sequence: number) => string | undefined,
  ): void {
    if (bytes.length < end - start) throw damagedFile(this.#label, 'one that is cut short')
    const { starts, ends } = this.#layout
    for (let block = from; block < to; block++) {
      const at = (starts[block] as number) - start
      const content = contentOf(bytes.subarray(at, (ends[block] as number) - start + TRAILER_BYTES))
      const problem =
        content === undefined
          ? 'a block of an unknown sort'
          : problemOfData(content, this.#walk, this.#bounds(block), onSequence)
      if (problem !== undefined) throw damagedFile(this.#label, problem)
    }
  }

  #bounds(block: number): { from: Uint8Array | undefined; after: Uint8Array | undefined; to: readonly Uint8Array[] } {
    const { separators } = this.#layout
    const separator = separators[block] as Uint8Array
    const isLast = block === separators.length - 1
    return {
      from: block === 0 ? this.entry.smallest : undefined,
      after: block === 0 ? undefined : separators[block - 1],
      to: isLast ? [separator, this.entry.largest] : [separator],
    }
  }
}

/** @param got - What is wrong with a file, in words. */
export function damagedFile(label: string, got: string): Error {
  return corrupt(`${label}: expected a file that LevelDB can read, got ${got} (SecretStore.recover reads what is left)`)
}
