/** What a caller passes in, checked on its way from `unknown`. Messages never repeat a value that may be secret. */

import { isBytes } from './bytes'

/** Well-formed text of 1 to `mostCharacters` code points. */
export function checkText(value: unknown, label: string, mostCharacters: number): string {
  if (typeof value !== 'string') throw new TypeError(`${label}: expected a string, got ${kindOf(value)}`)
  if (value === '') throw new TypeError(`${label}: expected at least one character, got none`)
  if (!value.isWellFormed()) throw new TypeError(`${label}: expected well-formed Unicode, got a lone surrogate`)
  if (isLonger(value, mostCharacters)) {
    throw new RangeError(`${label}: expected at most ${mostCharacters} characters, got more`)
  }
  return value
}

/** Whether text has more than so many characters (Unicode code points). */
export function isLonger(text: string, mostCharacters: number): boolean {
  // A character is one or two UTF-16 units: count only where it matters.
  return text.length > mostCharacters && [...text.slice(0, 2 * mostCharacters + 1)].length > mostCharacters
}

/** An options object with no field that is not an option. */
export function optionsOf<T extends object>(options: unknown, label: string, names: readonly (keyof T & string)[]): T {
  // It has no fields of its own, so that it would be taken for none.
  if ('throwIfAborted' in Object(options)) throw new TypeError(`${label}: expected { signal }, got the signal itself`)
  return fieldsOf(options, label, names) as T
}

export function checkBoolean(value: unknown, label: string): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${label}: expected a boolean, got ${kindOf(value)}`)
  return value
}

export function checkInteger(value: unknown, label: string, least: number, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`${label}: expected a number, got ${kindOf(value)}`)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${label}: expected an integer from ${least} to ${most}, got ${value}`)
  }
  return value
}

export function checkFunction<F>(value: F, label: string): F {
  if (typeof value !== 'function') throw new TypeError(`${label}: expected a function, got ${kindOf(value)}`)
  return value
}

/** A copy of the object's own fields. An unknown one is refused: an ignored `expires_at` is a secret that never dies. */
export function fieldsOf(params: unknown, label: string, allowed: readonly string[]): Record<string, unknown> {
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw new TypeError(`${label}: expected an object, got ${kindOf(params)}`)
  }
  const given: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(params)) {
    if (!allowed.includes(name)) throw unknownField(label, name, allowed)
    given[name] = (params as Record<string, unknown>)[name]
  }
  return given
}

function unknownField(label: string, given: string, allowed: readonly string[]): TypeError {
  const name = given.slice(0, 100)
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z]/g, '')
  const near = allowed.find((candidate) => {
    const [a, b] = [plain(candidate), plain(name)]
    return a === b || (b.length > 2 && (a.startsWith(b) || b.startsWith(a)))
  })
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`
  return new TypeError(`${label}: expected only ${allowed.join(', ')}, got '${name}'${hint}`)
}

/** What a value is, without saying what it holds. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date (Math.floor(date.getTime() / 1000) is what is stored)'
  if (isBytes(value)) return 'bytes'
  if (value === undefined) return 'undefined'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

export function checkSignal(signal: AbortSignal): AbortSignal {
  if (typeof signal?.throwIfAborted === 'function') return signal
  throw new TypeError('signal: expected an AbortSignal, got something else')
}
