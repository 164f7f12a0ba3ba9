import { checkText } from '../base/checks'
import { MAX_CHARACTERS } from '../format/constants'
import { checkVerbs } from '../input/store'
import { user } from '../model'
import type { SecretView } from '../view'

/** A `SecretStore`, or a view of one. */
export type KeytarStore = Pick<SecretView, 'get' | 'set' | 'delete' | 'list'>

/** What `findCredentials` finds. */
export interface Credential {
  /** The account that the password was set for. */
  account: string
  /** The password. */
  password: string
}

/** The functions of the module keytar. Each throws at once, and with keytar's message, if an argument is no text. */
export interface Keytar {
  /**
   * The password of an account.
   *
   * @returns `null` if there is none.
   */
  getPassword(service: string, account: string): Promise<string | null>
  /** Sets or replaces the password of an account. When it resolves, the password is on disk. */
  setPassword(service: string, account: string, password: string): Promise<void>
  /**
   * Deletes the password of an account.
   *
   * @returns Whether there was one.
   */
  deletePassword(service: string, account: string): Promise<boolean>
  /**
   * One password of a service: that of its first account, by the store's order.
   *
   * @returns `null` if there is none.
   */
  findPassword(service: string): Promise<string | null>
  /** All accounts of a service, and of no other, with their passwords. */
  findCredentials(service: string): Promise<Credential[]>
}

/**
 * keytar over a store. The password of an account is the secret of that name in the scope `user(service)`.
 *
 * @param store - The store stays the caller's: nothing here closes it.
 * @throws {TypeError} If it is no store.
 */
export function keytar(store: KeytarStore): Keytar {
  const secrets = checkVerbs<KeytarStore>(store, ['get', 'set', 'delete', 'list'])
  return {
    getPassword(service, account) {
      const target = targetOf(service, account)
      return orNull(secrets.get(target))
    },
    setPassword(service, account, password) {
      checkRequired([service, account, password])
      const target = targetOf(service, account)
      const payload = checkString(password, 'password')
      return secrets.set({ ...target, payload }).then(() => {})
    },
    deletePassword(service, account) {
      const target = targetOf(service, account)
      return secrets.delete(target).then((deleted) => deleted !== undefined)
    },
    findPassword(service) {
      const scope = scopeOf(service)
      const first = secrets.list({ scope, limit: 1, expand: ['data.payload'] })
      return orNull(first.then(({ data }) => data[0]?.payload))
    },
    findCredentials(service) {
      const scope = scopeOf(service)
      return credentialsOf(secrets, scope)
    },
  }
}

type ServiceScope = ReturnType<typeof user>

async function credentialsOf(store: KeytarStore, scope: ServiceScope): Promise<Credential[]> {
  const found: Credential[] = []
  for await (const { name, payload } of store.list({ scope, expand: ['data.payload'] })) {
    found.push({ account: name, password: payload })
  }
  return found
}

function targetOf(service: unknown, account: unknown): { readonly scope: ServiceScope; readonly name: string } {
  checkRequired([service, account])
  const scope = scopeOf(service)
  return { scope, name: checkText(checkString(account, 'username'), 'account', MAX_CHARACTERS) }
}

function scopeOf(service: unknown): ServiceScope {
  checkRequired([service])
  return user(checkText(checkString(service, 'service'), 'service', MAX_CHARACTERS))
}

const ARGUMENTS = ['Service', 'Account', 'Password'] as const

/** All of them before any other check, as keytar has it. */
function checkRequired(values: readonly unknown[]): void {
  for (const [index, value] of values.entries()) {
    const isEmpty = !value || ((value as { readonly length?: unknown }).length as number) <= 0
    if (isEmpty) throw new Error(`${ARGUMENTS[index]} is required.`)
  }
}

/** keytar's native part calls an account a username. */
function checkString(value: unknown, parameter: string): string {
  if (typeof value !== 'string') throw new TypeError(`Parameter '${parameter}' must be a string`)
  return value
}

async function orNull(found: PromiseLike<string | undefined>): Promise<string | null> {
  return (await found) ?? null
}
