import type { DeletedSecret, Scope, Secret } from 'app-secret-store'

/** Where a secret is, in the words of the public interface. */
export interface Place {
  readonly account: string | undefined
  readonly livemode: boolean
  readonly scope: Scope
  readonly name: string
}

export type Holder = Omit<Place, 'name'>

export interface Entry extends Place {
  readonly id: string
  readonly created: number
  readonly expires_at: number | null
  readonly payload: string | Uint8Array
}

/** What a verb comes to: a value, or what sort of error. */
export type Outcome<T> = { readonly value: T } | { readonly error: 'TypeError' | 'ERR_CURSOR' }

export interface ExpectedPage {
  readonly has_more: boolean
  readonly data: readonly Secret[]
}

export interface ListQuery extends Holder {
  readonly prefix: string
  readonly limit: number
  readonly cursor: { readonly direction: 'starting_after' | 'ending_before'; readonly id: string } | undefined
  readonly expand: boolean
}

/**
 * The store as a list of entries, with no thought of speed. What has expired stays until something meets it: it answers
 * as if what a read sets going had always arrived.
 *
 * @param compare - The order in which a scope is listed.
 */
export class ReferenceModel {
  readonly #compare: (a: Place, b: Place) => number
  readonly #entries: Map<string, Entry>
  /** Whole Unix seconds. */
  now: number

  constructor(compare: (a: Place, b: Place) => number, now: number, entries: ReadonlyMap<string, Entry> = new Map()) {
    this.#compare = compare
    this.now = now
    this.#entries = new Map(entries)
  }

  copy(): ReferenceModel {
    return new ReferenceModel(this.#compare, this.now, this.#entries)
  }

  /** Everything that takes up room, expired or not. */
  get entries(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  /** @param newId - The id to take if the secret is a new one. */
  set(
    place: Place,
    payload: string | Uint8Array,
    expiresAt: number | null | 'keep',
    expand: boolean,
    newId: string,
  ): Outcome<Secret & { replaced: boolean }> {
    if (expand && typeof payload !== 'string') return { error: 'TypeError' }
    const previous = this.#live(place)
    const { id, created } = previous ?? { id: newId, created: this.now }
    const expires_at = expiresAt === 'keep' ? (previous?.expires_at ?? null) : expiresAt
    const entry = { ...place, id, created, expires_at, payload }
    this.#entries.set(keyOf(place), entry)
    return { value: { ...secretOf(entry, expand), replaced: previous !== undefined } }
  }

  find(place: Place, expand: boolean): Outcome<Secret | undefined> {
    const entry = this.#meet(place)
    if (expand && isBytes(entry)) return { error: 'TypeError' }
    return { value: entry && secretOf(entry, expand) }
  }

  get(place: Place): Outcome<string | undefined> {
    const payload = this.#meet(place)?.payload
    return typeof payload === 'object' ? { error: 'TypeError' } : { value: payload }
  }

  getBytes(place: Place): Outcome<Uint8Array | undefined> {
    const payload = this.#meet(place)?.payload
    return { value: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload }
  }

  delete(place: Place, expand: boolean): Outcome<DeletedSecret | undefined> {
    const entry = this.#meet(place)
    if (expand && isBytes(entry)) return { error: 'TypeError' }
    this.#entries.delete(keyOf(place))
    return { value: entry && { ...secretOf(entry, expand), deleted: true } }
  }

  /** One page. Expired entries are met up to the one that shows whether there is more. */
  list({ prefix, limit, cursor, expand, ...holder }: ListQuery): Outcome<ExpectedPage> {
    const inScope = this.entries.filter((entry) => sameHolder(entry, holder)).sort(this.#compare)
    const backward = cursor?.direction === 'ending_before'
    let rows = backward ? inScope.reverse() : inScope
    if (cursor !== undefined) {
      const at = rows.findIndex(({ id }) => id === cursor.id)
      if (at < 0 || this.#isExpired(rows[at] as Entry)) return { error: 'ERR_CURSOR' }
      rows = rows.slice(at + 1)
    }
    rows = rows.filter(({ name }) => name.startsWith(prefix))
    const live: Entry[] = []
    for (const row of rows) {
      if (live.length > limit) break
      if (this.#isExpired(row)) this.#entries.delete(keyOf(row))
      else live.push(row)
    }
    const page = live.slice(0, limit)
    if (expand && page.some(isBytes)) return { error: 'TypeError' }
    if (backward) page.reverse()
    return { value: { has_more: live.length > limit, data: page.map((entry) => secretOf(entry, expand)) } }
  }

  /** Everything from the cursor on, for scopes of fewer than 100. */
  walk(query: Omit<ListQuery, 'limit'>): Outcome<readonly Secret[]> {
    const page = this.list({ ...query, limit: 100 })
    if ('error' in page) return page
    return { value: query.cursor?.direction === 'ending_before' ? page.value.data.toReversed() : page.value.data }
  }

  /** Returns how many went. */
  sweep(): number {
    const due = this.entries.filter((entry) => this.#isExpired(entry))
    for (const entry of due) this.#entries.delete(keyOf(entry))
    return due.length
  }

  /** The entry, if it is live; one that is expired goes. */
  #meet(place: Place): Entry | undefined {
    const live = this.#live(place)
    if (live === undefined) this.#entries.delete(keyOf(place))
    return live
  }

  #live(place: Place): Entry | undefined {
    const entry = this.#entries.get(keyOf(place))
    return entry === undefined || this.#isExpired(entry) ? undefined : entry
  }

  #isExpired({ expires_at }: Entry): boolean {
    return expires_at !== null && expires_at <= this.now
  }
}

function isBytes(entry: Entry | undefined): boolean {
  return entry !== undefined && typeof entry.payload !== 'string'
}

function keyOf({ account, livemode, scope, name }: Place): string {
  return JSON.stringify([account ?? null, livemode, scope, name])
}

function sameHolder(a: Holder, b: Holder): boolean {
  return keyOf({ ...a, name: '' }) === keyOf({ ...b, name: '' })
}

function secretOf({ id, created, expires_at, livemode, name, scope, payload }: Entry, expand: boolean): Secret {
  const secret: Secret = { id, object: 'apps.secret', created, expires_at, livemode, name, scope: { ...scope } }
  return expand ? { ...secret, payload: payload as string } : secret
}
