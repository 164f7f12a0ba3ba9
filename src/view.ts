import { orAborted } from './base/waiting'
import type { StoreContext } from './context'
import { payloadText } from './format/record-shape'
import { type CallOptions, signalOf } from './input/call-options'
import {
  type BatchOperation,
  type ExpandListedPayloads,
  type ExpandPayload,
  type FindParams,
  type FindRequest,
  type ListParams,
  parseBatch,
  parseFind,
  parseList,
  parseSet,
  parseTarget,
  type SetLimits,
  type SetParams,
  type Target,
  type TargetParams,
} from './input/params'
import { type ChangeEvent, type DeletedSecret, type Secret, type SecretWithPayload, toSecret } from './model'
import { submitUnlessAborted } from './storage/commit/given-up'
import type { Operation } from './storage/commit/transaction'
import { hearChanges, hearGaps } from './verbs/events'
import { Listing } from './verbs/listing'
import type { Place, Reach, Restriction } from './verbs/reach'
import { findPayload, findRecord, type Lookup, read, readNow } from './verbs/reads'
import { batchOperation, deleteOperation, setOperation } from './verbs/writes'

/** What a view is made of. */
const parts = new WeakMap<object, { readonly context: StoreContext; readonly reach: Reach }>()

/**
 * The parts of a view, for what is built on it and is more than its verbs (stripe/). Not exported from the package.
 *
 * @returns `undefined` if it is no view of this copy of the library.
 */
export function partsOf(view: unknown): { readonly context: StoreContext; readonly reach: Reach } | undefined {
  return parts.get(view as object)
}

/**
 * The same view, with less to see: what it excludes is not listed, and everything else about it is `ERR_ACCESS_DENIED`.
 */
export function restrict(view: SecretView, restriction: Restriction): SecretView {
  const of = parts.get(view)
  if (of === undefined) throw new TypeError('view: expected one of this copy of the library, got something else')
  return new SecretView(of.context, of.reach.within(restriction))
}

/** The verbs, over one partition of a store, and if it has a `user` over no more than that user may see. */
export class SecretView {
  readonly #context: StoreContext
  readonly #reach: Reach

  /** @internal Use `SecretStore.open` and `store.view`. */
  constructor(context: StoreContext, reach: Reach) {
    this.#context = context
    this.#reach = reach
    parts.set(this, { context, reach })
  }

  /**
   * Creates a secret, or replaces the one of that name: `id` and `created` stay, everything else is what is given now.
   * When it resolves, the secret is on disk.
   *
   * @throws {TypeError | RangeError} On bad input, before anything is touched.
   * @throws {SecretStoreError} `ERR_ACCESS_DENIED`, `ERR_FAILED`, `ERR_CLOSED`; `ERR_CORRUPT` if the one to be replaced
   *   has to be read, because this process has not written it, and cannot be.
   */
  set(params: SetParams & ExpandPayload, options?: CallOptions): Promise<SecretWithPayload>
  set(params: SetParams, options?: CallOptions): Promise<Secret>
  async set(params: SetParams, options?: CallOptions): Promise<Secret> {
    const request = parseSet(params, this.#limits())
    return this.#submit(setOperation(this.#context, this.#place(request), request), options)
  }

  /**
   * A secret, without its payload unless expanded.
   *
   * @returns `undefined` if there is none, or it has expired.
   * @throws {TypeError} If the payload is to be expanded and is bytes: `getBytes` reads those.
   * @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_ACCESS_DENIED`, `ERR_CLOSED`.
   */
  find(params: FindParams & ExpandPayload, options?: CallOptions): Promise<SecretWithPayload | undefined>
  find(params: FindParams, options?: CallOptions): Promise<Secret | undefined>
  async find(params: FindParams, options?: CallOptions): Promise<Secret | undefined> {
    return this.#read(this.#find(parseFind(params)), options)
  }

  /** `find` without a promise. @throws {SecretStoreError} `ERR_NO_SYNC`, `ERR_BUSY` while the store compacts. */
  findSync(params: FindParams & ExpandPayload): SecretWithPayload | undefined
  findSync(params: FindParams): Secret | undefined
  findSync(params: FindParams): Secret | undefined {
    return readNow(this.#context.engine, this.#find(parseFind(params)))
  }

  /** The payload of a text secret. @throws As `find`. */
  async get(params: TargetParams, options?: CallOptions): Promise<string | undefined> {
    return this.#read(this.#getText(parseTarget(params, 'get')), options)
  }

  /** `get` without a promise. @throws As `findSync`. */
  getSync(params: TargetParams): string | undefined {
    return readNow(this.#context.engine, this.#getText(parseTarget(params, 'get')))
  }

  /** The payload of any secret as bytes, text as UTF-8. The caller may keep and overwrite them. @throws As `find`. */
  async getBytes(params: TargetParams, options?: CallOptions): Promise<Uint8Array | undefined> {
    const place = this.#place(parseTarget(params, 'getBytes'))
    const found = await this.#read(findPayload(this.#context, place.rowKey), options)
    return found && ownBytes(found.payload.bytes)
  }

  /**
   * The secrets of a scope in order of name. Await it for one page, or walk all pages with `for await`, during which
   * secrets may be set and deleted.
   *
   * @throws {SecretStoreError} `ERR_CURSOR` if the cursor is not (or no longer) the id of a secret of this scope.
   */
  list(params: ListParams & ExpandListedPayloads, options?: CallOptions): Listing<SecretWithPayload>
  list(params: ListParams, options?: CallOptions): Listing
  list(params: ListParams, options?: CallOptions): Listing {
    const read = () => {
      const request = { ...parseList(params), signal: signalOf(options) }
      this.#reach.check(request.scope)
      return request
    }
    return new Listing(this.#context, this.#reach.partition, read, this.#reach.names)
  }

  /**
   * Deletes a secret. When it resolves, that is on disk; `compact` makes the bytes leave it.
   *
   * @returns What was deleted, or `undefined` if there was nothing.
   * @throws As `set`.
   */
  delete(
    params: FindParams & ExpandPayload,
    options?: CallOptions,
  ): Promise<(DeletedSecret & SecretWithPayload) | undefined>
  delete(params: FindParams, options?: CallOptions): Promise<DeletedSecret | undefined>
  async delete(params: FindParams, options?: CallOptions): Promise<DeletedSecret | undefined> {
    const request = parseFind(params, 'delete')
    return this.#submit(deleteOperation(this.#context, this.#place(request), request), options)
  }

  /**
   * Several sets and deletes, in order, as one durable write: all of them or none.
   *
   * @returns What each would have returned.
   * @throws As `set`.
   */
  async batch(
    operations: readonly BatchOperation[],
    options?: CallOptions,
  ): Promise<(Secret | DeletedSecret | undefined)[]> {
    const parts = parseBatch(operations, this.#limits()).map((part) => {
      const place = this.#place(part.request)
      return part.type === 'set'
        ? setOperation(this.#context, place, part.request)
        : deleteOperation(this.#context, place, part.request)
    })
    return this.#submit(batchOperation<Secret | DeletedSecret | undefined>(parts), options)
  }

  /**
   * Tells of every change to what this view may see: in the order of the writes, when it is on disk, and in the process
   * that made it before its call resolves. A write that fails is told of by nobody, also if it took effect after all;
   * one of a store that is shared, whose outcome was unknown, is told of if it did.
   *
   * @param listener - Called within the order of writes, so that it should be quick. What it throws, or what its
   *   promise is rejected with, goes to `onError` and disturbs nobody else.
   * @returns Ends it; closing the store does so, too.
   * @throws {TypeError} On another event, or if `listener` is no function. @throws {SecretStoreError} `ERR_CLOSED`.
   */
  on(event: 'change', listener: (change: ChangeEvent) => unknown): () => void
  /**
   * Tells that changes may be missing: of the processes that share the store another one took over the files, and nobody
   * knows one by one what was written meanwhile.
   */
  on(event: 'gap', listener: () => unknown): () => void
  on(event: 'change' | 'gap', listener: (change: ChangeEvent) => unknown): () => void {
    if (event === 'gap') return hearGaps(this.#context, listener as () => unknown)
    if (event === 'change') return hearChanges(this.#context, this.#reach, listener)
    throw new TypeError("on: expected 'change' or 'gap', got another event")
  }

  #submit<T>(operation: Operation<T>, options: CallOptions | undefined): Promise<T> {
    const { queue } = this.#context
    return options === undefined ? queue.submit(operation) : submitUnlessAborted(queue, operation, signalOf(options))
  }

  #read<T>(lookup: Lookup<T>, options: CallOptions | undefined): Promise<T> {
    const { engine } = this.#context
    if (options === undefined) return read(engine, lookup)
    const signal = signalOf(options)
    return orAborted(signal, read(engine, lookup))
  }

  #limits(): SetLimits {
    return { nowSeconds: this.#context.nowSeconds(), maxPayloadBytes: this.#context.maxPayloadBytes }
  }

  *#find(request: FindRequest): Lookup<Secret | undefined> {
    const { rowKey } = this.#place(request)
    if (!request.expandPayload) {
      const record = yield* findRecord(this.#context, rowKey)
      return record && toSecret(record)
    }
    const found = yield* findPayload(this.#context, rowKey)
    return found && toSecret(found.record, payloadText(found.payload))
  }

  *#getText(target: Target): Lookup<string | undefined> {
    const found = yield* findPayload(this.#context, this.#place(target).rowKey)
    return found && payloadText(found.payload)
  }

  /** Where a secret lives, if this view may go there. @throws {SecretStoreError} `ERR_ACCESS_DENIED`, `ERR_CLOSED`. */
  #place(target: Target): Place {
    this.#context.checkOpen()
    return this.#reach.place(this.#context, target)
  }
}

/** Bytes with memory to themselves. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice()
}
