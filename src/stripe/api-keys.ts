import { equalConstantTime, fromUtf8, utf8 } from '../base/bytes'
import { checkBoolean, optionsOf } from '../base/checks'
import { checkUser } from '../input/params'
import type { Partition, Scope } from '../model'
import { type ApiError, forbidden, noApiKey, wrongApiKey } from './api-error'
import { redactKey, shownAccount } from './redaction'

/** A key that may be more limited than a secret key. */
export interface ApiKey {
  /** `sk_test_…`, `sk_live_…`, `rk_test_…` or `rk_live_…`: which mode it is for is told by its name. */
  readonly key: string
  /** A UI extension's: only the account scope, and this user's own, of `account`. @defaultValue none: every scope */
  readonly user?: string
  /**
   * The connected account it is for, without a header that says so.
   *
   * @defaultValue none: what the request says; with `user`, the app's own account
   */
  readonly account?: string
  /** A restricted key's permission. @defaultValue `'write'`: everything; with a `manifest`, what that grants */
  readonly access?: 'read' | 'write'
  /**
   * The app's `stripe-app.json`, parsed: the key may do what its `permissions` grant, as in the hosted service after an
   * installation. `secret_write` allows all four calls, `secret_read` finding and listing. @defaultValue none
   */
  readonly manifest?: StripeAppManifest
  /**
   * Whether the app of the manifest is published: then its secrets are its own. Apps of one developer that were uploaded and
   * never published share theirs, as in the hosted service (stripe/stripe-apps#548). @defaultValue `false`
   */
  readonly published?: boolean
}

/** What counts of a `stripe-app.json`; it may have more. */
export interface StripeAppManifest {
  /** Such as `com.example.app`. */
  readonly id?: string
  /** What whoever installs the app grants it. */
  readonly permissions?: readonly {
    /** Such as `secret_write`. */
    readonly permission: string
  }[]
}

/** Who is asking, and for which part of the store. */
export interface Caller {
  readonly partition: Partition
  readonly user: string | undefined
  readonly access: 'none' | 'read' | 'write'
  /** Of an app: what it lacks is named as the hosted service does. */
  readonly isOfApp: boolean
  /** For messages and logs. */
  readonly redactedKey: string
}

/** A key that is accepted. */
export interface KnownKey extends Omit<Caller, 'partition'> {
  readonly bytes: Uint8Array
  /** The app that has its secrets to itself. */
  readonly app: string | undefined
  readonly livemode: boolean
  readonly account: string | undefined
}

export type Authenticate = (headers: Headers) => Caller

const KEY = /^[sr]k_(test|live)_[\x21-\x7e]{1,200}$/
const ACCOUNT = /^acct_\w{1,200}$/

/**
 * Reads the keys that are accepted, and finds out by them who is asking.
 *
 * @throws {TypeError} If they are no such list.
 */
export function authenticator(apiKeys: readonly (string | ApiKey)[]): Authenticate {
  if (!Array.isArray(apiKeys) || apiKeys.length === 0) {
    throw new TypeError('apiKeys: expected a list of at least one key, got something else')
  }
  const known = apiKeys.map((given) => parseKey(given))
  return (headers) => {
    const key = presentedKey(headers)
    const bytes = utf8(key)
    // All of them are compared, and each in constant time: what they have in common with this one shows in nothing.
    const found = known.filter((candidate) => equalConstantTime(candidate.bytes, bytes))[0]
    if (found === undefined) throw wrongApiKey(key)
    return callerOf(found, headers.get('stripe-account') ?? '', headers.get('stripe-context') ?? '')
  }
}

/**
 * Who is asking, by a key that is accepted and the account the request names, `''` for none.
 *
 * @param context - As in `Stripe-Context`: an account after those it belongs to, with slashes between.
 * @throws {ApiError} 403 if the key is not for that account, or it is none.
 */
export function callerOf(key: KnownKey, account: string, context: string): Caller {
  const named = [account, context.split('/').at(-1) ?? ''].filter((value) => value !== '')
  const [chosen = key.account, another = chosen] = named
  const isForAny = key.account === undefined && key.user === undefined
  const isFor = chosen === another && (isForAny || chosen === key.account)
  if (isFor && (chosen === undefined || ACCOUNT.test(chosen))) {
    const { livemode, user, access, isOfApp, redactedKey, app } = key
    // No account of a request has a `#` in it.
    const account = app === undefined ? chosen : `${chosen ?? ''}#${app}`
    return { partition: { account, livemode }, user, access, isOfApp, redactedKey }
  }
  throw forbidden(
    `The provided key '${key.redactedKey}' does not have access to account '${shownAccount(chosen)}' (or that account ` +
      'does not exist). Application access may have been revoked.',
    'account_invalid',
  )
}

/** @throws {ApiError} 403. */
export function checkAccess(caller: Caller, access: 'read' | 'write', scope: Scope): void {
  const isGranted = caller.access === 'write' || caller.access === access
  if (!isGranted && caller.isOfApp) throw lacksPermission(caller, `secret_${access}`)
  if (!isGranted) {
    throw forbidden(
      `Permission denied. The provided key '${caller.redactedKey}' does not have the required permissions for this ` +
        'endpoint: it may only read.',
      'more_permissions_required',
    )
  }
  if (caller.user === undefined || scope.type === 'account' || scope.user === caller.user) return
  throw forbidden('This key can only access account-scoped secrets, and secrets scoped to its own user.')
}

/** The connected account that the request was for. */
export function accountOf({ partition }: Caller): string | undefined {
  return partition.account?.split('#')[0] || undefined
}

function lacksPermission(caller: Caller, permission: string): ApiError {
  const { redactedKey } = caller
  const account = accountOf(caller)
  const where = account ? ` on account '${shownAccount(account)}'` : ''
  return forbidden(
    `The provided key '${redactedKey}' does not have the required permissions for this endpoint${where}. Having the ` +
      `'${permission}' permission would allow this request to continue.`,
    'more_permissions_required_for_application',
  )
}

const KEY_FIELDS = ['key', 'user', 'account', 'access', 'manifest', 'published'] as const

/** @throws {TypeError} */
export function parseKey(given: unknown): KnownKey {
  const options = optionsOf<ApiKey>(typeof given === 'string' ? { key: given } : given, 'apiKeys', KEY_FIELDS)
  const { key, user, account, manifest, published = false } = options
  if (manifest !== undefined && options.access !== undefined) {
    throw new TypeError("apiKeys: expected either 'access' or 'manifest', got both")
  }
  const { access = manifest === undefined ? 'write' : grantedBy(manifest) } = options
  const mode = typeof key === 'string' ? KEY.exec(key)?.[1] : undefined
  if (mode === undefined) {
    throw new TypeError('apiKeys: expected keys that begin with sk_test_, sk_live_, rk_test_ or rk_live_, got another')
  }
  if (access !== 'read' && access !== 'write' && (manifest === undefined || access !== 'none')) {
    throw new TypeError("access: expected 'read' or 'write', got another")
  }
  if (account !== undefined && !ACCOUNT.test(account)) {
    throw new TypeError("account: expected an id that begins with 'acct_', got another")
  }
  return {
    bytes: utf8(key),
    livemode: mode === 'live',
    user: user === undefined ? undefined : checkUser(user),
    account,
    access,
    isOfApp: manifest !== undefined,
    app: checkBoolean(published, 'published') ? publishedApp(manifest) : undefined,
    redactedKey: redactKey(key),
  }
}

/** @throws {TypeError} If it is no manifest. */
function grantedBy(manifest: StripeAppManifest): Caller['access'] {
  const { permissions = [] } = (manifest ?? {}) as StripeAppManifest
  const isList = Array.isArray(permissions) && permissions.every((one) => typeof one?.permission === 'string')
  if (typeof manifest !== 'object' || manifest === null || !isList) {
    throw new TypeError('manifest: expected a parsed stripe-app.json, with permissions as a list, got something else')
  }
  const granted = new Set(permissions.map(({ permission }) => permission))
  if (granted.has('secret_write')) return 'write'
  return granted.has('secret_read') ? 'read' : 'none'
}

/** @throws {TypeError} If the manifest does not name its app. */
function publishedApp(manifest: StripeAppManifest | undefined): string {
  const { id } = manifest ?? {}
  if (typeof id === 'string' && /^[\w.-]{1,200}$/.test(id)) return id
  throw new TypeError('published: expected a manifest with the id of its app, such as com.example.app, got none')
}

/** Of `Bearer KEY`, or of `Basic` with the key as user name (RFC 7617). @throws {ApiError} 401. */
function presentedKey(headers: Headers): string {
  const authorization = headers.get('authorization')
  if (authorization === null) throw noApiKey()
  const [, scheme, value] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? []
  if (scheme === undefined || value === undefined) throw noApiKey(/^(?:bearer|basic)$/i.exec(authorization)?.[0] ?? '')
  if (scheme.toLowerCase() === 'bearer') return value
  try {
    const text = fromUtf8(Uint8Array.from(atob(value), (character) => character.charCodeAt(0)))
    const [key = ''] = text.split(':')
    if (key !== '') return key
  } catch {
    // What is no base64 has no key in it.
  }
  throw noApiKey(scheme)
}
