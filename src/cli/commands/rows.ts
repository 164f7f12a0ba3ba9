import type { Secret } from 'app-secret-store'
import type { Cell } from '../table'
import { dayText, moment } from '../times'

/** Of a table of secrets. */
export const HEADINGS: readonly string[] = ['NAME', 'ID', 'CREATED', 'EXPIRES']

/** A secret in such a table. */
export function row({ name, id, created, expires_at }: Secret, now: number): Cell[] {
  return [name, id, time(created, now), expires_at === null ? 'never' : time(expires_at, now)]
}

function time(seconds: number, now: number): Cell {
  return { full: moment(seconds, now), short: dayText(seconds) }
}

/** What is said of a secret that was written; nothing if it never expires. */
export function expiryText({ expires_at }: Secret, now: number): string {
  return expires_at === null ? '' : `, until ${moment(expires_at, now)}`
}
