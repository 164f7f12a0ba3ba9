import type { StoreContext } from '../context'
import type { CheckpointStorage } from '../input/options'
import { checkpointToken } from '../storage/checkpoint'

/**
 * Saves a checkpoint after writes, beside them: no write waits, and while one token is being saved any number of writes
 * end up in the next. A state is saved only when it is durable, so what is saved is never newer than the store.
 */
export class CheckpointKeeper {
  readonly #context: Pick<StoreContext, 'engine' | 'keyring' | 'queue'>
  readonly #storage: CheckpointStorage
  readonly #onError: (error: unknown) => void
  readonly #stopListening: () => void
  #savedSequence = -1
  #saving: Promise<void> | undefined
  /** Set at the end: the keys that make tokens are about to be wiped. */
  #last: Token | undefined
  #isGivenUp = false

  /** Saves at once, too: the state that was found. */
  constructor(
    context: Pick<StoreContext, 'engine' | 'keyring' | 'queue'>,
    storage: CheckpointStorage,
    onError: (error: unknown) => void,
  ) {
    this.#context = context
    this.#storage = storage
    this.#onError = onError
    this.#stopListening = context.queue.listen(() => this.#start())
    context.engine.others?.onOwned(() => this.#start())
    this.#start()
  }

  /** Begins to save the last state, and needs the store no more. Resolves when that is done, or could not be. */
  async close(): Promise<void> {
    this.#stopListening()
    // At the end this process is the owner no more.
    const isOwner = this.#isOwner
    this.#last = this.#token()
    await this.#saving
    this.#start(isOwner)
    await this.#saving
  }

  /** Saves nothing more: whoever holds the files by now may have saved a later state. */
  giveUp(): void {
    this.#isGivenUp = true
  }

  /** Saves a token of a state no older than the present one. @returns Whether that could be done. */
  async saved(): Promise<boolean> {
    const { sequence } = this.#context.queue.head
    for (let attempt = 0; attempt < 2 && this.#savedSequence < sequence; attempt++) {
      this.#start()
      await this.#saving
    }
    return this.#savedSequence >= sequence
  }

  #token(): Token {
    const { keyring, queue } = this.#context
    return this.#last ?? { sequence: queue.head.sequence, token: checkpointToken(keyring, queue.head) }
  }

  #isSaved(): boolean {
    return this.#isGivenUp || this.#savedSequence === (this.#last ?? this.#context.queue.head).sequence
  }

  /** Of several processes, the one that holds the files saves. */
  get #isOwner(): boolean {
    return this.#context.engine.others?.isOwner ?? true
  }

  #start(isOwner: boolean = this.#isOwner): void {
    if (isOwner && this.#saving === undefined && !this.#isSaved()) this.#saving = this.#save()
  }

  async #save(): Promise<void> {
    // A turn later, so that writers go on first.
    await new Promise((resolve) => setTimeout(resolve, 0))
    try {
      while (!this.#isSaved()) {
        const { sequence, token } = this.#token()
        await this.#storage.save(token)
        this.#savedSequence = sequence
      }
    } catch (error) {
      // The next write, or the end, tries again.
      this.#onError(error)
    } finally {
      this.#saving = undefined
    }
  }
}

interface Token {
  readonly sequence: number
  readonly token: string
}
