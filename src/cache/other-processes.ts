import { type BatchOperation, parseBatch } from '../input/params'
import type { ChangeEvent, DeletedSecret, Secret } from '../model'
import { batchOperation, deleteOperation, setOperation } from '../verbs/writes'
import { partsOf, type SecretView } from '../view'

type Parts = NonNullable<ReturnType<typeof partsOf>>

/** Told of what other processes do to entries, in the order in which it is done. */
export interface OthersListener {
  /** One has written an entry. */
  onWritten(key: string): void
  /** One has dropped what was kept for a secret, and wants no answer of before. */
  onDropped(key: string): void
  /** Nobody knows what they have done. */
  onGap(): void
}

/** What goes on in this process for one entry. */
interface Write {
  /** Changes of its own that it is to hear of. */
  own: number
  /** Whether another process has changed the entry since it began. */
  isOvertaken: boolean
}

/** A key of an entry by the scope and name of its secret; `undefined` if that is no entry. */
type KeyOf = (secret: Pick<ChangeEvent, 'scope' | 'name'>) => string | undefined

/** The caches of other processes over the entries of a store that they share. */
export class OtherProcesses {
  readonly #view: SecretView
  readonly #parts: Parts
  readonly #keyOf: KeyOf
  readonly #writes = new Map<string, Write>()

  private constructor(view: SecretView, parts: Parts, keyOf: KeyOf) {
    this.#view = view
    this.#parts = parts
    this.#keyOf = keyOf
  }

  /** @returns `undefined` if this process has the store alone, or it is none of this copy of the library. */
  static of(store: object, keyOf: KeyOf): OtherProcesses | undefined {
    const parts = partsOf(store)
    return parts?.context.engine.others && new OtherProcesses(store as SecretView, parts, keyOf)
  }

  /** @returns Ends it. */
  listen(listener: OthersListener): () => void {
    const endChanges = this.#view.on('change', (change) => {
      const key = this.#keyOf(change)
      if (key === undefined) return
      const write = this.#writes.get(key)
      if (change.type === 'expire') {
        if (write !== undefined) write.isOvertaken = true
        return
      }
      if (write !== undefined && write.own > 0) {
        write.own--
        return
      }
      if (write !== undefined) write.isOvertaken = true
      if (change.type === 'set') listener.onWritten(key)
      else listener.onDropped(key)
    })
    const endGaps = this.#view.on('gap', () => {
      for (const write of this.#writes.values()) write.isOvertaken = true
      listener.onGap()
    })
    return () => {
      endChanges()
      endGaps()
    }
  }

  /**
   * Reads an entry and writes it, until no other process has changed it in between. One at a time for each entry.
   *
   * @param plan - Reads, and says what is to be written; `undefined` for nothing.
   * @param isWanted - Asked when it is about to be written.
   * @returns Whether it was written, and is still what is there.
   */
  async write(
    key: string,
    plan: () => Promise<readonly BatchOperation[] | undefined>,
    isWanted: () => boolean,
  ): Promise<boolean> {
    const write: Write = { own: 0, isOvertaken: false }
    this.#writes.set(key, write)
    try {
      for (;;) {
        write.isOvertaken = false
        const operations = await plan()
        if (operations === undefined || !isWanted()) return false
        if (await this.#submit(operations, write, isWanted)) return !write.isOvertaken
        write.own = 0
      }
    } finally {
      this.#writes.delete(key)
    }
  }

  /** @returns `false` if it is not wanted any more at its turn, when everything that was written before has been told. */
  #submit(operations: readonly BatchOperation[], write: Write, isWanted: () => boolean): Promise<boolean> {
    const { context, reach } = this.#parts
    context.checkOpen()
    const limits = { nowSeconds: context.nowSeconds(), maxPayloadBytes: context.maxPayloadBytes }
    const parts = parseBatch(operations, limits).map(({ type, request }) => {
      const place = reach.place(context, request)
      return type === 'set' ? setOperation(context, place, request) : deleteOperation(context, place, request)
    })
    const batch = batchOperation<Secret | DeletedSecret | undefined>(parts)
    return context.queue.submit({
      ...batch,
      // Called anew where the turn was lost.
      apply(transaction) {
        if (!isWanted() || write.isOvertaken) return false
        const results = batch.apply(transaction)
        write.own = results.filter((secret) => secret !== undefined).length
        return true
      },
    })
  }
}
