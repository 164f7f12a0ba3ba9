import { readdir } from 'node:fs/promises'
import { expect, onTestFinished, test } from '../../../support/runner'
import { newLocation, openStore } from '../../../support/stores'
import { shareAndTakeOver } from './share-and-take-over'
import { Sharer } from './started'

async function sharer(location: string, number: number): Promise<Sharer> {
  const started = await Sharer.here(location, `${location}.${number}`)
  onTestFinished(() => started.kill())
  return started
}

test('two processes share a store, and the second takes over when the first is killed', async () => {
  const location = await newLocation()
  await shareAndTakeOver(
    () => sharer(location, 1),
    () => sharer(location, 2),
  )
  expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
  const store = await openStore(location)
  expect(await store.verify()).toMatchObject({ ok: true, records: 4 })
})

const KILLS = 4

test(`a store that is shared is ERR_LOCKED for whoever does not share it, also after ${KILLS} kills of both`, async () => {
  const location = await newLocation()
  for (let number = 0; number < KILLS; number++) {
    const [owner, follower] = [await sharer(location, 2 * number), await sharer(location, 2 * number + 1)]
    expect(await owner.opened()).toBe('opened')
    expect(await follower.opened()).toBe('opened')
    expect(await owner.ask(`set name ${number}`)).toBe('name')
    expect(await follower.ask('get name')).toBe(`${number}`)
    await expect(openStore(location)).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await Promise.all([owner.kill(), follower.kill()])
  }
})
