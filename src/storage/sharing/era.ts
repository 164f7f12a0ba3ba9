import { orAborted } from '../../base/waiting'
import type { FeedItem } from './messages'
import { noKey, type Sharing, soon } from './role'

/** Whom an era tells. */
export interface EraEvents {
  /** A commit of another process, whose keys are there. */
  onTold(item: FeedItem): void
  /** The keys of one could not be taken over. */
  onFailure(error: unknown): void
}

/** What is told for as long as a process has one role: what one has told is nothing to the next. */
export class Era {
  readonly #sharing: Pick<Sharing, 'adopt' | 'deadlineMs'>
  readonly #events: EraEvents
  readonly #end = new AbortController()
  /** Commits, until it is known what came before them. */
  #held: FeedItem[] | undefined = []
  /** Set while keys are taken over: what was read since may need them. */
  #adopting: Promise<void> | undefined

  constructor(sharing: Pick<Sharing, 'adopt' | 'deadlineMs'>, events: EraEvents) {
    this.#sharing = sharing
    this.#events = events
  }

  get isAdopting(): boolean {
    return this.#adopting !== undefined
  }

  /**
   * Resolves when no keys are being taken over.
   *
   * @throws What the era has ended with meanwhile; what the key has thrown; `ERR_BUSY` if it does not answer in time.
   */
  async adopted(): Promise<void> {
    if (this.#adopting !== undefined) await this.#soon(this.#adopting)
  }

  /** A commit of another process. Its keys are taken over before anything that comes later is told. */
  deliver(item: FeedItem): void {
    if (this.#end.signal.aborted) return
    if (this.#held !== undefined) this.#held.push(item)
    else if (item.keyring === undefined && this.#adopting === undefined) this.#events.onTold(item)
    else this.#adopt(item)
  }

  /**
   * Takes over the keys that there are: a writer may have died between keyring.json and the head.
   *
   * @param readHead - An owner tells of every commit before it answers: where nothing was told, the head is under these keys.
   * @param goOn - Called with the newest head, before anything else is told.
   * @throws As `adopted`.
   */
  async catchUp(
    readHead: () => Promise<Uint8Array | undefined>,
    goOn: (newest: Uint8Array | undefined) => void,
  ): Promise<void> {
    let newest: Uint8Array | undefined
    do {
      this.#held = []
      await this.#soon(this.#sharing.adopt(undefined))
      newest = await readHead()
    } while (this.#held.length > 0)
    this.#held = undefined
    goOn(newest)
  }

  /** Nothing is told any more. Whoever waits for keys gets the error. */
  end(error: unknown): void {
    this.#end.abort(error)
  }

  #adopt(item: FeedItem): void {
    const { keyring } = item
    const before = this.#adopting ?? Promise.resolve()
    const adopting = before
      .then(() => (keyring === undefined ? undefined : this.#sharing.adopt(keyring)))
      .then(() => {
        if (!this.#end.signal.aborted) this.#events.onTold(item)
      })
    this.#adopting = adopting
    adopting.then(
      () => {
        if (this.#adopting === adopting) this.#adopting = undefined
      },
      (error) => {
        if (!this.#end.signal.aborted) this.#events.onFailure(error)
      },
    )
  }

  #soon<T>(work: Promise<T>): Promise<T> {
    return soon(this.#sharing.deadlineMs, orAborted(this.#end.signal, work), noKey)
  }
}
