import type { StoreContext } from './context'
import { encodeCheckpoint } from './format/checkpoint'

/** A place of the app's own for the latest checkpoint: a file elsewhere, a keychain, a server. */
export interface CheckpointStorage {
  /** The token saved last; `undefined` or `null` if there is none yet. */
  load(): string | null | undefined | Promise<string | null | undefined>
  /** Called one at a time, with a token newer than the last. */
  save(token: string): void | Promise<void>
}

/** The token for the state after the last write that is durable. */
export function checkpointToken({ keyring, queue: { head } }: Pick<StoreContext, 'keyring' | 'queue'>): string {
  return encodeCheckpoint({ storeId: keyring.storeId, sequence: head.sequence, mac: keyring.checkpointMac(head) })
}

/**
 * Saves a checkpoint after writes, beside them: no write waits, and while one token is being saved any number of writes
 * end up in the next. A state is saved only when it is durable, so what is saved is never newer than the store.
 */
export class CheckpointKeeper {
  readonly #context: Pick<StoreContext, 'keyring' | 'queue'>
  readonly #storage: CheckpointStorage
  readonly #onError: (error: unknown) => void
  readonly #stopListening: () => void
  #savedSequence = -1
  #saving: Promise<void> | undefined

  /** Saves at once, too: the state that was found. */
  constructor(
    context: Pick<StoreContext, 'keyring' | 'queue'>,
    storage: CheckpointStorage,
    onError: (error: unknown) => void,
  ) {
    this.#context = context
    this.#storage = storage
    this.#onError = onError
    this.#stopListening = context.queue.listen(() => this.#start())
    this.#start()
  }

  /** Resolves when the last state is saved, or could not be. */
  async close(): Promise<void> {
    this.#stopListening()
    await this.#saving
    this.#start()
    await this.#saving
  }

  #start(): void {
    if (this.#saving !== undefined || this.#savedSequence === this.#context.queue.head.sequence) return
    this.#saving = this.#save()
  }

  async #save(): Promise<void> {
    // A turn later, so that writers go on first.
    await new Promise((resolve) => setTimeout(resolve, 0))
    try {
      while (this.#savedSequence !== this.#context.queue.head.sequence) {
        const { sequence } = this.#context.queue.head
        await this.#storage.save(checkpointToken(this.#context))
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
