import { account, type BatchOperation, type SecretStore } from 'app-secret-store'
import { atLength, Draws, expect, test } from '../support/runner'
import { newLocation, openStore, stores, TestClock } from '../support/stores'

// Everything goes on while a store is verified.

/** Later than anything the clock comes to. */
const FAR_SECONDS = 1_800_000_000

async function filled(store: SecretStore, count: number): Promise<void> {
  const operations = Array.from(
    { length: count },
    (_, n): BatchOperation => ({
      type: 'set',
      scope: account,
      name: `name-${n}`,
      payload: n % 7 === 0 ? 'x'.repeat(1500) : 'short',
      expires_at: n % 3 === 0 ? FAR_SECONDS + n : null,
    }),
  )
  await store.batch(operations)
}

/** One write of any sort. */
async function write(store: SecretStore, draws: Draws): Promise<void> {
  const place = { scope: account, name: `name-${draws.below(700)}` }
  const sort = draws.below(5)
  if (sort === 0) await store.delete(place)
  else {
    const payload = sort === 1 ? 'y'.repeat(1200 + draws.below(3000)) : `p-${draws.below(1000)}`
    const expires_at = sort === 2 ? FAR_SECONDS + draws.below(1000) : null
    await store.set({ ...place, payload, expires_at })
  }
}

test.each([1, 2, 3])(
  'with writes of every sort, a sweep, a compaction and a rotation beside it, it finds nothing wrong (%i)',
  async (seed) => {
    const draws = new Draws(seed)
    const clock = new TestClock()
    const store = await openStore(await newLocation(), { now: clock.now })
    await filled(store, 600)
    let writes = 0
    let done = false
    const writer = async (): Promise<void> => {
      while (!done) {
        await write(store, draws)
        writes++
        if (writes % 100 === 50) await store.sweep()
        if (writes % 150 === 75) await store.compact()
      }
    }
    const writers = [writer(), writer(), writer()]
    const rotation = store.rotate()
    for (let round = 0; round < atLength(2, 5); round++) {
      const before = writes
      const report = await store.verify()
      expect(report.problems).toEqual([])
      expect(report.ok).toBe(true)
      expect(writes).toBeGreaterThan(before)
    }
    done = true
    await Promise.all([...writers, rotation])
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
  },
)

test('a write does not wait for the end of it', async () => {
  const store = stores.memory()
  await filled(store, 3000)
  let ended = false
  const verifying = store.verify().then((report) => {
    ended = true
    return report
  })
  for (let n = 0; n < 10; n++) await store.set({ scope: account, name: `beside-${n}`, payload: 'p' })
  expect(ended).toBe(false)
  expect(await verifying).toMatchObject({ ok: true })
})

test('closing the store ends it', async () => {
  const store = stores.memory()
  await filled(store, 3000)
  const verifying = store.verify()
  await store.close()
  await expect(verifying).rejects.toMatchObject({ code: 'ERR_CLOSED' })
})
