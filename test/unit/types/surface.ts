/** The public surface as types: checked by `npm run types`, never run. */
import Stripe from 'stripe'
import { type CacheAnswer, type CacheOptions, type LoadRequest, SecretCache } from '../../../src/cache/index'
import type {
  BatchOperation,
  ChangeEvent,
  DamagedFile,
  DeletedSecret,
  FindParams,
  KeyProvider,
  Listing,
  ListParams,
  MemoryOptions,
  OpenOptions,
  PassphraseOptions,
  RawKeyOptions,
  RecoveredSecret,
  RecoveryReport,
  Scope,
  Secret,
  SecretList,
  SecretStoreErrorCode,
  SecretView,
  SecretWithPayload,
  SetParams,
  SlotContext,
  SlotParams,
  SlotsOptions,
  StoredSlot,
  TargetParams,
  VerifyProblem,
  VerifyReport,
  ViewOptions,
} from '../../../src/index'
import { account, passphrase, rawKey, SecretStore, SecretStoreError, user } from '../../../src/index'
import { type Credential, type Keytar, keytar } from '../../../src/keytar/index'
import { type KeyvAdapter, type KeyvValue, keyv } from '../../../src/keyv/index'
import { dotenv, type ImportReport, importFrom, type SecretSource } from '../../../src/migrate/index'
import { type OsKeyring, osKeyring } from '../../../src/os-keyring/index'
import { type StripeFixture, type StripeSecrets, stripeSecrets } from '../../../src/stripe/index'
import { type UnstorageDriver, unstorage } from '../../../src/unstorage/index'

/** What was made to be passed on where the API's own objects are expected. */
export function stripeTypes(secret: Secret, deleted: DeletedSecret, page: SecretList): void {
  const _secret: Stripe.Apps.Secret = secret
  const _deleted: Stripe.Apps.Secret = deleted
  const _deletedIsSecret: Secret = deleted
  const _data: Stripe.Apps.Secret[] = page.data
  // And what the client sends is what the verbs take.
  const _scope: Stripe.Apps.SecretCreateParams['scope'] = account
  const _userScope: Stripe.Apps.SecretCreateParams['scope'] = user('usr_1')
  void [_secret, _deleted, _deletedIsSecret, _data, _scope, _userScope]
}

/** What stands where the official client's own would. */
export function stripeClient(store: SecretStore, fixture: StripeFixture): void {
  const secrets: StripeSecrets = stripeSecrets(store, { errors: Stripe.errors })
  const _calls: Pick<Stripe['apps']['secrets'], 'create' | 'list' | 'find' | 'deleteWhere'> = secrets
  const _config: Stripe.StripeConfig = fixture.stripeConfig()
  void [_calls, _config]
}

export async function verbs(store: SecretStore, view: SecretView): Promise<void> {
  const target: TargetParams = { scope: account, name: 'n' }
  const find: FindParams = { ...target, expand: ['payload'] }
  const set: SetParams = { ...find, payload: 'p', expires_at: null }
  const list: ListParams = { scope: user('u'), limit: 1, starting_after: 'id', expand: ['data.payload'] }
  const batch: BatchOperation[] = [
    { type: 'set', ...set },
    { type: 'delete', ...find },
  ]
  for (const verbs of [store, view]) {
    same<Secret>()(await verbs.set(set))
    same<Secret | undefined>()(await verbs.find(find))
    same<Secret | undefined>()(verbs.findSync(find))
    same<string | undefined>()(await verbs.get(target))
    same<string | undefined>()(verbs.getSync(target))
    const bytes: Uint8Array | undefined = await verbs.getBytes(target)
    void bytes
    same<Listing>()(verbs.list(list))
    same<SecretList>()(await verbs.list(list))
    for await (const secret of verbs.list(list)) same<Secret>()(secret)
    same<DeletedSecret | undefined>()(await verbs.delete(find))
    same<(Secret | DeletedSecret | undefined)[]>()(await verbs.batch(batch))
  }
  const payload = { ...target, expand: ['payload'] } as const
  for (const verbs of [store, view]) {
    same<string>()((await verbs.set({ ...payload, payload: 'p' })).payload)
    same<SecretWithPayload | undefined>()(await verbs.find(payload))
    same<string | undefined>()((await verbs.find({ scope: account, name: 'n', expand: ['payload'] }))?.payload)
    same<string | undefined>()(verbs.findSync({ scope: account, name: 'n', expand: ['payload'] })?.payload)
    same<string | undefined>()((await verbs.delete({ scope: account, name: 'n', expand: ['payload'] }))?.payload)
    const listing = verbs.list({ scope: account, expand: ['data.payload'] })
    same<Listing<SecretWithPayload>>()(listing)
    same<string[]>()((await listing).data.map((secret) => secret.payload))
    for await (const secret of listing) same<string>()(secret.payload)
    // As before, where no more is asked for than a secret.
    const find: (params: FindParams) => Promise<Secret | undefined> = verbs.find
    const page: SecretList = await verbs.list({ scope: account, expand: ['data.payload'] })
    same<FindParams>()({} as Parameters<typeof verbs.find>[0])
    void [find, page]
  }
  const stop = view.on('change', (change) => same<ChangeEvent>()(change))
  same<() => void>()(stop)
  same<SecretView>()(store.view({ account: 'acct_1', livemode: true, user: 'usr_1' }))
  same<number>()(await store.sweep())
  same<void>()(await store.compact())
  const report = await store.verify()
  same<VerifyReport>()(report)
  same<StoredSlot[]>()(await SecretStore.slots('a', { allowUnsafeLocation: true } satisfies SlotsOptions))
  const recovered = await SecretStore.recover('a', { key: rawKey(new Uint8Array(32)), destination: 'b' })
  same<RecoveryReport>()(recovered)
  same<readonly RecoveredSecret[]>()(recovered.lost)
  same<readonly DamagedFile[]>()(recovered.damage)
  same<readonly VerifyProblem[]>()(report.problems)
  same<string>()(await store.checkpoint())
  same<void>()(await store.close())
  await using disposable = store
  void disposable
}

export function options(): void {
  const slow: PassphraseOptions = { kdf: 'argon2id', m: 65_536, t: 3, p: 1, label: 'l' }
  const label: RawKeyOptions = { label: 'l' }
  const key: KeyProvider = passphrase('p', slow)
  same<KeyProvider>()(rawKey(new Uint8Array(32), label))
  const memory: MemoryOptions = { now: Date.now, sweepIntervalMs: 0, compactIntervalMs: 0, names: 'sealed' }
  same<SecretStore>()(SecretStore.memory(memory))
  const open: OpenOptions = { ...memory, key, createIfMissing: false, minimum: 'token', maxPayloadBytes: 1 }
  same<Promise<SecretStore>>()(SecretStore.open('path', open))
  const view: ViewOptions = { account: 'acct_1' }
  void view
}

/** The subpaths; that of Electron is held against Electron's own types in test/system/package. */
export async function subpaths(store: SecretStore): Promise<void> {
  const options: CacheOptions = {
    load: async ({ name, signal }: LoadRequest) => (signal.aborted ? undefined : { payload: name, expires_at: null }),
    ttlMs: 1,
    maxStaleMs: 1,
    backoff: { minMs: 1 },
  }
  await using cache = new SecretCache(store.view({ user: 'usr_1' }), options)
  same<CacheAnswer<string> | undefined>()(await cache.get({ scope: account, name: 'n' }))
  const keyring: OsKeyring = osKeyring({ service: 's', account: 'a' })
  const key: KeyProvider = keyring
  const source: SecretSource = dotenv({ path: '.env' })
  same<ImportReport>()(await importFrom(source, store, { dryRun: true, rename: (name) => name }))
  void key
  const passwords: Keytar = keytar(store.view({ account: 'keytar' }))
  same<string | null>()(await passwords.getPassword('service', 'account'))
  same<Credential[]>()(await passwords.findCredentials('service'))
  const adapter: KeyvAdapter = keyv(store, { now: Date.now })
  same<KeyvValue | undefined>()(await adapter.get('key'))
  const driver: UnstorageDriver = unstorage(store, { scope: user('usr_1'), now: Date.now })
  same<string | null>()(await driver.getItem('key'))
}

/** A key provider is nothing but an object. */
export const provider: KeyProvider = {
  kind: 'mine',
  async wrap(rootKey: Uint8Array, context: SlotContext): Promise<SlotParams> {
    return { length: rootKey.length, kind: context.kind }
  },
  async unwrap(_params: SlotParams, context: SlotContext): Promise<Uint8Array | null> {
    return context.slotId
  },
}

/** The union is closed: a new code does not compile until it is listed here, and in the docs. */
export function everyCode(error: SecretStoreError): number {
  const code: SecretStoreErrorCode = error.code
  switch (code) {
    case 'ERR_WRONG_KEY':
    case 'ERR_CORRUPT':
    case 'ERR_ROLLBACK':
    case 'ERR_LOCKED':
    case 'ERR_FAILED':
    case 'ERR_CLOSED':
    case 'ERR_READ_ONLY':
    case 'ERR_BUSY':
    case 'ERR_OUTCOME_UNKNOWN':
    case 'ERR_NO_SYNC':
    case 'ERR_ACCESS_DENIED':
    case 'ERR_CURSOR':
    case 'ERR_NOT_FOUND':
    case 'ERR_EXISTS':
    case 'ERR_UNKNOWN_KEY':
    case 'ERR_LAST_KEY':
    case 'ERR_NOT_A_STORE':
    case 'ERR_UNSAFE_LOCATION':
    case 'ERR_UNSUPPORTED_VERSION':
    case 'ERR_IO':
    case 'ERR_NO_BINARY':
    case 'ERR_NO_KEYRING':
    case 'ERR_KEYRING_LOCKED':
    case 'ERR_NO_KEYRING_ENTRY':
    case 'ERR_FOREIGN_KEYRING_ENTRY':
    case 'ERR_UNAVAILABLE':
      return 1
    default:
      return code satisfies never
  }
}

export function mistakes(store: SecretStore, secret: Secret): void {
  // @ts-expect-error a key is required
  void SecretStore.open('path', {})
  // @ts-expect-error a passphrase alone is no key provider
  void SecretStore.open('path', { key: 'correct horse' })
  // @ts-expect-error stores are opened, not constructed
  new SecretStore()
  // @ts-expect-error an option that is none
  SecretStore.memory({ nowMs: Date.now })
  // @ts-expect-error names are plain or sealed
  SecretStore.memory({ names: 'hidden' })
  // @ts-expect-error a payload is required
  void store.set({ scope: account, name: 'n' })
  // @ts-expect-error and is no object
  void store.set({ scope: account, name: 'n', payload: {} })
  // @ts-expect-error times are seconds, not dates
  void store.set({ scope: account, name: 'n', payload: 'p', expires_at: new Date() })
  // @ts-expect-error Stripe's spelling
  void store.set({ scope: account, name: 'n', payload: 'p', expiresAt: 1 })
  // @ts-expect-error a scope is required
  void store.get({ name: 'n' })
  // @ts-expect-error a scope is an object
  void store.get({ scope: 'account', name: 'n' })
  // @ts-expect-error get returns nothing but the payload
  void store.get({ scope: account, name: 'n', expand: ['payload'] })
  // @ts-expect-error an unknown field beside one that is expanded
  void store.find({ scope: account, name: 'n', expand: ['payload'], expiresAt: 1 })
  // @ts-expect-error a page expands data.payload
  void store.list({ scope: account, expand: ['payload'] })
  // @ts-expect-error the user scope has a user
  const scope: Scope = { type: 'user' }
  // @ts-expect-error the account scope has none
  const other: Scope = { type: 'account', user: 'usr_1' }
  // @ts-expect-error batches set and delete
  void store.batch([{ type: 'get', scope: account, name: 'n' }])
  // @ts-expect-error a code that is none
  new SecretStoreError('ERR_OTHER', 'message')
  // @ts-expect-error a payload may be absent
  secret.payload.length
  // @ts-expect-error views have no sweep
  void store.view({}).sweep()
  // @ts-expect-error nor views of their own
  void store.view({}).view({})
  void [scope, other]
}

/** Accepts values of exactly the type `T`. */
function same<T>(): <U>(value: U, ...exact: [T] extends [U] ? ([U] extends [T] ? [] : [never]) : [never]) => void {
  return () => {}
}

/** A scope that was met is what a view and a list take. */
export async function scopeTypes(store: SecretStore): Promise<void> {
  for await (const { scope, secrets, ...partition } of store.scopes()) {
    const _view: SecretView = store.view(partition)
    const _count: number = secrets
    const set = await _view.set({ scope, name: 'n', payload: 'p', expires_at: 'keep', expand: ['replaced'] })
    const _replaced: boolean | undefined = set.replaced
    // @ts-expect-error a read has nothing to say of what it replaced
    void _view.find({ scope, name: 'n', expand: ['replaced'] })
    void [_count, _replaced]
  }
}
