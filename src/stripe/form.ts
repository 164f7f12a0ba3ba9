import { badRequest } from './api-error'
import { shownName } from './redaction'

/** Parameters as they are sent: text, or more parameters by name or by index. */
export type Param = string | ParamMap
export type ParamMap = ReadonlyMap<string, Param>
type Params = Map<string, Param>

/** Far more than the four calls have; it bounds the work that a body of separators can make. */
const MAX_PARAMS = 1000
const MAX_DEPTH = 5

/**
 * Reads form-encoded text (WHATWG URL, "application/x-www-form-urlencoded") with nested parameters: `scope[type]=user`,
 * `expand[0]=payload`, `expand[]=payload`. Bad percent-encoding, bad UTF-8 and repeated parameters are refused.
 *
 * @throws {ApiError} 400.
 */
export function decodeForm(...texts: readonly string[]): ParamMap {
  const params: Params = new Map()
  for (const text of texts) {
    checkEncoding(text)
    // The separator in front keeps a question mark that is part of the first name.
    for (const [key, value] of new URLSearchParams(`&${text}`)) insert(params, segmentsOf(key), value, key)
  }
  return params
}

/**
 * The same of an object, as the official client writes it: `null` is empty, a `Date` is whole seconds, `undefined` and
 * empty lists are left out. @throws {ApiError} 400 for what has no such form.
 */
export function encodeObject(object: object, depth = 0): ParamMap {
  const params: Params = new Map()
  for (const [name, value] of Object.entries(object)) {
    const param = encodeValue(name, value, depth)
    if (param !== undefined) params.set(name, param)
  }
  return params
}

function encodeValue(name: string, value: unknown, depth: number): Param | undefined {
  if (value === undefined) return undefined
  if (value === null) return ''
  if (value instanceof Date) return String(Math.floor(value.getTime() / 1000))
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw badRequest('Invalid string: it is not well-formed Unicode', shownName(name))
    return value
  }
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || depth >= MAX_DEPTH) throw badRequest('Invalid value', shownName(name))
  const params = encodeObject(value, depth + 1)
  return params.size === 0 ? undefined : params
}

function checkEncoding(text: string): void {
  let separators = 0
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) separators++
  if (separators >= MAX_PARAMS) throw badRequest(`Too many parameters: at most ${MAX_PARAMS} are accepted.`)
  try {
    decodeURIComponent(text)
  } catch {
    throw badRequest('Invalid form encoding: the parameters are not percent-encoded UTF-8.')
  }
}

/** `a[b][]` → `a`, `b` and an empty one. A key that is not of this form is one name, which nothing will know. */
function segmentsOf(key: string): string[] {
  const match = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(key)
  if (match === null) return [key]
  const [, name = '', brackets = ''] = match
  return [name, ...[...brackets.matchAll(/\[([^[\]]*)\]/g)].map(([, segment = '']) => segment)]
}

function insert(params: Params, segments: readonly string[], value: string, key: string): void {
  if (segments.length > MAX_DEPTH) throw badRequest('Invalid parameter: it is nested too deeply', shownName(key, value))
  let place = params
  for (const segment of segments.slice(0, -1)) {
    const next = place.get(segment) ?? new Map<string, Param>()
    if (typeof next === 'string') throw repeated(key, value)
    place.set(segment, next)
    place = next as Params
  }
  const last = segments.at(-1) as string
  const name = last === '' && segments.length > 1 ? String(place.size) : last
  if (place.has(name)) throw repeated(key, value)
  place.set(name, value)
}

function repeated(key: string, value: string): Error {
  return badRequest('Invalid request: a parameter was given more than once.', shownName(key, value))
}
