/** The concepts of the store, in Stripe's own field names (docs/secrets.md). */

/** Secrets of the account itself, or of one of its users. */
export type Scope =
  | {
      /** The whole account. */
      readonly type: 'account'
    }
  | {
      /** One user of the account. */
      readonly type: 'user'
      /** The user's id, 1 to 5,000 characters. */
      readonly user: string
    }

/** The scope shared by the whole account. */
export const account: { readonly type: 'account' } = Object.freeze({ type: 'account' })

/**
 * The scope of one user.
 *
 * @param id - The user's id, 1 to 5,000 characters.
 */
export function user(id: string): { readonly type: 'user'; readonly user: string } {
  return { type: 'user', user: id }
}

/** A secret as every verb returns it. Assignable to `Stripe.Apps.Secret` of the `stripe` package. */
export interface Secret {
  /** `appsecret_` and 24 letters or digits; kept when the secret is replaced. */
  id: string
  /** Always `apps.secret`, as in Stripe's API. */
  object: 'apps.secret'
  /** Unix seconds of the first `set`; kept when the secret is replaced. */
  created: number
  /** Unix seconds from which on the secret is gone, or `null` if it never expires. */
  expires_at: number | null
  /** Live mode (`true`) or test mode. Secrets of the two never mix. */
  livemode: boolean
  /** 1 to 5,000 characters, unique within its scope. */
  name: string
  /** The account, or the one user the secret belongs to. */
  scope: { type: 'account' } | { type: 'user'; user: string }
  /** Present only when expanded, and only for text. */
  payload?: string
  /** Present only when `set` expands it: whether there was a secret of that name before. */
  replaced?: boolean
}

/** A secret whose payload was asked for with `expand`. */
export interface SecretWithPayload extends Secret {
  /** Text: a verb that is to expand a payload of bytes throws. */
  payload: string
}

/** What `delete` returns. */
export interface DeletedSecret extends Secret {
  /** Always `true`. */
  deleted: true
}

/** One page. */
export interface SecretList<S extends Secret = Secret> {
  /** Always `list`, as in Stripe's API. */
  object: 'list'
  /** Where Stripe's API has it. */
  url: '/v1/apps/secrets'
  /** Whether more follow in the direction that was asked for. */
  has_more: boolean
  /** In order of name, by UTF-8 bytes (`names: 'sealed'`: in a fixed order of no meaning). */
  data: S[]
}

/** Which secrets never mix: each connected account and mode is a store of its own. */
export interface Partition {
  readonly account: string | undefined
  readonly livemode: boolean
}

export function sameScope(one: Scope, other: Scope): boolean {
  return one.type === 'user' && other.type === 'user' ? one.user === other.user : one.type === other.type
}

export function samePartition(one: Partition, other: Partition): boolean {
  return one.account === other.account && one.livemode === other.livemode
}

/** Where a secret lives. Two different addresses never share a row. */
export interface Address {
  readonly partition: Partition
  readonly scope: Scope
  readonly name: string
}

/** What `set` was given: text comes back through `get`, bytes through `getBytes`. */
export type PayloadType = 'text' | 'bytes'

export interface Payload {
  readonly type: PayloadType
  readonly bytes: Uint8Array
}

/** Everything about a secret but its payload. All of it is inside the seal. */
export interface SecretRecord {
  readonly id: string
  readonly address: Address
  /** Unix seconds. */
  readonly created: number
  /** Unix seconds, or `null`. */
  readonly expires_at: number | null
  /** The sequence number of the write that put it there. */
  readonly revision: number
}

/** What became of a secret, as listeners are told. Never what is, or was, in it. */
export interface ChangeEvent {
  /** `set`: created or replaced. `expire`: its time had come; whoever met it has deleted it. */
  readonly type: 'set' | 'delete' | 'expire'
  /** The secret's id. */
  readonly id: string
  /** The secret's name. */
  readonly name: string
  /** The secret's scope. */
  readonly scope: Scope
}

/** The same, before it is known who may be told. */
export interface SecretChange {
  readonly type: ChangeEvent['type']
  readonly record: Pick<SecretRecord, 'id' | 'address'>
}

/** Expired is gone, from the very second on. */
export function isExpired(record: Pick<SecretRecord, 'expires_at'>, nowSeconds: number): boolean {
  return record.expires_at !== null && record.expires_at <= nowSeconds
}

export function toSecret(record: SecretRecord, payload?: string): Secret {
  const { scope, name, partition } = record.address
  return {
    id: record.id,
    object: 'apps.secret',
    created: record.created,
    expires_at: record.expires_at,
    livemode: partition.livemode,
    name,
    scope: { ...scope },
    ...(payload === undefined ? {} : { payload }),
  }
}
