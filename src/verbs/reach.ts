import type { StoreContext } from '../context'
import { SecretStoreError } from '../errors'
import { type Address, type Partition, type Scope, samePartition } from '../model'
import type { Keyspace, RowKey } from '../storage/keyspace'

/** Where a secret lives. */
export interface Place {
  readonly address: Address
  readonly rowKey: RowKey
}

export function placeOf(keyspace: Keyspace, address: Address): Place {
  return { address, rowKey: keyspace.record(address) }
}

/** What narrows a view further. */
export interface Restriction {
  allowsScope(scope: Scope): boolean
  allowsName(name: string): boolean
}

/** What a view may see: of one partition, what its user and its restrictions leave of it. */
export class Reach {
  readonly partition: Partition
  readonly #user: string | undefined
  readonly #restrictions: readonly Restriction[]

  /** @param user - None sees every scope. */
  constructor(partition: Partition, user?: string, restrictions: readonly Restriction[] = []) {
    this.partition = partition
    this.#user = user
    this.#restrictions = restrictions
  }

  within(restriction: Restriction): Reach {
    return new Reach(this.partition, this.#user, [...this.#restrictions, restriction])
  }

  /** Which names of its scopes it sees; `undefined` for all of them. */
  get names(): ((name: string) => boolean) | undefined {
    if (this.#restrictions.length === 0) return undefined
    return (name) => this.#restrictions.every((restriction) => restriction.allowsName(name))
  }

  includes({ partition, scope, name }: Address): boolean {
    return samePartition(partition, this.partition) && this.#isOwn(scope) && this.#allows(scope, name)
  }

  /** @param name - None for the scope itself. @throws {SecretStoreError} `ERR_ACCESS_DENIED`. */
  check(scope: Scope, name?: string): void {
    if (!this.#isOwn(scope)) {
      throw new SecretStoreError('ERR_ACCESS_DENIED', "scope.user: expected the view's own user, got another")
    }
    if (!this.#allows(scope, name)) {
      throw new SecretStoreError('ERR_ACCESS_DENIED', 'secret: expected one that this view may see, got another')
    }
  }

  /**
   * Where one of its secrets lives.
   *
   * @throws {SecretStoreError} `ERR_ACCESS_DENIED`.
   */
  place({ keyspace }: Pick<StoreContext, 'keyspace'>, { scope, name }: Pick<Address, 'scope' | 'name'>): Place {
    this.check(scope, name)
    return placeOf(keyspace, { partition: this.partition, scope, name })
  }

  #isOwn(scope: Scope): boolean {
    return this.#user === undefined || scope.type === 'account' || scope.user === this.#user
  }

  #allows(scope: Scope, name: string | undefined): boolean {
    return this.#restrictions.every(
      (within) => within.allowsScope(scope) && (name === undefined || within.allowsName(name)),
    )
  }
}
