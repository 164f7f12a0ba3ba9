import { equal, utf8 } from '../../base/bytes'
import { codeOf } from '../../base/thrown'
import { corrupt } from '../../errors'
import { thisProcess } from '../../platform/this-process'
import { addTo, type Batch, type Engine } from '../engine'
import { HEAD_ROW } from '../keyspace'
import type { Peer } from '../other-writers'
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
import { NamedLocks } from './named-locks'
import { OwnerLost } from './remote-owner'
import { deleteOldSessions } from './session'
import { type Turn, WriteTurns } from './turns'
import { Untaken } from './untaken'

/** Whoever writes: a follower, or the owner's own queue. */
export interface Writer {
  readonly pid: number | undefined
  /** Told of the commits of others, in order. */
  onCommit(item: FeedItem): void
}

/** A follower that has not taken so much of what it was told is told no more, and has to begin anew. Answers do not count. */
const MOST_WAITING_BYTES: number = 64 * 1024 * 1024

/** What to call with what a follower sends: each message, each piece of a long one, the end. */
export interface Served {
  readonly onMessage: (message: Uint8Array) => void
  readonly onPiece: () => void
  readonly onEnd: () => void
}

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
  readonly locks: NamedLocks
  /** Called after each commit that has changed keyring.json, before anybody else writes. */
  onKeyring: (keyring: Uint8Array) => void = () => {}
  #commits = 0
  #isOver = false

  /** @param onFailure - The files cannot be relied on any more; nothing is written after it. */
  constructor(engine: Engine, onFailure: (error: unknown) => void, graceMs = 0, turns: WriteTurns = new WriteTurns()) {
    this.#engine = engine
    this.#onFailure = onFailure
    this.#turns = turns
    this.locks = new NamedLocks(graceMs)
  }

  /** Everybody who is there. */
  get peers(): readonly Peer[] {
    return [...this.#writers].map(({ pid }) => ({ pid: pid ?? thisProcess().pid, owner: pid === undefined }))
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** From now on nobody is answered. */
  end(): void {
    this.#isOver = true
    this.locks.end(new OwnerLost())
  }

  /** @returns Ends it. */
  join(writer: Writer): () => void {
    this.#writers.add(writer)
    return () => {
      this.#writers.delete(writer)
      this.locks.leave(writer)
    }
  }

  /** @param wantedMs - How long it may last, if that is more than usual. @throws {OwnerLost} */
  async turn(wantedMs?: number): Promise<Turn> {
    const turn = await this.#turns.take(wantedMs)
    if (!this.#isOver) return turn
    turn.end()
    throw new OwnerLost()
  }

  /**
   * Writes a commit, and ends the turn.
   *
   * @returns `false` if the turn is over, or another head is there: nothing was written.
   * @throws {OwnerLost} Nothing was written: LevelDB may lose what it acknowledges after a failed write.
   */
  async commit(writer: Writer, turn: Turn, { expectedHead, changes, note, keyring }: CommitRequest): Promise<boolean> {
    if (!turn.isHeld) return false
    turn.hold()
    let batch: Batch | undefined
    try {
      if (this.#isOver) throw new OwnerLost()
      const head = await this.#engine.get(HEAD_ROW)
      if (!equal(head ?? NO_BYTES, expectedHead ?? NO_BYTES)) return false
      const next = changes.findLast(({ key }) => equal(key, HEAD_ROW))
      if (next?.type !== 'put') throw corrupt('commit: expected a head in it, got none')
      batch = this.#engine.batch()
      addTo(batch, changes)
      if (keyring !== undefined) await batch.keyring(keyring)
      const isWritten = await batch.write(expectedHead).catch((error) => {
        this.#fail(error)
        throw error
      })
      if (!isWritten) return false
      this.#tell(writer, { number: ++this.#commits, head: next.value, note, keyring })
      if (keyring !== undefined) this.onKeyring(keyring)
      return true
    } finally {
      await batch?.close().catch(() => {})
      turn.end()
    }
  }

  /**
   * Makes deleted and replaced bytes leave the files, at a turn, and sessions that nobody asks for any more before them.
   */
  async erase(turn: Turn): Promise<boolean> {
    if (!turn.isHeld) return false
    if (this.#isOver) throw new OwnerLost()
    turn.hold()
    try {
      await deleteOldSessions(this.#engine)
      await this.#engine.erase()
      return true
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      turn.limit()
    }
  }

  /** The files cannot be relied on any more: whoever opens them next finds out what is in them. */
  #fail(error: unknown): void {
    this.end()
    this.#onFailure(error)
  }

  #tell(writer: Writer, item: FeedItem): void {
    for (const other of [...this.#writers]) if (other !== writer) other.onCommit(item)
  }

  /** Answers a follower until its connection ends. */
  serve(send: () => Connection): Served {
    let turn: Turn | undefined
    let isOver = false
    const untaken = new Untaken()
    const writer = {
      pid: 0,
      onCommit: (item: FeedItem): void => {
        const connection = send()
        if (untaken.bytes(connection) > MOST_WAITING_BYTES) connection.end()
        else {
          const message = encodeFeedItem(item)
          connection.send(message)
          untaken.add(connection, message.length)
        }
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
          const granted = await this.turn(request.wantedMs)
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
          // As long as the files are worked on, the turn does not end with the connection.
          const held = turn
          turn = undefined
          const isDone = held !== undefined && (await this.erase(held))
          if (isOver) held?.end()
          else turn = held
          return { type: 'done', isDone }
        }
        case 'lock':
          return { type: 'done', isDone: await this.locks.take(writer, request.name, request.again) }
        case 'unlock':
          this.locks.release(writer, request.name)
          return { type: 'done', isDone: true }
        case 'meet':
          writer.pid = request.pid
          return { type: 'value', value: utf8(JSON.stringify(this.peers)) }
      }
    }
    const failure = (error: unknown): Answer => ({
      type: 'error',
      code: codeOf(error) ?? 'ERR_IO',
      message: String((error as Error).message),
    })
    return {
      onMessage: (message) => {
        const { id, request } = decodeRequest(message)
        const give = (given: Answer): void => {
          // What fails because this is the end is for the next owner to answer.
          if (!this.#isOver) send().send(encodeAnswer(id, given))
        }
        answer(request)
          .catch(failure)
          .then(give)
          // An answer may be too long to be sent.
          .catch((error) => give(failure(error)))
      },
      // Whoever sends a long commit is there.
      onPiece: () => turn?.limit(),
      onEnd: () => {
        isOver = true
        leave()
        // A commit or an erasure that is under way holds it until its end.
        turn?.end()
      },
    }
  }
}
