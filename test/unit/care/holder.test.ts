import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SecretStore } from '../../../src/index'
import { newStore, plantOwner, sharerOf, socketsFolder } from '../../support/sharing'
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
})
