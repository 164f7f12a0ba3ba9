import { existsSync } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  account,
  type KeyProvider,
  passphrase,
  recoveryCode,
  type Scope,
  SecretStore,
  type SecretView,
  user,
} from '../../src/index'
import type { Expected, ExpectedSecret } from '../support/golden-secrets'
import { fromRoot } from '../support/paths'
import { codeOf, copyStore, directoryDigest, newLocation, openStore, testKey } from '../support/stores'

const GOLDEN_NOW_MS = 1_767_312_000_000

describe.each(['v1', 'v1-sealed', 'v2', 'v3'])('the golden store %s', (fixture) => {
  const path = fromRoot(`test/fixtures/${fixture}`)
  const { passphraseKey, cheapKey } = keysOf(path)

  async function expectedStore(): Promise<Expected> {
    return JSON.parse(await readFile(join(path, 'expected.json'), 'utf8'))
  }

  async function copy(): Promise<string> {
    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    return location
  }

  async function open(location: string, minimum?: string): Promise<SecretStore> {
    const key = await cheapKey()
    return openStore(location, { key, now: () => GOLDEN_NOW_MS, ...(minimum === undefined ? {} : { minimum }) })
  }

  function viewOf(store: SecretStore, secret: ExpectedSecret): SecretView {
    return store.view({
      livemode: secret.livemode,
      ...(secret.account === null ? {} : { account: secret.account }),
    })
  }

  async function checkAll(store: SecretStore, secrets: readonly ExpectedSecret[]): Promise<void> {
    for (const secret of secrets) {
      const { scope, name, id, created, expires_at, livemode } = secret
      const view = viewOf(store, secret)
      const payload = Buffer.from(secret.payload, 'base64')
      const found = { id, object: 'apps.secret', created, expires_at, livemode, name, scope }
      expect(await view.find({ scope, name })).toEqual(found)
      expect(await view.getBytes({ scope, name })).toEqual(new Uint8Array(payload))
      if (secret.type === 'text') expect(await view.get({ scope, name })).toBe(payload.toString('utf8'))
      else await expect(view.get({ scope, name })).rejects.toThrow(TypeError)
    }
  }

  test('opens, holds what it held, and is whole', async () => {
    const expected = await expectedStore()
    const location = await copy()
    const key = await passphraseKey()
    const store = await openStore(location, { key, now: () => GOLDEN_NOW_MS, minimum: expected.checkpoint })
    await checkAll(store, expected.secrets)
    expect(await store.verify()).toEqual({ ok: true, records: expected.secrets.length, problems: [] })
    expect(await store.get({ scope: account, name: 'deleted' })).toBeUndefined()
    // A checkpoint of this version is longer, and of the same state.
    const checkpoint = await store.checkpoint()
    expect(checkpoint).toHaveLength(172)
    await store.close()
    await open(location, checkpoint)
  })

  test('lists every scope in its order, by cursor too', async () => {
    const { names, secrets } = await expectedStore()
    const store = await open(await copy())
    const scopes = new Map(secrets.map((secret) => [JSON.stringify({ ...secret.scope, p: partition(secret) }), secret]))
    for (const sample of scopes.values()) {
      const inScope = secrets.filter(
        (secret) => partition(secret) === partition(sample) && equalScopes(secret.scope, sample.scope),
      )
      const listed: string[] = []
      for await (const secret of viewOf(store, sample).list({ scope: sample.scope })) listed.push(secret.name)
      const byUtf8 = inScope.map(({ name }) => name).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(names === 'plain' ? listed : new Set(listed)).toEqual(names === 'plain' ? byUtf8 : new Set(byUtf8))
      const second = await viewOf(store, sample).list({ scope: sample.scope, starting_after: sample.id, limit: 1 })
      expect(second.data.map(({ name }) => name)).toEqual(
        listed.slice(listed.indexOf(sample.name) + 1, listed.indexOf(sample.name) + 2),
      )
    }
  })

  test('can be written to, compacted, and read again', async () => {
    const { secrets, checkpoint } = await expectedStore()
    const location = await copy()
    const store = await open(location)
    await store.set({ scope: user('usr_new'), name: 'new', payload: 'written by a later version' })
    await store.delete({ scope: account, name: 'api-key' })
    await store.compact()
    await store.close()
    const again = await open(location, checkpoint)
    expect(await again.get({ scope: user('usr_new'), name: 'new' })).toBe('written by a later version')
    const isDeleted = (secret: ExpectedSecret): boolean =>
      partition(secret) === 'null false' && secret.scope.type === 'account' && secret.name === 'api-key'
    const left = secrets.filter((secret) => !isDeleted(secret))
    expect(left.length).toBe(secrets.length - 1)
    await checkAll(again, left)
    expect(await again.verify()).toEqual({ ok: true, records: secrets.length, problems: [] })
  })

  test('refuses another key without changing a byte', async () => {
    const location = await copy()
    const before = await directoryDigest(location)
    expect(await codeOf(() => openStore(location, { key: passphrase('another') }))).toBe('ERR_WRONG_KEY')
    expect(await codeOf(() => openStore(location, { key: testKey() }))).toBe('ERR_WRONG_KEY')
    expect(await directoryDigest(location)).toBe(before)
  })
})

describe.each(['v2', 'v3'])('the golden store %s, whose keys were changed', (fixture) => {
  const path = fromRoot(`test/fixtures/${fixture}`)
  const { cheapKey } = keysOf(path)
  const options = { now: () => GOLDEN_NOW_MS, sweepIntervalMs: 0, compactIntervalMs: 0 }

  async function contentsOf(store: SecretStore): Promise<unknown[]> {
    const { secrets } = JSON.parse(await readFile(join(path, 'expected.json'), 'utf8')) as Expected
    return Promise.all(
      secrets.map(async ({ account, livemode, scope, name }) => {
        const view = store.view({ livemode, ...(account === null ? {} : { account }) })
        const bytes = await view.getBytes({ scope, name })
        return [await view.find({ scope, name }), Buffer.from(bytes ?? []).toString('base64')]
      }),
    )
  }

  test('opens with its recovery code, and its rotation can be ended', async () => {
    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    const store = await openStore(location, { ...options, key: await cheapKey() })
    expect(store.keys().map(({ kind, label }) => [kind, label])).toEqual([
      ['passphrase', null],
      ['recovery-code', 'on paper'],
    ])
    const before = await contentsOf(store)
    const { dataKeys } = await store.status()
    expect(dataKeys.map(({ id, active }) => [id, active])).toEqual([
      [2, false],
      [3, true],
    ])
    expect(dataKeys.every(({ records }) => records > 0)).toBe(true)
    expect(await store.rotate()).toMatchObject({ dataKey: 3, records: before.length })
    expect((await store.status()).dataKeys.map(({ id, records }) => [id, records])).toEqual([[3, before.length]])
    expect(await contentsOf(store)).toEqual(before)
    expect(await store.verify()).toMatchObject({ ok: true })
  })

  test('its backup restores what it holds', async () => {
    const restored = await newLocation()
    await SecretStore.restore(join(path, 'backup'), restored, { key: await cheapKey() })
    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    const stores = await Promise.all(
      [restored, location].map(async (at) => openStore(at, { ...options, key: await cheapKey() })),
    )
    const [one, other] = await Promise.all(stores.map(contentsOf))
    expect(one).toEqual(other)
    const [here, there] = await Promise.all(stores.map((store) => store.checkpoint()))
    expect(here).toBe(there)
  })
})

describe('the golden store v3, whose root key was replaced', () => {
  const path = fromRoot('test/fixtures/v3')
  const { cheapKey } = keysOf(path)

  async function openCopy(minimum?: string): Promise<SecretStore> {
    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    const key = await cheapKey()
    return openStore(location, { key, now: () => GOLDEN_NOW_MS, ...(minimum === undefined ? {} : { minimum }) })
  }

  async function tokens(): Promise<Required<Pick<Expected, 'checkpoint' | 'earlier' | 'former'>>> {
    return JSON.parse(await readFile(join(path, 'expected.json'), 'utf8'))
  }

  test('is of version 3', async () => {
    const file = JSON.parse(await readFile(join(path, 'store/keyring.json'), 'utf8'))
    expect(file).toMatchObject({ version: 3, features: ['lineage'], ownSums: 3 })
  })

  test('satisfies its tokens under both root keys, also after the next replacement, and none of version 1', async () => {
    const { checkpoint, earlier, former } = await tokens()
    expect([checkpoint.length, earlier.length, former.length]).toEqual([172, 172, 76])
    for (const token of [checkpoint, earlier]) expect(await (await openCopy(token)).checkpoint()).toBe(checkpoint)
    expect(await codeOf(() => openCopy(former))).toBe('ERR_ROLLBACK')

    const location = await newLocation()
    await copyStore(join(path, 'store'), location)
    await chmod(location, 0o700)
    const key = await cheapKey()
    const store = await openStore(location, { key, now: () => GOLDEN_NOW_MS })
    await store.rotate({ root: true, keys: [key] })
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
    for (const minimum of [checkpoint, earlier]) {
      await (await openStore(location, { key, now: () => GOLDEN_NOW_MS, minimum })).close()
    }
    expect(await codeOf(() => openStore(location, { key, minimum: former }))).toBe('ERR_ROLLBACK')
  })

  test.each(['checkpoint', 'earlier'] as const)('a bit changed in %s is found', async (which) => {
    const bytes = Buffer.from((await tokens())[which], 'base64url')
    for (const at of [1, 17, 56, 64, 65, 128]) {
      const altered = Buffer.from(bytes)
      altered.writeUInt8(altered.readUInt8(at) ^ 1, at)
      expect([at, await codeOf(() => openCopy(altered.toString('base64url')))]).toEqual([at, 'ERR_ROLLBACK'])
    }
  })
})

interface FixtureKeys {
  passphraseKey(): Promise<KeyProvider>
  /** The recovery code, where a store has one; its passphrase costs a third of a second each time. */
  cheapKey(): Promise<KeyProvider>
}

function keysOf(path: string): FixtureKeys {
  const read = (file: string): Promise<string> => readFile(join(path, file), 'utf8')
  const passphraseKey = async (): Promise<KeyProvider> => passphrase(await read('passphrase.txt'))
  const cheapKey = async (): Promise<KeyProvider> =>
    existsSync(join(path, 'recovery-code.txt')) ? recoveryCode(await read('recovery-code.txt')) : passphraseKey()
  return { passphraseKey, cheapKey }
}

function partition({ account, livemode }: ExpectedSecret): string {
  return `${account} ${livemode}`
}

function equalScopes(a: Scope, b: Scope): boolean {
  return a.type === b.type && (a.type !== 'user' || (b.type === 'user' && a.user === b.user))
}
