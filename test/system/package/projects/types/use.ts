import { rawKey, SecretStore } from 'app-secret-store'
import { createStripeApp, listen, type StripeSecrets, startStripeFixture, stripeSecrets } from 'app-secret-store/stripe'

const store = await SecretStore.open('./secrets', { key: rawKey(new Uint8Array(32)) })
const app = createStripeApp(store, { apiKeys: ['sk_test_types', { key: 'rk_test_types', user: 'usr_1' }] })
await using server = await listen(app, { port: 0 })
const secrets: StripeSecrets = stripeSecrets(store)
for await (const secret of secrets.list({ scope: { type: 'account' }, limit: 3 })) console.log(secret.name, server.url)

await using fixture = await startStripeFixture({ accounts: { acct_1: { secrets: { token: 'example' } } } })
fixture.failNext({ status: 503, times: 2, when: ({ method }) => method === 'POST' })
const host: string = fixture.stripeConfig().host
console.log(host, fixture.requests[0]?.params?.['name'])
// @ts-expect-error: what is no scope is none
await fixture.store.find({ scope: 'account', name: 'token' })
