import type { Scope, SecretStore } from 'app-secret-store'
import { shellWord } from './printable'

/** What else a store holds, beside what a list has shown. */
export interface Elsewhere {
  /** How many secrets the scope has, expired ones that are not deleted yet included; `undefined` if it was not reached. */
  readonly here: number | undefined
  /** The other scopes, in words; `undefined` if there are none. */
  readonly others: string | undefined
}

/** Which secrets a command is about. */
export interface Place {
  readonly scope: Scope
  readonly account?: string
  readonly live?: boolean
}

/** So many scopes are looked at: a store may have one for each of a million users. */
const MOST_SCOPES = 200
/** So many are named. */
const MOST_NAMED = 3

/** Counts the secrets of the scopes of a store, by their keys alone. */
export async function lookElsewhere(store: SecretStore, place: Place): Promise<Elsewhere> {
  let here: number | undefined = 0
  let total = 0
  let scopes = 0
  let isWhole = true
  const named: string[] = []
  for await (const { scope, account, livemode, secrets } of store.scopes()) {
    if (scopes++ === MOST_SCOPES) {
      isWhole = false
      break
    }
    const other: Place = { scope, live: livemode, ...(account !== undefined && { account }) }
    if (isSame(place, other)) here = secrets
    else {
      total += secrets
      if (named.length < MOST_NAMED) named.push(`${optionsOf(other)} (${secrets})`)
    }
  }
  if (!isWhole && here === 0) here = undefined
  if (total === 0) return { here, others: undefined }
  const others = scopes - (here ? 1 : 0)
  const hidden = !isWhole || others > named.length
  const where = others === 1 ? 'another scope' : 'other scopes'
  return {
    here,
    others: `${isWhole ? '' : 'more than '}${total} in ${where}: ${named.join(', ')}${hidden ? ', …' : ''}`,
  }
}

function isSame(one: Place, other: Place): boolean {
  return userOf(one) === userOf(other) && one.account === other.account && (one.live ?? false) === (other.live ?? false)
}

function userOf({ scope }: Place): string | undefined {
  return scope.type === 'user' ? scope.user : undefined
}

/** As they are typed; the account scope is where none of them leads. */
function optionsOf(place: Place): string {
  const user = userOf(place)
  const options = [
    ...(place.account === undefined ? [] : [`--account ${shellWord(place.account)}`]),
    ...(user === undefined ? [] : [`--user ${shellWord(user)}`]),
    ...(place.live ? ['--live'] : []),
  ]
  return options.length === 0 ? 'the account scope' : options.join(' ')
}
