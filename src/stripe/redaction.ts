/** What of a request may be repeated in a message or a log: nothing that may be a payload or a key. */

/** Of a key: that it is one, and of which kind. */
export function redactKey(key: string): string {
  return `${/^[a-z]{2}_(?:test|live)_/.exec(key)?.[0] ?? ''}****`
}

/** An account's id, and not a key that was sent in the place of one. */
export function shownAccount(account: string | undefined): string {
  return account !== undefined && /^(?:acct|org)_\w{1,64}$/.test(account) ? account : '…'
}

/** A path with what is surely a route, and not a payload that was sent in it. At most eight parts of it. */
export function shownPath(path: string): string {
  const parts = path.split('/', MOST_PARTS + 2)
  const shown = parts
    .slice(0, MOST_PARTS + 1)
    .map((part) => (part === '' || /^(?:v\d|[A-Za-z_]{1,32})$/i.test(part) ? part : '…'))
  return shown.join('/') + (parts.length > shown.length ? '/…' : '')
}

const MOST_PARTS = 8

/**
 * A value for a log: at most 500 characters, and of those that a terminal obeys or that turn text around none as it is.
 */
export function shownValue(value: string): string {
  const shown = value.slice(0, MOST_CHARACTERS).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) as number).toString(16)}}`
  })
  return shown + (value.length > MOST_CHARACTERS ? '…' : '')
}

const MOST_CHARACTERS = 500

/** What can be no more than a mistyped number. */
export function shownInteger(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?:[A-Za-z]{1,10}|[\de.+-]{1,20})$/.test(value) ? value : undefined
}

/** A parameter's name, if it looks like one. */
export function shownName(name: string, value?: unknown): string | undefined {
  // Without a value it may be a payload that was sent without a name; base64 ends in signs that look like one without.
  if (typeof value === 'string' && /^=*$/.test(value)) return undefined
  return PLAIN_NAME.test(name) ? name : undefined
}

const PLAIN_NAME = /^[A-Za-z_]{1,32}(?:\[(?:[A-Za-z_]{0,32}|\d{1,3})\]){0,5}$/
