/** Every entry but Electron's, in a project that has no types of Node: TypeScript has to find no mistake here. */
import { account, rawKey, type Secret, SecretStore, SecretStoreError } from 'app-secret-store'
import { SecretCache } from 'app-secret-store/cache'
import { type OsKeyring, osKeyring } from 'app-secret-store/keyring'
import { dotenv, importFrom } from 'app-secret-store/migrate'
import { type StripeFixture, startStripeFixture } from 'app-secret-store/stripe'

export async function use(): Promise<string> {
  const store = await SecretStore.open('./secrets', { key: rawKey(new Uint8Array(32)) })
  const secret: Secret = await store.set({ scope: account, name: 'token', payload: 'example' })
  const found = await store.find({ scope: account, name: 'token', expand: ['payload'] })
  const page = await store.list({ scope: account, expand: ['data.payload'] })
  // @ts-expect-error: nothing was expanded
  const unexpanded: string | undefined = (await store.find({ scope: account, name: 'token' }))?.payload.length
  const cache = new SecretCache(store, { load: async ({ name }) => ({ payload: name, expires_at: null }) })
  const keyring: OsKeyring = osKeyring({ service: 's', account: 'a' })
  await store.addKey(keyring)
  await importFrom(dotenv({ path: '.env' }), store)
  const fixture: StripeFixture = await startStripeFixture()
  await Promise.all([cache.close(), fixture.close(), store.close()])
  return [secret.id, unexpanded, found?.payload.toUpperCase(), ...page.data.map(({ payload }) => payload.length)].join()
}

export function isLocked(error: unknown): boolean {
  return error instanceof SecretStoreError && error.code === 'ERR_LOCKED'
}
