import { isBytes, utf8 } from '../base/bytes'
import { checkInteger, checkText, fieldsOf, kindOf } from '../base/checks'
import { MAX_CHARACTERS } from '../format/constants'
import type { Payload, Scope } from '../model'

/** Everything a caller passes in, from `unknown` to the model. Each property is read once. */

export const MAX_PAGE = 100
const DEFAULT_PAGE = 10
export const HUNDRED_YEARS_SECONDS: number = 100 * 365.25 * 24 * 60 * 60

/** Which secret. */
export interface TargetParams {
  /** `account`, or `user(id)`. */
  readonly scope: Scope
  /** 1 to 5,000 characters. */
  readonly name: string
}

/** What `find` and `delete` take. */
export interface FindParams extends TargetParams {
  /** `['payload']` returns the payload with the secret. @defaultValue none: the payload is left out */
  readonly expand?: readonly 'payload'[]
}

/** With this in its parameters, a verb returns the secret with its payload. */
export interface ExpandPayload {
  /** One field is all there is to expand. */
  readonly expand: readonly ['payload', ...'payload'[]]
}

/** What `set` takes. */
export interface SetParams extends TargetParams {
  /** Text or bytes, not empty; up to 16 MiB unless the store was opened with another `maxPayloadBytes`. */
  readonly payload: string | Uint8Array
  /**
   * Unix **seconds**, in the future and at most 100 years ahead. Left out or `null`, the secret never expires. `'keep'`
   * leaves the expiry of the secret that is replaced; a new secret then never expires.
   */
  readonly expires_at?: number | null | 'keep'
  /** `'payload'` returns the payload with the secret, `'replaced'` whether there was one before. @defaultValue none */
  readonly expand?: readonly ('payload' | 'replaced')[]
}

/** What `list` takes. */
export interface ListParams {
  /** `account`, or `user(id)`. */
  readonly scope: Scope
  /** Only secrets whose names begin with this text; not in a store with sealed names. @defaultValue `''`, all of them */
  readonly prefix?: string
  /** How many secrets a page has at most, 1 to 100. @defaultValue `10` */
  readonly limit?: number
  /** The id of a secret of this scope: the page begins after it. */
  readonly starting_after?: string
  /** The id of a secret of this scope: the page ends before it. */
  readonly ending_before?: string
  /** `['data.payload']` returns each secret with its payload. @defaultValue none: payloads are left out */
  readonly expand?: readonly 'data.payload'[]
}

/** With this in its parameters, `list` returns each secret with its payload. */
export interface ExpandListedPayloads {
  /** One field is all there is to expand. */
  readonly expand: readonly ['data.payload', ...'data.payload'[]]
}

/** One step of a `batch`: a `set` or a `delete`, with the parameters of that method. */
export type BatchOperation =
  | ({
      /** Creates or replaces a secret. */
      readonly type: 'set'
    } & SetParams)
  | ({
      /** Deletes a secret. */
      readonly type: 'delete'
    } & FindParams)

/** What `find`, `get` and `getBytes` take. */
export interface Target {
  readonly scope: Scope
  readonly name: string
}

export interface FindRequest extends Target {
  readonly expandPayload: boolean
}

export interface SetRequest extends FindRequest {
  readonly payload: Payload
  /** Unix seconds, `null` for never, or `'keep'` for that of the secret which is replaced. */
  readonly expires_at: number | null | 'keep'
  readonly expandReplaced: boolean
}

export type ListCursor = { readonly direction: 'after' | 'before'; readonly id: string }

export interface ListRequest {
  readonly scope: Scope
  /** May be empty. */
  readonly prefix: string
  readonly limit: number
  readonly cursor: ListCursor | undefined
  readonly expandPayload: boolean
}

export type BatchRequest =
  | { readonly type: 'set'; readonly request: SetRequest }
  | { readonly type: 'delete'; readonly request: FindRequest }

export interface SetLimits {
  readonly nowSeconds: number
  readonly maxPayloadBytes: number
}

const TARGET_FIELDS = ['scope', 'name'] as const
const FIND_FIELDS = [...TARGET_FIELDS, 'expand'] as const
const SET_FIELDS = [...FIND_FIELDS, 'payload', 'expires_at'] as const
const BATCH_FIELDS = ['type', ...SET_FIELDS] as const
const LIST_FIELDS = ['scope', 'prefix', 'limit', 'starting_after', 'ending_before', 'expand'] as const

/** Without `expand`: `get` and `getBytes` return nothing but the payload. */
export function parseTarget(params: unknown, label: string): Target {
  return targetOf(fieldsOf(params, label, TARGET_FIELDS))
}

export function parseFind(params: unknown, label = 'find'): FindRequest {
  return findOf(fieldsOf(params, label, FIND_FIELDS))
}

export function parseSet(params: unknown, limits: SetLimits): SetRequest {
  return setOf(fieldsOf(params, 'set', SET_FIELDS), limits)
}

/** What `set` takes of a secret that is brought from elsewhere: its expiry is its own, and none that could be kept. */
export function parseBrought(params: unknown, limits: SetLimits): SetRequest & { readonly expires_at: number | null } {
  const { expires_at, ...request } = parseSet(params, limits)
  return { ...request, expires_at: expires_at === 'keep' ? parseExpiry(expires_at, limits.nowSeconds) : expires_at }
}

export function parseList(params: unknown): ListRequest {
  const { scope, prefix = '', limit, starting_after, ending_before, expand } = fieldsOf(params, 'list', LIST_FIELDS)
  return {
    scope: parseScope(scope),
    prefix: prefix === '' ? prefix : checkText(prefix, 'prefix', MAX_CHARACTERS),
    limit: parseLimit(limit),
    cursor: parseCursor(starting_after, ending_before),
    expandPayload: parseExpand(expand, ['data.payload']).length > 0,
  }
}

export function parseBatch(operations: unknown, limits: SetLimits): BatchRequest[] {
  if (!Array.isArray(operations)) throw new TypeError(`batch: expected an array, got ${kindOf(operations)}`)
  return Array.from(operations, (operation: unknown, index) => {
    const label = `batch[${index}]`
    const given = fieldsOf(operation, label, BATCH_FIELDS)
    const type = given['type']
    if (type === 'set') return { type, request: setOf(given, limits) }
    if (type === 'delete') {
      const { type: _, ...params } = given
      return { type, request: parseFind(params, label) }
    }
    throw new TypeError(`${label} type: expected 'set' or 'delete', got ${kindOf(type)}`)
  })
}

type Fields = Readonly<Record<string, unknown>>

function targetOf({ scope, name }: Fields): Target {
  return { scope: parseScope(scope), name: checkText(name, 'name', MAX_CHARACTERS) }
}

function findOf(fields: Fields): FindRequest {
  return { ...targetOf(fields), expandPayload: parseExpand(fields['expand'], ['payload']).length > 0 }
}

function setOf(fields: Fields, limits: SetLimits): SetRequest {
  const expand = parseExpand(fields['expand'], ['payload', 'replaced'])
  const expiry = fields['expires_at']
  return {
    ...targetOf(fields),
    payload: parsePayload(fields['payload'], limits.maxPayloadBytes),
    expires_at: expiry === 'keep' ? expiry : parseExpiry(expiry, limits.nowSeconds),
    expandPayload: expand.includes('payload'),
    expandReplaced: expand.includes('replaced'),
  }
}

/** An account id, which makes a partition. */
export function checkAccount(value: unknown): string {
  return checkText(value, 'account', MAX_CHARACTERS)
}

export function checkUser(value: unknown): string {
  return checkText(value, 'user', MAX_CHARACTERS)
}

export function checkLocation(value: unknown, label = 'location'): string {
  if (isPath(value)) return value
  throw new TypeError(`${label}: expected the path of a directory, got something else`)
}

export function checkSlotId(value: unknown): string {
  return checkText(value, 'slot', MAX_CHARACTERS)
}

/** A path, or something that takes bytes. */
export function checkBackupTarget(value: unknown): void {
  const { write, getWriter } = (value ?? {}) as { readonly write?: unknown; readonly getWriter?: unknown }
  if (isPath(value) || typeof write === 'function' || typeof getWriter === 'function') return
  throw new TypeError('backup: expected the path of a new file, or a writable stream, got something else')
}

/** A path without a NUL, which would cut it short. */
export function isPath(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

export function parseScope(value: unknown): Scope {
  const { type, user } = fieldsOf(value, 'scope', ['type', 'user'])
  if (type === 'user') return { type, user: checkText(user, 'scope.user', MAX_CHARACTERS) }
  if (type !== 'account') throw new TypeError(`scope.type: expected 'account' or 'user', got ${kindOf(type)}`)
  if (user !== undefined) throw new TypeError(`scope.user: expected none for the account scope, got ${kindOf(user)}`)
  return { type }
}

function parsePayload(value: unknown, maxBytes: number): Payload {
  if (typeof value !== 'string' && !isBytes(value)) {
    throw new TypeError(`payload: expected a string or a Uint8Array, got ${kindOf(value)}`)
  }
  if (value.length === 0) throw new TypeError('payload: expected at least one byte, got none (to remove it, delete)')
  if (value.length > maxBytes) throw new RangeError(`payload: expected at most ${maxBytes} bytes, got more`)
  if (typeof value !== 'string') return { type: 'bytes', bytes: Uint8Array.from(value) }
  if (!value.isWellFormed()) throw new TypeError('payload: expected well-formed Unicode, got a lone surrogate')
  const bytes = utf8(value)
  if (bytes.length > maxBytes) throw new RangeError(`payload: expected at most ${maxBytes} bytes, got ${bytes.length}`)
  return { type: 'text', bytes }
}

function parseExpiry(value: unknown, nowSeconds: number): number | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'number') {
    throw new TypeError(`expires_at: expected a whole number of Unix seconds, got ${kindOf(value)}`)
  }
  if (!Number.isInteger(value)) throw new RangeError(`expires_at: expected whole seconds, got ${value}`)
  if (value <= nowSeconds) throw new RangeError(`expires_at: expected a time after ${nowSeconds}, got ${value}`)
  if (value > nowSeconds + HUNDRED_YEARS_SECONDS) {
    const hint = '(milliseconds? divide by 1000 and floor)'
    throw new RangeError(`expires_at: expected at most 100 years ahead, got ${value} ${hint}`)
  }
  return value
}

function parseLimit(value: unknown): number {
  return value === undefined ? DEFAULT_PAGE : checkInteger(value, 'limit', 1, MAX_PAGE)
}

function parseCursor(after: unknown, before: unknown): ListCursor | undefined {
  if (after !== undefined && before !== undefined) {
    throw new TypeError('cursor: expected starting_after or ending_before, got both')
  }
  if (after !== undefined) return { direction: 'after', id: checkText(after, 'starting_after', MAX_CHARACTERS) }
  if (before !== undefined) return { direction: 'before', id: checkText(before, 'ending_before', MAX_CHARACTERS) }
  return undefined
}

function parseExpand(value: unknown, fields: readonly string[]): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new TypeError(`expand: expected an array, got ${kindOf(value)}`)
  return Array.from(value, (item: unknown) => {
    if (fields.includes(item as string)) return item
    throw new TypeError(`expand: expected only '${fields.join("' or '")}', got ${kindOf(item)}`)
  })
}
