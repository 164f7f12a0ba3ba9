import { fromUtf8 } from '../../base/bytes'
import { SecretStoreError } from '../../errors'
import type { Range, Row } from '../engine'
import type { Peer } from '../other-writers'
import type { Connection } from './connection'
import {
  type Answer,
  type CommitRequest,
  decodeFromOwner,
  encodeRequest,
  errorOf,
  type FeedItem,
  type Request,
} from './messages'

/** The connection has ended: what was asked is to be asked of the next owner. */
export class OwnerLost extends Error {}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * An owner, seen from a follower: what it is asked over one connection. None of it keeps the process alive; the deadline of
 * whoever waits for an answer does.
 */
export class RemoteOwner {
  readonly #connection: () => Connection
  readonly #onCommit: (item: FeedItem) => void
  readonly #onEnd: () => void
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #isLost = false

  constructor(connection: () => Connection, onCommit: (item: FeedItem) => void, onEnd: () => void) {
    this.#connection = connection
    this.#onCommit = onCommit
    this.#onEnd = onEnd
  }

  readonly onMessage = (message: Uint8Array): void => {
    const from = decodeFromOwner(message)
    if ('feed' in from) {
      this.#onCommit(from.feed)
      return
    }
    const waiting = this.#waiting.get(from.id)
    this.#waiting.delete(from.id)
    waiting?.resolve(from.answer)
  }

  readonly onEnd = (): void => {
    this.#isLost = true
    for (const { reject } of this.#waiting.values()) reject(new OwnerLost())
    this.#waiting.clear()
    this.#onEnd()
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#ask({ type: 'get', key }, 'value')).value
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return (await this.#ask({ type: 'getMany', keys }, 'values')).values
  }

  async scan(range: Range): Promise<readonly Row[]> {
    return (await this.#ask({ type: 'scan', range }, 'rows')).rows
  }

  async scanKeys(range: Range): Promise<readonly Uint8Array[]> {
    return (await this.#ask({ type: 'scanKeys', range }, 'values')).values as readonly Uint8Array[]
  }

  /** Waits for this process's turn, of so many milliseconds if more than usual. @returns The head at its beginning. */
  async turn(wantedMs = 0): Promise<Uint8Array | undefined> {
    return (await this.#ask({ type: 'turn', wantedMs }, 'value')).value
  }

  /** @param onAnswer - Called with the answer before anything that came after it is heard, however late it comes. */
  async commit(request: CommitRequest, onAnswer: (isDone: boolean) => void = () => {}): Promise<boolean> {
    const heard = (answer: Answer): void => onAnswer(answer.type === 'done' && answer.isDone)
    return (await this.#ask({ type: 'commit', ...request }, 'done', heard)).isDone
  }

  async pass(): Promise<void> {
    await this.#ask({ type: 'pass' }, 'done')
  }

  /** Tells who this is, and waits for who is there. */
  async meet(pid: number): Promise<readonly Peer[]> {
    const { value } = await this.#ask({ type: 'meet', pid }, 'value')
    return JSON.parse(fromUtf8(value ?? new Uint8Array())) as readonly Peer[]
  }

  /**
   * @param again - It was held under the owner before, or by the connection before.
   * @returns `false` if `unlock` came first.
   */
  async lock(name: string, again: boolean): Promise<boolean> {
    return (await this.#ask({ type: 'lock', name, again }, 'done')).isDone
  }

  /** Gives it back, or ends the waiting for it. */
  async unlock(name: string): Promise<void> {
    await this.#ask({ type: 'unlock', name }, 'done')
  }

  async erase(): Promise<boolean> {
    return (await this.#ask({ type: 'erase' }, 'done')).isDone
  }

  end(): void {
    this.#connection().end()
  }

  async #ask<T extends Answer['type']>(
    request: Request,
    type: T,
    onAnswer: (answer: Answer) => void = () => {},
  ): Promise<Extract<Answer, { readonly type: T }>> {
    if (this.#isLost) throw new OwnerLost()
    this.#lastId = (this.#lastId + 1) >>> 0
    const id = this.#lastId
    const answer = await new Promise<Answer>((resolve, reject) => {
      // What is too long to be sent is not waited for.
      this.#connection().send(encodeRequest(id, request))
      const settle = (answer: Answer): void => {
        onAnswer(answer)
        resolve(answer)
      }
      this.#waiting.set(id, { resolve: settle, reject })
    })
    if (answer.type === type) return answer as Extract<Answer, { readonly type: T }>
    if (answer.type === 'error') throw errorOf(answer)
    throw new SecretStoreError('ERR_CORRUPT', `channel: expected an answer of type ${type}, got ${answer.type}`)
  }
}
