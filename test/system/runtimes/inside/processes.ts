import { writeFile } from 'node:fs/promises'
import { account, SecretStore } from 'app-secret-store'
import { Draws, eventually, expect, onTestFinished, test } from '../../../support/runner'
import { codeOf, newLocation, openStore, testKey } from '../../../support/stores'
import { startOwner } from './started'

const KILLS = 6
const MOST_WRITES = 90

test('a store that another process has open is ERR_LOCKED for all others, until that process is killed', async () => {
  const location = await newLocation()
  const owner = startOwner('hold', location, `${location}.log`)
  onTestFinished(() => owner.kill())
  await eventually(async () => expect(await owner.told()).toEqual(['opened']))
  for (let time = 0; time < 3; time++) {
    expect(await codeOf(() => SecretStore.open(location, { key: testKey() }))).toBe('ERR_LOCKED')
    // Without a lock of its own, it looks for that of others.
    expect(await codeOf(() => SecretStore.open(location, { key: testKey(), readOnly: true }))).toBe('ERR_LOCKED')
  }
  await owner.kill()
  const store = await openStore(location)
  await store.set({ scope: account, name: 'a', payload: 'ours now' })
  // And the other way round.
  const other = startOwner('hold', location, `${location}.other-log`)
  onTestFinished(() => other.kill())
  await eventually(async () => expect(await other.told()).toEqual(['ERR_LOCKED']))
})

test(`${KILLS} kills amid writes, compactions and backups lose no acknowledged write and tear no batch`, async () => {
  const location = await newLocation()
  const log = `${location}.log`
  const draws = new Draws(20_261_129)
  for (let kill = 1; kill <= KILLS; kill++) {
    await writeFile(log, '')
    const owner = startOwner('write', location, log)
    onTestFinished(() => owner.kill())
    const mostWrites = 1 + draws.below(MOST_WRITES)
    await eventually(async () =>
      expect((await owner.told()).filter((line) => line.startsWith('wrote')).length).toBeGreaterThanOrEqual(mostWrites),
    )
    await owner.kill()
    const told = await owner.told()
    const [begun, done] = ['writing', 'wrote'].map((verb) =>
      Math.max(...told.filter((line) => line.startsWith(`${verb} `)).map((line) => Number(line.split(' ')[1]))),
    )
    const store = await openStore(location)
    const last = Number(await store.get({ scope: account, name: 'last' }))
    // Acknowledged, or what was in flight.
    expect([done, begun]).toContain(last)
    expect(await store.get({ scope: account, name: `single-${last % 50}` })).toBe(String(last))
    expect(await store.get({ scope: account, name: `large-${last % 7}` })).toBe(String(last).padEnd(5000, '.'))
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  }
})
