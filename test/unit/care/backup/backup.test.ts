import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { decodeCheckpoint } from '../../../../src/format/checkpoint'
import { account, type BackupSource, SecretStore } from '../../../../src/index'
import { expiryRow, idRow, payloadRow } from '../../../../src/storage/keyspace'
import { backupOf, beside, everything, fill, Kept, LARGE, pieces } from '../../../support/behaviour/backups'
import { atLength } from '../../../support/lengths'
import { flipped, readRow, recordRow, writeRow } from '../../../support/raw-rows'
import { codeOf, memoryStore, newLocation, openStore, testKey } from '../../../support/stores'

const key = testKey()

describe('beside writers', () => {
  /** Writes in waves, each of which is one commit; knows the state and the token after each. */
  class Waves {
    readonly #store: SecretStore
    readonly #state: Map<string, string>
    readonly states: Map<number, ReadonlyMap<string, string>> = new Map()
    readonly tokens: Map<number, string> = new Map()
    last = -1
    #n = 0

    constructor(store: SecretStore, state: ReadonlyMap<string, string>) {
      this.#store = store
      this.#state = new Map(state)
    }

    async write(names: number): Promise<void> {
      const n = this.#n++
      const works = [0, 1, 2, 3].map((lane) => {
        const name = `${(n * 2_654_435_761 + lane * 977) % names}`
        if ((n + lane) % 4 === 0) {
          this.#state.delete(name)
          return this.#store.delete({ scope: account, name })
        }
        const payload = `${n}.${lane}${lane === 1 ? LARGE : ''}`
        this.#state.set(name, payload)
        return this.#store.set({ scope: account, name, payload })
      })
      const state = new Map(this.#state)
      const token = this.#store.checkpoint()
      await Promise.all(works)
      const { sequence } = decodeCheckpoint(await token) as { sequence: number }
      this.states.set(sequence, state)
      this.tokens.set(sequence, await token)
      this.last = sequence
    }
  }

  async function payloads(store: SecretStore): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for await (const { name } of store.list({ scope: account })) {
      found.set(name, (await store.get({ scope: account, name })) as string)
    }
    return found
  }

  async function expectState(file: BackupSource, waves: Waves): Promise<number> {
    const at = await newLocation()
    await SecretStore.restore(file, at, { key })
    const store = await openStore(at)
    const token = await store.checkpoint()
    const { sequence } = decodeCheckpoint(token) as { sequence: number }
    expect(token).toBe(waves.tokens.get(sequence))
    expect(await payloads(store)).toEqual(waves.states.get(sequence))
    expect(await store.verify()).toMatchObject({ ok: true, problems: [] })
    return sequence
  }

  test('it is the state at one moment, to the byte, and that is after all writes it has seen', async () => {
    const store = await openStore(await newLocation())
    await fill(store, 1500)
    const waves = new Waves(store, await payloads(store))
    for (let time = 0; time < 3; time++) {
      let running = true
      const begun = waves.last
      // Writes go on whenever the backup has come a step further.
      const writing = (async () => {
        while (running) await waves.write(2000)
      })()
      const file = `${await newLocation()}.backup`
      await store.backup(file)
      running = false
      await writing
      const sequence = await expectState(file, waves)
      expect(sequence).toBeGreaterThan(begun + 5)
    }
  })

  test.each([1, 2, 6])(
    'no write waits for a consumer that stalls at its piece %i, and what is written meanwhile is in it',
    async (stallAt) => {
      const store = await openStore(await newLocation())
      await fill(store, 1200)
      const waves = new Waves(store, await payloads(store))
      const kept = new Kept()
      kept.stallAt = stallAt
      const backingUp = store.backup(kept)
      await kept.stalled
      // Were one of them to wait, none of this would come to its end.
      for (let n = 0; n < 150; n++) await waves.write(1500)
      await store.sweep()
      expect(await store.verify()).toMatchObject({ ok: true })
      expect(kept.pieces).toHaveLength(stallAt)
      kept.goOn()
      const { records } = await backingUp
      expect(await expectState(Readable.from(kept.pieces), waves)).toBe(waves.last)
      expect(records).toBe(waves.states.get(waves.last)?.size)
    },
  )
})

describe('a damaged store', () => {
  const row = recordRow('10')
  const damages: readonly [string, (at: string, ids: ReadonlyMap<string, string>) => Promise<void>][] = [
    ['with an altered record', async (at) => writeRow(at, row, flipped(await readRow(at, row)))],
    ['with a record under another version', async (at) => writeRow(at, row, flipped(await readRow(at, row), 0))],
    ['with a record too few', async (at) => writeRow(at, row, undefined)],
    [
      'with a record and its payload too few',
      async (at) => {
        await writeRow(at, row, undefined)
        await writeRow(at, payloadRow(row), undefined)
      },
    ],
    ['with a record too many', async (at) => writeRow(at, recordRow('10!'), await readRow(at, row))],
    [
      'with two records in each other\u2019s place',
      async (at) => {
        const [a, b] = [await readRow(at, row), await readRow(at, recordRow('11'))]
        await writeRow(at, row, b)
        await writeRow(at, recordRow('11'), a)
      },
    ],
    [
      'with an altered payload',
      async (at) => writeRow(at, payloadRow(row), flipped(await readRow(at, payloadRow(row)), 99)),
    ],
    ['with a payload too few', async (at) => writeRow(at, payloadRow(row), undefined)],
    [
      'with the payload of another',
      async (at) => writeRow(at, payloadRow(row), await readRow(at, payloadRow(recordRow('20')))),
    ],
  ]

  async function closedStore(): Promise<[string, Map<string, string>]> {
    const location = await newLocation()
    const store = await openStore(location)
    await fill(store, 150)
    const ids = new Map([...(await everything(store))].map(([name, { id }]) => [name, id] as const))
    await store.close()
    return [location, ids]
  }

  test.each(damages)('%s is refused, and no file is made', async (_, damage) => {
    const [location, ids] = await closedStore()
    await damage(location, ids)
    const store = await openStore(location, { verify: false })
    const code = await codeOf(() => store.backup(`${location}.backup`))
    expect(['ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION']).toContain(code)
    const kept = new Kept()
    expect(await codeOf(() => store.backup(kept))).toBe(code)
    expect(kept.destroyed).toBe(true)
    // What came out before is none.
    expect(await codeOf(() => SecretStore.restore(pieces(kept.bytes, [1000]), `${location}-2`, { key }))).not.toBe(
      'no error',
    )
    expect(await beside(location)).toEqual(['secrets'])
  })

  test('with an old record in the place of a newer one is refused', async () => {
    const [location] = await closedStore()
    const old = [await readRow(location, row), await readRow(location, payloadRow(row))] as const
    let store = await openStore(location)
    await store.set({ scope: account, name: '10', payload: `${LARGE}newer` })
    await store.close()
    await writeRow(location, row, old[0])
    await writeRow(location, payloadRow(row), old[1])
    store = await openStore(location)
    expect(await store.get({ scope: account, name: '10' })).toBe(LARGE)
    expect(await codeOf(() => store.backup(`${location}.backup`))).toBe('ERR_CORRUPT')
    expect(await beside(location)).toEqual(['secrets'])
  })

  test('in nothing but its hints is whole again when it is restored', async () => {
    const [location, ids] = await closedStore()
    await writeRow(location, idRow(ids.get('10') as string), undefined)
    await writeRow(location, expiryRow(1e9, ids.get('11') as string), recordRow('11'))
    await writeRow(location, payloadRow(recordRow('11')), new Uint8Array(10))
    await writeRow(location, Buffer.from('zzz'), new Uint8Array(10))
    const store = await openStore(location)
    expect((await store.verify()).ok).toBe(false)
    await store.backup(`${location}.backup`)
    await SecretStore.restore(`${location}.backup`, `${location}-2`, { key })
    const restored = await openStore(`${location}-2`, { minimum: await store.checkpoint() })
    expect(await restored.verify()).toEqual({ ok: true, records: 150, problems: [] })
  })

  test('cannot be smuggled in: every byte of a backup counts', async () => {
    const at = await newLocation()
    const source = memoryStore()
    await source.addKey(key)
    await source.set({ scope: account, name: 'n', payload: 'p' })
    const bytes = await backupOf(source)
    const codes = new Map<string, number>()
    for (
      let place = 0;
      place < bytes.length;
      place += place < 30 ? 1 : place > bytes.length - 300 ? atLength(7, 1) : atLength(97, 23)
    ) {
      const code = await codeOf(() => SecretStore.restore(pieces(flipped(bytes, place), [1 << 20]), at, { key }))
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    for (
      let length = 0;
      length < bytes.length;
      length += length < 30 || length > bytes.length - 100 ? atLength(3, 1) : atLength(131, 31)
    ) {
      const code = await codeOf(() => SecretStore.restore(pieces(bytes.subarray(0, length), [1 << 20]), at, { key }))
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    expect([...codes.keys()].sort()).toEqual(['ERR_CORRUPT', 'ERR_NOT_A_STORE', 'ERR_UNSUPPORTED_VERSION'])
    expect(await beside(at)).toEqual([])
  })
})
