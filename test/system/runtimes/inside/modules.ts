import { createRequire } from 'node:module'
import { account, SecretStore } from 'app-secret-store'
import { createStripeApp, listen } from 'app-secret-store/stripe'
import { describe, expect, onTestFinished, test } from '../../../support/runner'
import { newLocation, testKey } from '../../../support/stores'

const require = createRequire(import.meta.url)

describe('the package by require', () => {
  test.each(['', '/stripe', '/electron', '/keyring', '/cache', '/migrate'])(
    'exports at app-secret-store%s what it exports by import',
    async (subpath) => {
      const imported = await import(`app-secret-store${subpath}`)
      const names = Object.keys(require(`app-secret-store${subpath}`)).filter((name) => name !== 'default')
      expect(names.length).toBeGreaterThan(0)
      expect(names.sort()).toEqual(Object.keys(imported).sort())
    },
  )

  test('opens a store in a directory', async () => {
    const required = require('app-secret-store') as { readonly SecretStore: typeof SecretStore }
    const store = await required.SecretStore.open(await newLocation(), { key: testKey() })
    onTestFinished(() => store.close())
    await store.set({ scope: account, name: 'a', payload: 'p' })
    await store.compact()
    expect(await store.verify()).toEqual({ ok: true, records: 1, problems: [] })
  })
})

test('the Stripe-compatible server answers over HTTP', async () => {
  const store = SecretStore.memory()
  onTestFinished(() => store.close())
  const app = createStripeApp(store, { apiKeys: ['sk_test_here'] })
  const server = await listen(app)
  onTestFinished(() => server.close())
  const headers = { authorization: 'Bearer sk_test_here' }
  const body = new URLSearchParams({ 'scope[type]': 'account', name: 'a', payload: 'p' })
  const made = await fetch(`${server.url}/v1/apps/secrets`, { method: 'POST', headers, body })
  expect(await made.json()).toMatchObject({ object: 'apps.secret', name: 'a' })
  const find = 'v1/apps/secrets/find?scope[type]=account&name=a&expand[]=payload'
  expect(await (await fetch(`${server.url}/${find}`, { headers })).json()).toMatchObject({ payload: 'p' })
})
