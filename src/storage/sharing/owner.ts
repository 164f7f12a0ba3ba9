import { equal } from '../../base/bytes'
import { codeOf } from '../../base/thrown'
import { SecretStoreError } from '../../errors'
import { addTo, type Engine } from '../engine'
import { HEAD_ROW } from '../keyspace'
import type { Connection } from './connection'
import {
  type Answer,
  type CommitRequest,
  decodeRequest,
  encodeAnswer,
  encodeFeedItem,
  type FeedItem,
  type Request,
} from './messages'
import { type Turn, WriteTurns } from './turns'

/** Whoever writes: a follower, or the owner's own queue. */
export interface Writer {
  /** Told of the commits of others, in order. */
  onCommit(item: FeedItem): void
}

/** A follower that has not taken so much of what it was told is told no more, and has to begin anew. */
const MOST_WAITING_BYTES: number = 64 * 1024 * 1024

const NO_BYTES: Uint8Array = new Uint8Array()

/**
 * The process that holds the files, for all that share them: gives turns, writes commits in one order, and tells each to
 * all others before whoever made it hears that it is on disk.
 */
export class Owner {
  readonly #engine: Engine
  readonly #turns: WriteTurns
  readonly #writers = new Set<Writer>()
  readonly #onFailure: (error: unknown) => void
  #commits = 0

  /** @param onFailure - The files cannot be relied on any more; nothing is written after it. */
  constructor(engine: Engine, onFailure: (error: unknown) => void, turns: WriteTurns = new WriteTurns()) {
    this.#engine = engine
    this.#onFailure = onFailure
    this.#turns = turns
  }

  get commits(): number {
    return this.#commits
  }

  /** @returns Ends it. */
  join(writer: Writer): () => void {
    this.#writers.add(writer)
    return () => this.#writers.delete(writer)
  }

  turn(limited = true): Promise<Turn> {
    return this.#turns.take(limited)
  }

  /**
   * Writes a commit, and ends the turn.
   *
   * @returns `false` if the turn is over, or another head is there: nothing was written.
   */
  async commit(writer: Writer, turn: Turn, { expectedHead, changes, note, keyring }: CommitRequest): Promise<boolean> {
    if (!turn.isHeld) return false
    turn.hold()
    const batch = this.#engine.batch()
    try {
      const head = await this.#engine.get(HEAD_ROW)
      if (!equal(head ?? NO_BYTES, expectedHead ?? NO_BYTES)) return false
      addTo(batch, changes)
      if (keyring !== undefined) await batch.keyring(keyring)
      await batch.write(expectedHead).catch((error) => {
        this.#onFailure(error)
        throw error
      })
      const next = await this.#engine.get(HEAD_ROW)
      this.#tell(writer, { number: ++this.#commits, head: next as Uint8Array, note, keyring })
      return true
    } finally {
      await batch.close()
      turn.end()
    }
  }

  #tell(writer: Writer, item: FeedItem): void {
    for (const other of [...this.#writers]) if (other !== writer) other.onCommit(item)
  }

  /** Answers a follower until its connection ends. @returns What to call with each of its messages, and at its end. */
  serve(send: () => Connection): { readonly onMessage: (message: Uint8Array) => void; readonly onEnd: () => void } {
    let turn: Turn | undefined
    let isOver = false
    const writer: Writer = {
      onCommit: (item) => {
        const connection = send()
        if (connection.waitingBytes > MOST_WAITING_BYTES) connection.end()
        else connection.send(encodeFeedItem(item))
      },
    }
    const leave = this.join(writer)
    const answer = async (request: Request): Promise<Answer> => {
      switch (request.type) {
        case 'get':
          return { type: 'value', value: await this.#engine.get(request.key) }
        case 'getMany':
          return { type: 'values', values: await this.#engine.getMany(request.keys) }
        case 'scan':
          return { type: 'rows', rows: await this.#engine.scan(request.range) }
        case 'scanKeys':
          return { type: 'values', values: await this.#engine.scanKeys(request.range) }
        case 'turn': {
          const granted = await this.turn()
          if (isOver) granted.end()
          turn = granted
          return { type: 'value', value: await this.#engine.get(HEAD_ROW) }
        }
        case 'commit': {
          const held = turn
          turn = undefined
          return { type: 'done', isDone: held !== undefined && (await this.commit(writer, held, request)) }
        }
        case 'pass':
          turn?.end()
          turn = undefined
          return { type: 'done', isDone: true }
        case 'erase': {
          if (!turn?.isHeld) return { type: 'done', isDone: false }
          turn.hold()
          await this.#engine.erase()
          return { type: 'done', isDone: true }
        }
        default:
          throw new SecretStoreError('ERR_UNSUPPORTED_VERSION', 'channel: expected a known request, got another')
      }
    }
    return {
      onMessage: (message) => {
        const { id, request } = decodeRequest(message)
        answer(request)
          .catch(
            (error): Answer => ({
              type: 'error',
              code: codeOf(error) ?? 'ERR_IO',
              message: String((error as Error).message),
            }),
          )
          .then((given) => send().send(encodeAnswer(id, given)))
      },
      onEnd: () => {
        isOver = true
        leave()
        // A commit that is under way holds it until it is written.
        if (turn !== undefined) turn.end()
      },
    }
  }
}
