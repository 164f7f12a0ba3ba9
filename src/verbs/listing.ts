import { orAborted } from '../base/waiting'
import type { StoreContext } from '../context'
import { payloadText } from '../format/record-shape'
import type { ListRequest } from '../input/params'
import { type Partition, type Secret, type SecretList, toSecret } from '../model'
import { type Listed, locateCursor, type MaySee, namesOf, type Page, type Position, readPage } from './page'

/** What is listed, and what ends it early. */
type Request = ListRequest & { readonly signal: AbortSignal | undefined }

/** How many secrets a walk reads at a time. */
const WALK_PAGE = 100

/**
 * The answer of `list`: awaited, one page; walked with `for await`, every secret from the cursor on, page by page,
 * backward if the cursor is `ending_before`. Nothing is read before either.
 */
export class Listing<S extends Secret = Secret> implements Promise<SecretList<S>>, AsyncIterable<S> {
  /** Always `Listing`. */
  readonly [Symbol.toStringTag] = 'Listing'
  readonly #context: StoreContext
  readonly #partition: Partition
  readonly #request: () => Request
  readonly #maySee: MaySee | undefined
  #page: Promise<SecretList<S>> | undefined

  /** @internal @param parse - Validates the parameters; they are read here and now, its error is thrown on use. */
  constructor(context: StoreContext, partition: Partition, parse: () => Request, maySee?: MaySee) {
    this.#context = context
    this.#partition = partition
    this.#request = later(parse)
    this.#maySee = maySee
  }

  // biome-ignore lint/suspicious/noThenProperty: a listing is a promise of its first page, as in the stripe client
  then<A = SecretList<S>, B = never>(
    onFulfilled?: ((page: SecretList<S>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#page ??= this.#readPage()
    return this.#page.then(onFulfilled, onRejected)
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<SecretList<S> | B> {
    return this.then(undefined, onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<SecretList<S>> {
    return this.then().finally(onFinally)
  }

  /** Goes by position, not by id: deleting what was just visited does not disturb it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<S, void, undefined> {
    const request = this.#request()
    let position = await this.#start(request)
    for (let more = true; more; ) {
      const { items, hasMore } = await this.#read(request, WALK_PAGE, position)
      const visited = position?.direction === 'before' ? items.toReversed() : items
      for (const item of visited) yield toListedSecret<S>(item)
      const last = visited.at(-1)
      if (last !== undefined) position = { direction: position?.direction ?? 'after', key: last.key }
      more = hasMore
    }
  }

  async #readPage(): Promise<SecretList<S>> {
    const request = this.#request()
    const { items, hasMore } = await this.#read(request, request.limit, await this.#start(request))
    return {
      object: 'list',
      url: '/v1/apps/secrets',
      has_more: hasMore,
      data: items.map((item) => toListedSecret<S>(item)),
    }
  }

  async #start({ scope, cursor, signal }: Request): Promise<Position | undefined> {
    this.#context.checkOpen()
    signal?.throwIfAborted()
    return cursor && orAborted(signal, locateCursor(this.#context, this.#partition, scope, cursor, this.#maySee))
  }

  #read({ scope, prefix, expandPayload, signal }: Request, limit: number, position?: Position): Promise<Page> {
    const names = namesOf(this.#context, this.#partition, scope, prefix)
    return orAborted(signal, readPage(this.#context, names, limit, position, expandPayload, this.#maySee))
  }
}

/** With a payload where the request has it expanded, as the type of the listing says. */
function toListedSecret<S extends Secret>({ record, payload }: Listed): S {
  return toSecret(record, payload && payloadText(payload)) as S
}

/** Runs `work` now and hands out its value, or its error, later. */
function later<T>(work: () => T): () => T {
  try {
    const value = work()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}
