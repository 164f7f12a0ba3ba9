import { optionsOf } from '../base/checks'
import type { ViewOptions } from '../input/call-options'
import { account, type Scope, user } from '../model'
import type { SecretStore } from '../store'

/** A payload, or one with more to it. */
export type SeedSecret =
  | string
  | {
      /** Text, not empty. */
      readonly payload: string
      /** Unix **seconds**, in the future. @defaultValue never */
      readonly expires_at?: number
    }

/** Secrets by name. */
export interface SeedSecrets {
  readonly [name: string]: SeedSecret
}

/** What one account holds in one mode. */
export interface SeedAccount {
  /** Of the account scope. */
  readonly secrets?: SeedSecrets
  /** Of users, by their id. */
  readonly users?: { readonly [user: string]: SeedSecrets }
}

/** What is in a store before a test begins. */
export interface Seed extends SeedAccount {
  /** Of connected accounts, by their id. */
  readonly accounts?: { readonly [account: string]: SeedAccount }
  /** The same for live mode. */
  readonly live?: Omit<Seed, 'live'>
}

/** Puts all of it there. @throws {TypeError | RangeError} What `set` has against it. */
export async function plant(store: SecretStore, seed: Seed): Promise<void> {
  const { live, ...test } = seed
  await Promise.all([plantMode(store, test, false), plantMode(store, live ?? {}, true)])
}

async function plantMode(store: SecretStore, seed: Omit<Seed, 'live'>, livemode: boolean): Promise<void> {
  const { accounts = {}, ...own } = optionsOf<Omit<Seed, 'live'>>(seed, 'seed', ['secrets', 'users', 'accounts'])
  await plantAccount(store, own, { livemode })
  for (const [account, held] of Object.entries(accounts)) await plantAccount(store, held, { account, livemode })
}

async function plantAccount(store: SecretStore, seed: SeedAccount, partition: ViewOptions): Promise<void> {
  const { secrets = {}, users = {} } = optionsOf<SeedAccount>(seed, 'seed', ['secrets', 'users'])
  const scopes: [Scope, SeedSecrets][] = [[account, secrets]]
  for (const [id, held] of Object.entries(users)) scopes.push([user(id), held])
  const view = store.view(partition)
  const operations = scopes.flatMap(([scope, held]) =>
    Object.entries(held).map(([name, secret]) => {
      const rest = typeof secret === 'string' ? { payload: secret } : secret
      return { type: 'set', ...rest, scope, name } as const
    }),
  )
  await view.batch(operations)
}
