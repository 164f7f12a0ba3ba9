import { Turns } from '../base/waiting'
import type { StoreContext } from '../context'
import { SecretStoreError } from '../errors'
import { BytesPayloadError, payloadText } from '../format/record-shape'
import type { Address, Secret, SecretList } from '../model'
import type { Operation } from '../storage/commit/transaction'
import type { SecretStore } from '../store'
import { placeOf, Reach } from '../verbs/reach'
import { deleteOperation, liveRecord, setOperation } from '../verbs/writes'
import { partsOf, SecretView } from '../view'
import { badRequest, noSuchSecret } from './api-error'
import { type Caller, checkAccess } from './api-keys'
import type { ParamMap } from './form'
import { idempotent, type Outcome, type Reply } from './idempotency'
import { checkExpiry, type PayloadLimits, parseCreate, parseFind, parseList } from './params'

/** One request, whichever way it has come. */
export interface Call {
  readonly caller: Caller
  readonly params: ParamMap
  readonly requestId: string
  /** Not empty; used by `create` and `deleteWhere`. */
  readonly idempotencyKey?: string | undefined
}

/** The paths of the four calls, under the official client's names for them. */
export const PATHS = {
  create: '/v1/apps/secrets',
  list: '/v1/apps/secrets',
  find: '/v1/apps/secrets/find',
  deleteWhere: '/v1/apps/secrets/delete',
} as const

/** Of the hosted service, kept to in strict mode: secrets in a scope, and characters of a payload. */
const STRICT_SECRETS = 10
const STRICT_PAYLOAD_CHARACTERS = 5000

const MAX_KEY_CHARACTERS = 255

/** @throws {TypeError} If it is no store, or one of another copy of the library. */
export function checkStore(store: SecretStore): StoreContext {
  const context = partsOf(store)?.context
  if (context !== undefined) return context
  throw new TypeError('store: expected a SecretStore of this copy of the library (import both, or require both)')
}

const strictTurns = new WeakMap<StoreContext, Turns>()

/** In strict mode the secrets of a store are made one after the other, or two could be the last that fits. */
function turnsOf(context: StoreContext): Turns {
  const turns = strictTurns.get(context) ?? new Turns()
  strictTurns.set(context, turns)
  return turns
}

/** The four calls over a store. What they throw is an `ApiError`, or a fault of the store. */
export class SecretsApi {
  readonly #context: StoreContext
  readonly #strict: boolean
  readonly #limits: PayloadLimits
  readonly #turns: Turns

  constructor(context: StoreContext, strict: boolean) {
    this.#context = context
    this.#strict = strict
    this.#turns = turnsOf(context)
    this.#limits = {
      maxPayloadBytes: context.maxPayloadBytes,
      maxPayloadCharacters: strict ? STRICT_PAYLOAD_CHARACTERS : Number.POSITIVE_INFINITY,
    }
  }

  async create(call: Call): Promise<Reply> {
    const request = parseCreate(call.params, this.#limits)
    const { scope, name, payload, expires_at, expandPayload } = request
    checkAccess(call.caller, 'write', scope)
    const place = placeOf(this.#context.keyspace, { partition: call.caller.partition, scope, name })
    // Expanded here and not there: the reply that is kept holds no payload, which comes with the request each time.
    const set = setOperation(this.#context, place, { ...request, expandPayload: false })
    const submit = async (): Promise<Reply> => {
      const full = this.#strict && (await this.#isFull(place.address))
      return this.#execute(call, PATHS.create, [scope, name, payloadText(payload), expires_at, expandPayload], {
        ...set,
        apply: (transaction) => {
          const now = this.#context.nowSeconds()
          checkExpiry(expires_at, now)
          if (full && liveRecord(transaction, place.rowKey, now) === undefined) {
            const message = `This scope already has ${STRICT_SECRETS} secrets, which is the most a scope can hold.`
            throw badRequest(message, 'scope')
          }
          return { status: 200, body: set.apply(transaction) }
        },
      })
    }
    const reply = await (this.#strict ? this.#turns.take(submit) : submit())
    return expandPayload ? { ...reply, body: { ...(reply.body as Secret), payload: payloadText(payload) } } : reply
  }

  async list({ caller, params }: Call): Promise<{ readonly status: number; readonly body: SecretList }> {
    const request = parseList(params)
    checkAccess(caller, 'read', request.scope)
    try {
      return { status: 200, body: await this.#view(caller).list(request) }
    } catch (error) {
      const { starting_after, ending_before = '' } = request
      if (!(error instanceof SecretStoreError && error.code === 'ERR_CURSOR')) return refuseBytes(error)
      if (starting_after !== undefined) throw noSuchSecret(400, starting_after, 'starting_after')
      throw noSuchSecret(400, ending_before, 'ending_before')
    }
  }

  async find({ caller, params }: Call): Promise<Reply> {
    const { expandPayload, ...request } = parseFind(params)
    checkAccess(caller, 'read', request.scope)
    const secret = await this.#view(caller).find(request).catch(refuseBytes)
    if (secret === undefined) throw noSuchSecret(404, request.name, 'name')
    return { status: 200, body: secret }
  }

  async deleteWhere(call: Call): Promise<Reply> {
    const { scope, name, expandPayload } = parseFind(call.params)
    checkAccess(call.caller, 'write', scope)
    const place = placeOf(this.#context.keyspace, { partition: call.caller.partition, scope, name })
    const deletion = deleteOperation(this.#context, place, { expandPayload })
    return this.#execute(call, PATHS.deleteWhere, [scope, name, expandPayload], {
      ...deletion,
      apply: (transaction) => {
        const secret = deletion.apply(transaction)
        if (secret !== undefined) return { status: 200, body: secret }
        const { status, body } = noSuchSecret(404, name, 'name')
        return { status, body: { error: body } }
      },
    }).catch(refuseBytes)
  }

  /** With its key once, however often it is sent; without one each time. */
  async #execute(
    { caller: { partition }, idempotencyKey: key, requestId }: Call,
    path: string,
    content: readonly unknown[],
    operation: Operation<Outcome>,
  ): Promise<Reply> {
    const { queue } = this.#context
    if (key === undefined) return queue.submit<Reply>(operation)
    if (key.length > MAX_KEY_CHARACTERS) {
      throw badRequest(`Idempotency keys can be at most ${MAX_KEY_CHARACTERS} characters long.`)
    }
    const request = { partition, key, path, content: JSON.stringify(content), requestId }
    return queue.submit(idempotent(this.#context, request, operation))
  }

  async #isFull({ partition, scope }: Address): Promise<boolean> {
    const page = await new SecretView(this.#context, new Reach(partition)).list({ scope, limit: STRICT_SECRETS })
    return page.data.length === STRICT_SECRETS
  }

  #view({ partition, user }: Caller): SecretView {
    this.#context.checkOpen()
    return new SecretView(this.#context, new Reach(partition, user))
  }
}

/** The API has text alone: bytes are the library's. */
function refuseBytes(error: unknown): never {
  if (!(error instanceof BytesPayloadError)) throw error
  throw badRequest('This secret cannot be expanded: its payload is not text.', 'expand')
}
