/** What of a request may be repeated in a message or a log: nothing that may be a payload or a key. */

/** Of a key: that it is one, and of which kind. */
export function redactKey(key: string): string {
  return `${/^[a-z]{2}_(?:test|live)_/.exec(key)?.[0] ?? ''}****`
}

/** An account's id, and not a key that was sent in the place of one. */
export function shownAccount(account: string | undefined): string {
  return account !== undefined && /^(?:acct|org)_\w{1,64}$/.test(account) ? account : '…'
}

/** A path with what is surely a route, and not a payload that was sent in it. */
export function shownPath(path: string): string {
  return path.replace(/[^/]+/g, (segment) => (/^(?:v\d|[A-Za-z_]{1,32})$/i.test(segment) ? segment : '…'))
}

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
