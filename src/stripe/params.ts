import { utf8 } from '../base/bytes'
import { isLonger } from '../base/checks'
import { MAX_CHARACTERS } from '../format/constants'
import type { FindParams, ListParams } from '../input/params'
import { HUNDRED_YEARS_SECONDS, MAX_PAGE, type SetRequest } from '../input/params'
import type { Scope } from '../model'
import { badRequest, emptyParam, invalidInteger, missingParam, outOfRange, unknownParams } from './api-error'
import type { Param, ParamMap } from './form'
import { shownName } from './redaction'

/** Parameters → requests, with Stripe's own words for what is wrong with them. Nothing here looks at the clock. */

export interface PayloadLimits {
  readonly maxPayloadBytes: number
  /** In characters, as the hosted service counts. */
  readonly maxPayloadCharacters: number
}

const TARGET = ['name', 'scope', 'expand']

/** A `set`, but for what Stripe does not have. */
export interface CreateRequest extends SetRequest {
  readonly expires_at: number | null
  readonly expandReplaced: false
}

export function parseCreate(params: ParamMap, limits: PayloadLimits): CreateRequest {
  checkNames(params, [...TARGET, 'payload', 'expires_at'])
  const target = parseTarget(params)
  const bytes = utf8(checkLength(textOf(params, 'payload'), 'payload', limits.maxPayloadCharacters))
  if (bytes.length > limits.maxPayloadBytes) throw tooLong('payload', limits.maxPayloadBytes, 'bytes')
  const expires_at = parseExpiry(params.get('expires_at'))
  return { ...target, payload: { type: 'text', bytes }, expires_at, expandReplaced: false }
}

/** What `find` and `delete` take. */
export function parseFind(params: ParamMap): FindParams & { readonly expandPayload: boolean } {
  checkNames(params, TARGET)
  const target = parseTarget(params)
  return { ...target, ...(target.expandPayload && { expand: ['payload'] }) }
}

export function parseList(params: ParamMap): ListParams {
  checkNames(params, ['scope', 'limit', 'starting_after', 'ending_before', 'expand'])
  const scope = parseScope(params)
  const limit = params.get('limit')
  const after = optionalText(params, 'starting_after')
  const before = optionalText(params, 'ending_before')
  if (after !== undefined && before !== undefined) {
    throw badRequest('Received both starting_after and ending_before parameters. Please pass in only one.')
  }
  return {
    scope,
    ...(limit !== undefined && { limit: parseLimit(limit) }),
    ...(after !== undefined && { starting_after: after }),
    ...(before !== undefined && { ending_before: before }),
    ...(parseExpand(params, 'data.payload') && { expand: ['data.payload'] }),
  }
}

/** Asked when a request is executed: one that is sent again is answered as the first time. @throws {ApiError} 400. */
export function checkExpiry(expiresAt: number | null, nowSeconds: number): void {
  if (expiresAt === null) return
  if (expiresAt <= nowSeconds) {
    const message =
      'The parameter `expires_at` expects a unix timestamp representing a date and time in the future. You specified the ' +
      `value \`${expiresAt}\` which is in the past.`
    throw badRequest(message, 'expires_at')
  }
  if (expiresAt > nowSeconds + HUNDRED_YEARS_SECONDS) {
    const hint = 'It is in seconds: divide milliseconds by 1000, and floor.'
    throw badRequest(`Invalid timestamp: can be no more than 100 years in the future. ${hint}`, 'expires_at')
  }
}

/** @param inside - The parameter these are nested in, if any. */
function checkNames(params: ParamMap, known: readonly string[], inside?: string): void {
  const unknown = [...params].filter(([name]) => !known.includes(name))
  if (unknown.length === 0) return
  const full = (name: string): string => (inside === undefined ? name : `${inside}[${name}]`)
  throw unknownParams(unknown.flatMap(([name, value]) => shownName(full(name), value) ?? []))
}

function parseTarget(params: ParamMap): { scope: Scope; name: string; expandPayload: boolean } {
  const name = checkLength(textOf(params, 'name'), 'name')
  return { scope: parseScope(params), name, expandPayload: parseExpand(params, 'payload') }
}

function parseScope(params: ParamMap): Scope {
  const scope = params.get('scope')
  if (scope === undefined) throw missingParam('scope')
  if (scope === '') throw emptyParam('scope')
  if (typeof scope === 'string') throw badRequest('Invalid object', 'scope')
  checkNames(scope, ['type', 'user'], 'scope')
  const type = textOf(scope, 'type', 'scope[type]')
  if (type === 'user') return { type, user: checkLength(textOf(scope, 'user', 'scope[user]'), 'scope[user]') }
  if (type !== 'account') throw badRequest('Invalid scope[type]: must be one of account or user', 'scope[type]')
  if (scope.has('user')) {
    throw badRequest("You can only provide 'scope[user]' when 'scope[type]' is 'user'.", 'scope[user]')
  }
  return { type }
}

function parseExpand(params: ParamMap, expandable: string): boolean {
  const expand = params.get('expand')
  if (expand === undefined) return false
  if (expand === '') throw emptyParam('expand')
  if (typeof expand === 'string') throw badRequest('Invalid array', 'expand')
  for (const field of expand.values()) {
    if (typeof field !== 'string') throw badRequest('Invalid string', 'expand')
    if (field === expandable) continue
    const hint = `data.${field}` === expandable ? ` You may want to try expanding '${expandable}' instead.` : ''
    const which = shownName(field.replaceAll('.', '_')) === undefined ? '' : ` (${field})`
    throw badRequest(`This property cannot be expanded${which}.${hint}`)
  }
  return true
}

/** `null` and an empty value are no expiry. */
function parseExpiry(value: Param | undefined): number | null {
  if (value === undefined || value === '') return null
  return parseInteger(value, 'expires_at')
}

function parseLimit(value: Param): number {
  if (value === '') throw emptyParam('limit')
  const limit = parseInteger(value, 'limit')
  if (limit < 1) throw outOfRange('limit', 'This value must be greater than or equal to 1.')
  if (limit > MAX_PAGE) throw outOfRange('limit', `This value must be less than or equal to ${MAX_PAGE}.`)
  return limit
}

function parseInteger(value: Param, param: string): number {
  if (typeof value !== 'string' || !/^-?\d{1,15}$/.test(value)) throw invalidInteger(param, value)
  return Number(value)
}

function textOf(params: ParamMap, name: string, param: string = name): string {
  const value = params.get(name)
  if (value === undefined) throw missingParam(param)
  if (value === '') throw emptyParam(param)
  if (typeof value !== 'string') throw badRequest('Invalid string', param)
  return value
}

function optionalText(params: ParamMap, name: string): string | undefined {
  return params.has(name) ? checkLength(textOf(params, name), name) : undefined
}

function checkLength(text: string, param: string, mostCharacters: number = MAX_CHARACTERS): string {
  if (isLonger(text, mostCharacters)) throw tooLong(param, mostCharacters, 'characters')
  return text
}

function tooLong(param: string, most: number, unit: string): Error {
  return badRequest(`Invalid string: must be at most ${most} ${unit}`, param)
}
