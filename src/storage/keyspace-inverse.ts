import { fromUtf8 } from '../base/bytes'
import { PLAIN_KEY, ROW } from '../format/constants'
import type { Address, Scope } from '../model'

const { test: TEST, live: LIVE, account: ACCOUNT, user: USER } = PLAIN_KEY

/**
 * The inverse of plain row keys (docs/format.md §4), for the names of what is lost.
 *
 * @returns `undefined` for bytes that are no such key.
 */
export function addressOf(rowKey: Uint8Array): Address | undefined {
  if (rowKey[0] !== ROW.record) return undefined
  const parts = partsOf(rowKey)
  if (parts === undefined) return undefined
  const [partition, who, name] = parts
  const mode = partition[0]
  const scope = scopeOf(who)
  if ((mode !== LIVE && mode !== TEST) || scope === undefined || name === '') return undefined
  const account = partition.length === 1 ? undefined : unescapeBars(partition.slice(1))
  return { partition: { account, livemode: mode === LIVE }, scope, name }
}

function partsOf(rowKey: Uint8Array): [partition: string, who: string, name: string] | undefined {
  let text: string
  try {
    text = fromUtf8(rowKey.subarray(1))
  } catch {
    return undefined
  }
  const first = text.indexOf('|')
  const second = text.indexOf('|', first + 1)
  if (first < 0 || second < 0) return undefined
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)]
}

function scopeOf(who: string): Scope | undefined {
  if (who === ACCOUNT) return { type: 'account' }
  if (!who.startsWith(USER) || who === USER) return undefined
  return { type: 'user', user: unescapeBars(who.slice(USER.length)) }
}

function unescapeBars(text: string): string {
  return text.replaceAll(/%7C|%25/g, (escaped) => (escaped === '%25' ? '%' : '|'))
}
