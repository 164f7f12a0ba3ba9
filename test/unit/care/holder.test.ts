import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type OpenOptions, SecretStore } from '../../../src/index'
import { newStore, ownerOf, plantOwner, sharerOf, socketsFolder } from '../../support/sharing'
import { codeOf, newLocation, openStore } from '../../support/stores'

const withinTenMinutes = (since = 0): boolean => Math.abs(since - Date.now() / 1000) < 600

test('a store that nobody has open has no holder, and no store is an error', async () => {
  const location = await newStore()
  expect(await SecretStore.holder(location)).toBeUndefined()
  expect(await codeOf(() => SecretStore.holder(join(location, 'nothing')))).toBe('ERR_NOT_FOUND')
  expect(await codeOf(async () => SecretStore.holder(await newLocation()))).toBe('ERR_NOT_FOUND')
})

test('a process that shares the store is its holder, until it is killed', async () => {
  await socketsFolder()
  const location = await newStore()
  const owner = await sharerOf(location)
  await sharerOf(location)
  const found = await SecretStore.holder(location)
  expect(found).toMatchObject({ shared: true, pid: owner.process.pid })
  if (process.platform === 'linux') {
    expect(found?.program).toBe('node participant.mjs')
    expect(withinTenMinutes(found?.since)).toBe(true)
  }
})

test('a stale owner.json names nobody', async () => {
  await socketsFolder()
  const location = await newStore()
  const owner = await sharerOf(location)
  await owner.kill()
  expect(await SecretStore.holder(location)).toBeUndefined()
  await plantOwner(location, { machine: 'another', endpoint: join(location, 'nothing') })
  expect(await SecretStore.holder(location)).toBeUndefined()
})

describe.runIf(process.platform === 'linux')('a process that does not share it', () => {
  test('is the holder, too', async () => {
    const location = await newStore()
    const holder = await sharerOf(location, { shared: false })
    const found = await SecretStore.holder(location)
    expect(found).toMatchObject({ shared: false, pid: holder.process.pid, program: 'node participant.mjs' })
    expect(withinTenMinutes(found?.since)).toBe(true)
  })

  test('may be the one that asks', async () => {
    const location = await newStore()
    const store = await openStore(location)
    expect(await SecretStore.holder(location)).toMatchObject({ shared: false, pid: process.pid })
    await store.close()
    expect(await SecretStore.holder(location)).toBeUndefined()
  })

  test('who does not share is told that the holder does, and how it is reached, or that it is not', async () => {
    await socketsFolder()
    const location = await newStore()
    const owner = await sharerOf(location)
    await owner.ask({ do: 'set', name: 'n', payload: 'p' })
    const messageOf = (options: Partial<OpenOptions>): Promise<string> =>
      openStore(location, options).then(
        () => 'opened',
        ({ code, message }) => `${code} ${message}`,
      )
    const who = `: process ${owner.process.pid} \\(node participant.mjs\\), which runs since \\S+Z, and shares it`
    for (const options of [{}, { waitMs: 50 }]) {
      expect(await messageOf(options)).toMatch(new RegExp(`^ERR_LOCKED store: .*${who}: shared: true opens it, too$`))
    }
    // Removed, as by whoever clears temporary folders.
    const { endpoint } = await ownerOf(location)
    await rm(endpoint)
    const unreached = new RegExp(
      `^ERR_LOCKED store: .*${who}, but nobody listens at ${endpoint}: that was removed, or `,
    )
    for (const options of [{}, { shared: 'follow' }, { shared: true }] as const) {
      expect(await messageOf(options)).toMatch(unreached)
    }
    expect(await SecretStore.holder(location)).toMatchObject({ shared: true, pid: owner.process.pid })
    expect(await owner.ask({ do: 'get', name: 'n' })).toEqual({ value: 'p' })
  })
})
