import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Level } from 'level'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ROW } from '../../src/format/constants'
import { account, type OpenOptions, SecretStore, user } from '../../src/index'
import { LevelEngine } from '../../src/storage/level/engine'
import { campaign, conclude, isLong, progressOf, times } from '../support/campaign'
import { afterEachStep } from '../support/engine-spy'
import { interceptWrites } from '../support/engine-writes'
import { startChild } from '../support/programs'
import { codeOf, copyStore, filesOf, newLocation, openStore, TestClock, testKey } from '../support/stores'

/** Something to look for in the files, and what it is. At least 8 bytes. */
interface Trace {
  readonly what: string
  readonly bytes: Buffer
}

/** Where any of `traces` is found. One pass over each file, however many traces there are. */
async function search(location: string, traces: readonly Trace[]): Promise<string[]> {
  const byFirstBytes = new Map<number, Trace[]>()
  for (const trace of traces) {
    if (trace.bytes.length < 8) throw new RangeError(`${trace.what}: expected at least 8 bytes, got fewer`)
    const first = trace.bytes.readUInt32LE(0)
    byFirstBytes.set(first, [...(byFirstBytes.get(first) ?? []), trace])
  }
  const found: string[] = []
  for (const [path, bytes] of await filesOf(location)) {
    for (let offset = 0; offset + 8 <= bytes.length; offset++) {
      for (const trace of byFirstBytes.get(bytes.readUInt32LE(offset)) ?? []) {
        if (bytes.compare(trace.bytes, 0, trace.bytes.length, offset, offset + trace.bytes.length) === 0) {
          found.push(`${trace.what} in ${path}`)
        }
      }
    }
  }
  return found
}

/**
 * A name no part of which is in another one. LevelDB leaves out of a key what it shares with the one before it, so
 * only the end of a name is looked for; two names share its beginning at most.
 */
function newName(): string {
  return randomBytes(16).toString('hex')
}

function traceOfText(what: string, text: string): Trace {
  return { what, bytes: Buffer.from(text.slice(-16)) }
}

/** LevelDB cuts what it logs into blocks of 32 KiB, so a long row is looked for in pieces. */
const PIECE_BYTES = 24
const PIECE_DISTANCE_BYTES = 4096

function tracesOfValue(what: string, value: Uint8Array): Trace[] {
  const pieces: Trace[] = []
  // Behind version and key id, which all envelopes have in common.
  for (let start = 5; start + PIECE_BYTES <= value.length; start += PIECE_DISTANCE_BYTES) {
    pieces.push({ what: `${what}, byte ${start}`, bytes: Buffer.from(value.subarray(start, start + PIECE_BYTES)) })
  }
  return pieces
}

/** LevelDB, at work in the background, may take away a file that is being copied: then all of them are copied again. */
async function copyBusy(from: string, to: string): Promise<void> {
  for (;;) {
    try {
      return await copyStore(from, to)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      await rm(to, { recursive: true, force: true })
    }
  }
}

/**
 * The sealed rows of the records with these names, by way of a copy: opening the files themselves would rewrite them.
 * The store may be open.
 */
async function sealedTraces(location: string, names: ReadonlySet<string>): Promise<Trace[]> {
  const copy = `${location}-copy`
  for (;;) {
    await copyBusy(location, copy)
    try {
      return await readTraces(copy, names)
    } catch (error) {
      // LevelDB was at work in the background: a table was copied before it was written, and what names it after that.
      if (!/IO error|Corruption/.test(String(error instanceof Error && error.cause ? error.cause : error))) throw error
    } finally {
      await rm(copy, { recursive: true, force: true })
    }
  }
}

async function readTraces(copy: string, names: ReadonlySet<string>): Promise<Trace[]> {
  const database = new Level<Uint8Array, Uint8Array>(join(copy, 'data'), { keyEncoding: 'view', valueEncoding: 'view' })
  const traces: Trace[] = []
  try {
    for await (const [key, value] of database.iterator()) {
      const name = Buffer.from(key).toString('latin1').split('|').at(-1) as string
      if ((key[0] === ROW.record || key[0] === ROW.payload) && names.has(name)) {
        traces.push(...tracesOfValue(`the ${key[0] === ROW.record ? 'record' : 'payload'} of ${name}`, value))
      }
    }
  } finally {
    await database.close()
  }
  return traces
}

/** Sets a secret under a new name. Returns the name, and its name and id as traces. */
async function plant(
  store: SecretStore,
  payload: string,
  expires_at: number | null = null,
): Promise<{ name: string; traces: Trace[] }> {
  const name = newName()
  const { id } = await store.set({ scope: account, name, payload, expires_at })
  return { name, traces: [traceOfText(`the name ${name}`, name), traceOfText(`the id of ${name}`, id)] }
}

/** Secrets to be deleted and secrets to be kept, in turns, and the traces the former leave. */
async function plantBoth(
  location: string,
  store: SecretStore,
  count: number,
  payload: () => string,
): Promise<{ gone: string[]; kept: Map<string, string>; traces: Trace[] }> {
  const gone: string[] = []
  const kept = new Map<string, string>()
  const traces: Trace[] = []
  await Promise.all(
    Array.from({ length: count }, async () => {
      const planted = await plant(store, payload())
      gone.push(planted.name)
      traces.push(...planted.traces)
      const text = payload()
      kept.set((await plant(store, text)).name, text)
    }),
  )
  traces.push(...(await sealedTraces(location, new Set(gone))))
  // The search finds them as long as they are there, but for the few that a log cuts in two at the end of a block.
  const found = new Set((await search(location, traces)).map((place) => place.replace(/ in .*/, '')))
  expect(found.size).toBeGreaterThan(traces.length * 0.99)
  return { gone, kept, traces }
}

async function deleteAll(store: SecretStore, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => store.delete({ scope: account, name })))
}

async function expectKept(store: SecretStore, kept: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, payload] of kept) expect(await store.get({ scope: account, name })).toBe(payload)
  expect(await store.verify()).toEqual({ ok: true, records: kept.size, problems: [] })
}

const small = (): string => randomBytes(20).toString('hex')
const medium = (): string => randomBytes(1000).toString('hex')
const page = (): string => randomBytes(2048).toString('hex')
const large = (): string => randomBytes(150_000).toString('hex')
const huge = (): string => randomBytes(2.5 * 1024 * 1024).toString('hex')

describe('after compact(), nothing of what is gone is in any file', () => {
  test.each([
    ['one small secret', 1, small],
    ['a few small secrets', 3, small],
    ['5,000 small secrets', 5000, small],
    ...(isLong ? ([['20,000 small secrets', 20_000, small]] as const) : []),
    ['300 secrets with payloads in rows of their own', 300, medium],
    ['payloads of 4 KiB', 40, page],
    ['payloads of 300 kB', 8, large],
    ['payloads of 5 MiB', 1, huge],
  ] as const)('%s', async (_, count, payload) => {
    const location = await newLocation()
    const store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, count, payload)
    await deleteAll(store, gone)
    await store.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(store, kept)
    await store.close()
    expect(await search(location, traces)).toEqual([])
    const again = await openStore(location)
    await expectKept(again, kept)
    expect(await search(location, traces)).toEqual([])
  })

  test('put, deleted and compacted three times, then opened and compacted again', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    const traces: Trace[] = []
    for (let round = 0; round < 3; round++) {
      for (const payload of [small(), medium()]) {
        const { name, traces: left } = await plant(store, payload)
        traces.push(...left, ...(await sealedTraces(location, new Set([name]))))
        await store.delete({ scope: account, name })
      }
      await store.compact()
      expect(await search(location, traces)).toEqual([])
    }
    await store.close()
    store = await openStore(location)
    await store.compact()
    expect(await search(location, traces)).toEqual([])
  })

  test('compacted when it was there, deleted after it was opened again', async () => {
    const location = await newLocation()
    let store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, 50, medium)
    // Down to the deepest level first, from which a later compaction must fetch it.
    for (let time = 0; time < 3; time++) await store.compact()
    for (let time = 0; time < 3; time++) {
      await store.close()
      store = await openStore(location)
    }
    await deleteAll(store, gone)
    await store.close()
    store = await openStore(location)
    await store.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(store, kept)
  })

  test('values that were replaced', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const names = [newName(), newName()] as const
    const traces: Trace[] = []
    // Small and large in turns: a payload row comes and goes.
    for (const payloads of [
      [small, medium],
      [medium, small],
      [large, small],
      [medium, medium],
    ] as const) {
      for (const [index, name] of names.entries()) {
        await store.set({ scope: account, name, payload: (payloads[index] as () => string)() })
      }
      traces.push(...(await sealedTraces(location, new Set(names))))
    }
    for (const name of names) await store.set({ scope: account, name, payload: 'last' })
    expect((await search(location, traces)).length).toBeGreaterThan(0)
    await store.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(store, new Map(names.map((name) => [name, 'last'])))
  })

  test('what has expired, though nobody deleted it', async () => {
    const location = await newLocation()
    const clock = new TestClock()
    const store = await openStore(location, { now: clock.now })
    const planted = [await plant(store, small(), clock.seconds + 10), await plant(store, medium(), clock.seconds + 20)]
    const traces = planted.flatMap(({ traces }) => traces)
    traces.push(...(await sealedTraces(location, new Set(planted.map(({ name }) => name)))))
    const kept = small()
    const { name } = await plant(store, kept, clock.seconds + 21)
    clock.advanceSeconds(20)
    await store.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(store, new Map([[name, kept]]))
  })

  test('after kill -9 of the process that deleted it, and that was about to compact', async () => {
    for (let kill = 0; kill < 8; kill++) {
      const location = await newLocation()
      const store = await openStore(location)
      const { gone, kept, traces } = await plantBoth(location, store, 40, medium)
      await store.close()
      const child = startChild('eraser', [location, JSON.stringify(gone)])
      onTestFinished(() => void child.kill('SIGKILL'))
      let reports = 0
      const killAfter = 1 + kill
      child.stdout?.on('data', () => {
        reports++
        // From one to many compactions later, and somewhere inside one.
        if (reports === killAfter) setTimeout(() => child.kill('SIGKILL'), randomInt(20))
      })
      expect((await once(child, 'exit'))[1]).toBe('SIGKILL')
      const again = await openStore(location)
      await expectKept(again, kept)
      await again.compact()
      expect(await search(location, traces)).toEqual([])
      await expectKept(again, kept)
      await again.close()
    }
  })

  test('a compaction that ends after any of its steps leaves a whole store, and the next one finishes its work', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, 20, medium)
    await deleteAll(store, gone)
    const copies: string[] = []
    // What a kill at this moment would leave: LevelDB keeps nothing back in the process.
    const copy = async (): Promise<void> => {
      copies.push(`${location}-step-${copies.length}`)
      await copyStore(location, copies.at(-1) as string)
    }
    const restore = afterEachStep(copy)
    await store.compact().finally(restore)
    expect(copies.length).toBeGreaterThan(4)
    for (const [step, path] of copies.entries()) {
      const interrupted = await openStore(path)
      expect(await interrupted.verify(), `after step ${step}`).toEqual({ ok: true, records: kept.size, problems: [] })
      await interrupted.compact()
      expect(await search(path, traces), `after step ${step}`).toEqual([])
      await expectKept(interrupted, kept)
    }
  })
})

/**
 * LevelDB keeps in MANIFEST, for each level, the last key that it has compacted from there, and carries it along from
 * one MANIFEST to the next until it compacts that level again.
 */
test('after compact(), no name of what is gone is where LevelDB remembers how far it has compacted', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const traces: Trace[] = []
  const names: string[] = []
  // More than LevelDB holds in memory, several times over, so that it compacts by itself.
  for (let count = 0; count < 24; count++) {
    const { name, traces: left } = await plant(store, randomBytes(512 * 1024).toString('hex'))
    names.push(name)
    traces.push(...left)
  }
  await deleteAll(store, names)
  await store.compact()
  expect(await search(location, traces)).toEqual([])
})

describe('after compact(), nothing of what is gone is in any file, whatever has happened', () => {
  test('rotated before and after it was deleted: nor what was sealed under the keys that are destroyed', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, 30, medium)
    traces.push(...(await sealedTraces(location, new Set(kept.keys()))))
    await store.rotate()
    await deleteAll(store, gone.slice(0, 15))
    await store.rotate({ root: true, keys: [testKey()] })
    traces.push(...(await sealedTraces(location, new Set(gone))))
    await deleteAll(store, gone.slice(15))
    await store.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(store, kept)
  })

  test('users, with the last of their secrets', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const users = Array.from({ length: 12 }, () => `usr_${newName()}`)
    const traces = users.map((id) => traceOfText(`the user ${id}`, id))
    for (const id of users) {
      await store.set({ scope: user(id), name: 'one', payload: small() })
      await store.set({ scope: user(id), name: 'two', payload: medium() })
    }
    expect((await search(location, traces)).length).toBeGreaterThan(0)
    for (const id of users) {
      await store.batch(['one', 'two'].map((name) => ({ type: 'delete', scope: user(id), name }) as const))
    }
    await store.compact()
    expect(await search(location, traces)).toEqual([])
  })

  test('a write failed after it had reached the disk, and the store was opened again', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, 10, medium)
    await deleteAll(store, gone)
    const failing = interceptWrites(
      LevelEngine.prototype,
      async (_, write) => {
        await write()
        throw new Error('no space left on device')
      },
      1,
    )
    const name = newName()
    expect(await codeOf(() => store.set({ scope: account, name, payload: medium() }))).toBe('ERR_FAILED')
    failing.mockRestore()
    expect(await codeOf(() => store.compact())).toBe('ERR_FAILED')
    await store.close()
    traces.push(traceOfText(`the name ${name}`, name), ...(await sealedTraces(location, new Set([name]))))
    const again = await openStore(location)
    await again.delete({ scope: account, name })
    await again.compact()
    expect(await search(location, traces)).toEqual([])
    await expectKept(again, kept)
  })

  test('it was recovered from a copy in which it was deleted but still on disk', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const { gone, kept, traces } = await plantBoth(location, store, 60, medium)
    await deleteAll(store, gone)
    await store.close()
    expect((await search(location, traces)).length).toBeGreaterThan(0)
    const destination = `${location}-recovered`
    expect(await SecretStore.recover(location, { key: testKey(), destination })).toMatchObject({
      complete: true,
      kept: kept.size,
    })
    expect((await readdir(dirname(location))).sort()).toEqual(['secrets', 'secrets-recovered'])
    expect(await search(destination, traces)).toEqual([])
    const recovered = await openStore(destination)
    await expectKept(recovered, kept)
    expect(await search(destination, traces)).toEqual([])
  })

  test('a bit of everything in any order', { timeout: 3 * 3_600_000 }, async () => {
    await campaign('campaigns/erasure.test.ts', async (draws, seed) => {
      const lives = times(6, 400)
      const progress = progressOf('erasure')
      let searched = 0
      for (let life = 0; life < lives; life++) {
        const location = await newLocation()
        const clock = new TestClock()
        let store = await openStore(location, { now: clock.now })
        const kept = new Map<string, { payload: string; traces: readonly Trace[] }>()
        const traces: Trace[] = []
        const forget = (name: string): void => {
          traces.push(...(kept.get(name)?.traces ?? []))
          kept.delete(name)
        }
        const verbs: readonly (() => Promise<unknown>)[] = [
          async () => {
            const payload = draws.pick([small, small, medium, page, large])()
            const { name, traces: left } = await plant(store, payload)
            const sealed = await sealedTraces(location, new Set([name]))
            kept.set(name, { payload, traces: [...left, ...sealed] })
          },
          async () => {
            const payload = draws.pick([small, medium])()
            const { name, traces: left } = await plant(store, payload, clock.seconds + 1)
            traces.push(...left, ...(await sealedTraces(location, new Set([name]))))
            clock.advanceSeconds(1)
          },
          async () => {
            if (kept.size === 0) return
            const name = draws.pick([...kept.keys()])
            await store.delete({ scope: account, name })
            forget(name)
          },
          async () => {
            if (kept.size === 0) return
            const name = draws.pick([...kept.keys()])
            const payload = draws.pick([small, medium, page])()
            // Its name and id stay; what was sealed does not.
            const before = kept.get(name) as { readonly traces: readonly Trace[] }
            const [ofName, ofId, ...sealed] = before.traces as [Trace, Trace, ...Trace[]]
            await store.set({ scope: account, name, payload })
            traces.push(...sealed)
            const next = await sealedTraces(location, new Set([name]))
            kept.set(name, { payload, traces: [ofName, ofId, ...next] })
          },
          async () => {
            await store.close()
            store = await openStore(location, { now: clock.now })
          },
          () => store.sweep(),
          () => store.compact(),
          async () => {
            for (const each of kept.values()) traces.push(...each.traces.slice(2))
            await store.rotate()
            for (const [name, { payload, traces: old }] of kept) {
              const next = await sealedTraces(location, new Set([name]))
              kept.set(name, { payload, traces: [...old.slice(0, 2), ...next] })
            }
          },
        ]
        const steps = Array.from({ length: 8 + draws.below(10) }, () =>
          draws.below(3) === 0 ? 0 : draws.below(verbs.length),
        )
        for (const step of steps) await (verbs[step] as () => Promise<unknown>)()
        await store.compact()
        expect(await search(location, traces), `seed ${seed}, life ${life}, steps ${steps}`).toEqual([])
        await expectKept(store, new Map([...kept].map(([name, { payload }]) => [name, payload])))
        await store.close()
        expect(await search(location, traces), `seed ${seed}, life ${life}, steps ${steps}, closed`).toEqual([])
        searched += traces.length
        progress(life, lives)
      }
      conclude('erasure', { lives, 'traces searched for': searched })
      expect(searched).toBeGreaterThan(lives)
    })
  })
})

describe("with names: 'sealed', no name, user or account is in any file at any time", () => {
  const options: Partial<OpenOptions> = { names: 'sealed' }

  test('whatever is done with them', async () => {
    const location = await newLocation()
    const [usr, acct] = [`usr_${newName()}`, `acct_${newName()}`]
    const names = Array.from({ length: 12 }, newName)
    const traces = [usr, acct, ...names].flatMap((text) => [
      { what: text, bytes: Buffer.from(text.slice(0, 12)) },
      { what: text, bytes: Buffer.from(text.slice(-12)) },
    ])
    let store = await openStore(location, options)
    const scopes = [account, user(usr)] as const
    const steps: (() => Promise<unknown>)[] = [
      async () => {
        for (const [index, name] of names.entries()) {
          const view = index % 3 === 0 ? store : store.view({ account: acct, livemode: index % 2 === 0 })
          for (const scope of scopes) {
            await view.set({ scope, name, payload: index % 2 === 0 ? small() : medium(), expires_at: 3_000_000_000 })
          }
        }
      },
      async () => store.list({ scope: user(usr), limit: 100 }),
      async () => store.set({ scope: user(usr), name: names[0] as string, payload: large() }),
      async () => store.delete({ scope: account, name: names[0] as string }),
      async () => store.delete({ scope: account, name: 'none' }),
      async () => store.compact(),
      async () => store.view({ account: acct, user: usr }).find({ scope: user(usr), name: names[1] as string }),
      async () => store.batch([{ type: 'delete', scope: account, name: names[3] as string }]),
      async () => store.close(),
      async () => {
        store = await openStore(location)
      },
      async () => store.sweep(),
      async () => store.verify(),
      async () => store.compact(),
    ]
    for (const [index, step] of steps.entries()) {
      await step()
      expect(await search(location, traces), `after step ${index}`).toEqual([])
    }
    const user0 = await store.find({ scope: user(usr), name: names[0] as string })
    expect(user0?.name).toBe(names[0])
    expect((await store.verify()).ok).toBe(true)
  })

  test('the same search finds them in a store with plain names', async () => {
    const location = await newLocation()
    const store = await openStore(location)
    const names = { usr: `usr_${newName()}`, acct: `acct_${newName()}`, name: newName() }
    await store.view({ account: names.acct }).set({ scope: user(names.usr), name: names.name, payload: 'p' })
    const found = await search(
      location,
      Object.entries(names).map(([what, text]) => ({ what, bytes: Buffer.from(text.slice(-12)) })),
    )
    expect(new Set(found.map((place) => place.split(' ')[0]))).toEqual(new Set(['usr', 'acct', 'name']))
  })
})

test('no payload is in any file in the clear, at any time', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  const payloads = [small(), medium(), large()]
  const traces = payloads.flatMap((payload) => tracesOfValue('a payload', Buffer.from(payload)))
  for (const [index, payload] of payloads.entries()) {
    await store.set({ scope: account, name: `${index}`, payload })
    expect(await search(location, traces)).toEqual([])
  }
  await store.compact()
  expect(await search(location, traces)).toEqual([])
  await store.close()
  expect(await search(location, traces)).toEqual([])
})
