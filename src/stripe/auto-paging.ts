import type { Secret, SecretList } from '../model'

/** A page, and all that follow: awaited it is the one, iterated over it is every secret, as in the official client. */
export interface AutoPaging<Page> extends Promise<Page>, AsyncIterableIterator<Secret> {
  /** Calls `handler` for each secret until it returns (a promise of) `false`. */
  autoPagingEach(
    // biome-ignore lint/suspicious/noConfusingVoidType: as the official client has it
    handler: (secret: Secret) => boolean | undefined | void | Promise<boolean | undefined | void>,
  ): Promise<void>
  /** @throws {RangeError} If `limit` is not from 1 to 10,000. */
  autoPagingToArray(options: { readonly limit: number }): Promise<Secret[]>
}

export interface PageCursor {
  readonly starting_after?: string
  readonly ending_before?: string
}

const MOST_TO_ARRAY = 10_000

/**
 * @param backward - Whether the walk goes towards the beginning, as with `ending_before`.
 * @param readPage - Reads the page at a cursor, or the one that was asked for.
 */
export function autoPaging<Page extends SecretList>(
  backward: boolean,
  readPage: (cursor?: PageCursor) => Promise<Page>,
): AutoPaging<Page> {
  const first = readPage()
  const walk = walkPages(first, backward, readPage)
  const methods = {
    next: () => walk.next(),
    return: () => walk.return(undefined),
    [Symbol.asyncIterator]: () => walk,
    async autoPagingEach(handler: (secret: Secret) => unknown): Promise<void> {
      for await (const secret of walk) if ((await handler(secret)) === false) return
    },
    async autoPagingToArray({ limit }: { readonly limit: number }): Promise<Secret[]> {
      if (!Number.isInteger(limit) || limit < 1 || limit > MOST_TO_ARRAY) {
        throw new RangeError(`limit: expected an integer from 1 to ${MOST_TO_ARRAY}, got another`)
      }
      const all: Secret[] = []
      for await (const secret of walk) if (all.push(secret) >= limit) break
      return all
    },
  }
  return Object.assign(first, methods)
}

/** By ids and `has_more` alone, like any client. */
async function* walkPages<Page extends SecretList>(
  first: Promise<Page>,
  backward: boolean,
  readPage: (cursor: PageCursor) => Promise<Page>,
): AsyncGenerator<Secret, undefined, undefined> {
  for (let page: SecretList = await first; ; ) {
    const secrets = backward ? page.data.toReversed() : page.data
    yield* secrets
    const last = secrets.at(-1)
    if (!page.has_more || last === undefined) return undefined
    page = await readPage(backward ? { ending_before: last.id } : { starting_after: last.id })
  }
}
