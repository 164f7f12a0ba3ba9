import { expect, test } from 'vitest'
import { needElectron, said, useElectron, userDataFolder } from './harness'

useElectron()

test('`require` and `import` of every entry give the same things', async (context) => {
  needElectron(context)
  const lines = await said(
    await userDataFolder(),
    `
      for (const entry of ['', '/electron', '/electron/expose', '/keyring', '/cache', '/migrate', '/keytar', '/keyv', '/unstorage', '/stripe']) {
        const required = require('app-secret-store' + entry)
        const imported = await import('app-secret-store' + entry)
        say([entry, Object.keys(required).filter((name) => name in imported).length > 0])
      }
      say(process.versions.electron.split('.').length)
    `,
  )
  expect(lines).toEqual([
    ...[
      '',
      '/electron',
      '/electron/expose',
      '/keyring',
      '/cache',
      '/migrate',
      '/keytar',
      '/keyv',
      '/unstorage',
      '/stripe',
    ].map((entry) => [entry, true]),
    3,
  ])
})

test.for(['require', 'import'])(
  'by %s: open, set, list, expiry, delete, and again in another process',
  async (way, context) => {
    needElectron(context)
    const userData = await userDataFolder()
    const library = way === 'require' ? `require('app-secret-store')` : `await import('app-secret-store')`
    const first = await said(
      userData,
      `
      const { SecretStore, account, rawKey } = ${library}
      let ms = Date.now()
      const store = await SecretStore.open(place('secrets'), { key: rawKey(new Uint8Array(32).fill(1)), now: () => ms })
      for (const name of ['a', 'b', 'c']) await store.set({ scope: account, name, payload: 'example ' + name })
      await store.set({ scope: account, name: 'brief', payload: 'x', expires_at: Math.floor(ms / 1000) + 60 })
      say((await store.list({ scope: account })).data.map(({ name }) => name))
      say((await store.delete({ scope: account, name: 'b' })).deleted)
      ms += 60_000
      say(String(await store.get({ scope: account, name: 'brief' })))
      say(await store.sweep())
      const { ok, records } = await store.verify()
      say([ok, records])
      await store.backup(place('backup'))
      await store.close()
    `,
    )
    expect(first).toEqual([['a', 'b', 'brief', 'c'], true, 'undefined', expect.any(Number), [true, 2]])
    const second = await said(
      userData,
      `
      const { SecretStore, account, rawKey } = ${library}
      const key = rawKey(new Uint8Array(32).fill(1))
      const store = await SecretStore.open(place('secrets'), { key })
      say([await store.get({ scope: account, name: 'a' }), store.getSync({ scope: account, name: 'c' })])
      await SecretStore.open(place('secrets'), { key }).catch((error) => say(error.code))
      await store.close()
      await SecretStore.open(place('secrets'), { key: rawKey(new Uint8Array(32)) }).catch((error) => say(error.code))
      say((await SecretStore.restore(place('backup'), place('restored'), { key })).records)
    `,
    )
    expect(second).toEqual([['example a', 'example c'], 'ERR_LOCKED', 'ERR_WRONG_KEY', 2])
  },
)
