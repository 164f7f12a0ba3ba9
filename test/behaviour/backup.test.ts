import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import {
  account,
  type BackupSource,
  type BackupTarget,
  type LongOptions,
  type Progress,
  type RestoreOptions,
  SecretStore,
} from 'app-secret-store'
import { backupOf, beside, everything, fill, Kept, LARGE, pieces } from '../support/behaviour/backups'
import { describe, expect, test } from '../support/runner'
import { codeOf, memoryStore, newLocation, openStore, TestClock, testKey } from '../support/stores'

const key = testKey()

describe('targets and sources', () => {
  test('of every sort hold the same store', async () => {
    const directory = dirname(await newLocation())
    const source = await openStore(join(directory, 'source'))
    await fill(source, 300)
    const before = await everything(source)
    const path = join(directory, 'path')
    const nodeFile = join(directory, 'node-file')
    const kept = new Kept()
    const web: Uint8Array[] = []
    let webClosed = false
    const targets: readonly BackupTarget[] = [
      path,
      createWriteStream(nodeFile),
      kept,
      new WritableStream<Uint8Array>({
        write: (piece) => void web.push(piece.slice()),
        close() {
          webClosed = true
        },
      }),
    ]
    const sizes = new Set<number>()
    for (const target of targets) {
      const { records, bytes } = await source.backup(target)
      expect(records).toBe(300)
      sizes.add(bytes)
    }
    expect(sizes.size).toBe(1)
    expect([kept.writableFinished, webClosed]).toEqual([true, true])
    const sources: readonly (() => BackupSource)[] = [
      () => path,
      () => nodeFile,
      () => createReadStream(path, { highWaterMark: 997 }),
      () => Readable.from([kept.bytes]),
      () => Readable.from(kept.pieces),
      () => new Blob(web as Uint8Array<ArrayBuffer>[]).stream(),
      () => Readable.toWeb(createReadStream(nodeFile)) as ReadableStream<Uint8Array>,
      () => pieces(kept.bytes, [1, 2, 3, 5, 7, 65_551, 65_553]),
    ]
    for (const [n, open] of sources.entries()) {
      const at = join(directory, `restored-${n}`)
      expect(await SecretStore.restore(open(), at, { key })).toEqual({ records: 300, bytes: [...sizes][0] })
      expect(await everything(await openStore(at))).toEqual(before)
    }
  })

  test.each([[[1]], [[2, 3]], [[7919]], [[1, 0, 65_536]], [[20]], [[21, 4]]])(
    'cut into pieces of %j are read all the same',
    async (lengths) => {
      const at = await newLocation()
      const source = memoryStore()
      await source.addKey(key)
      await fill(source, 60)
      const bytes = await backupOf(source)
      expect(await SecretStore.restore(pieces(bytes, lengths), at, { key })).toEqual({
        records: 60,
        bytes: bytes.length,
      })
      expect(await everything(await openStore(at))).toEqual(await everything(source))
    },
  )

  test('an empty store', async () => {
    const at = await newLocation()
    const source = await openStore(await newLocation())
    const file = `${at}.backup`
    expect(await source.backup(file)).toMatchObject({ records: 0 })
    expect(await SecretStore.restore(file, at, { key })).toMatchObject({ records: 0 })
    const store = await openStore(at, { minimum: await source.checkpoint() })
    expect(await store.verify()).toEqual({ ok: true, records: 0, problems: [] })
    await store.set({ scope: account, name: 'n', payload: 'p' })
  })

  test('a payload of 16 MiB', async () => {
    const at = await newLocation()
    const source = await openStore(await newLocation())
    const payload = Buffer.alloc(16 * 1024 * 1024, 'sixteen mebibytes ')
    await source.set({ scope: account, name: 'large', payload })
    await fill(source, 5)
    expect(await source.backup(`${at}.backup`)).toMatchObject({ records: 6 })
    await SecretStore.restore(`${at}.backup`, at, { key })
    const store = await openStore(at)
    expect(payload.equals((await store.getBytes({ scope: account, name: 'large' })) as Uint8Array)).toBe(true)
    expect(await store.verify()).toMatchObject({ ok: true, records: 6 })
  })

  test('arguments that are wrong are a TypeError, and touch nothing', async () => {
    const at = await newLocation()
    const source = await openStore(`${at}-source`)
    await source.backup(`${at}.backup`)
    const before = await beside(at)
    for (const bad of [undefined, null, '', 'a\0b', 7, {}, [], new Uint8Array(3)]) {
      await expect(source.backup(bad as BackupTarget)).rejects.toThrow(TypeError)
      await expect(SecretStore.restore(bad as BackupSource, at, { key })).rejects.toThrow(TypeError)
    }
    for (const bad of [null, { onProgress: 1 }, { signal: {} }, { progress() {} }, 'x']) {
      await expect(source.backup(`${at}-no`, bad as LongOptions)).rejects.toThrow(TypeError)
      const options = bad === null || typeof bad === 'string' ? bad : { key, ...bad }
      await expect(SecretStore.restore(`${at}.backup`, at, options as RestoreOptions)).rejects.toThrow(TypeError)
    }
    await expect(SecretStore.restore(`${at}.backup`, at, {} as RestoreOptions)).rejects.toThrow(TypeError)
    await expect(SecretStore.restore(`${at}.backup`, '', { key })).rejects.toThrow(TypeError)
    await expect(SecretStore.restore(Readable.from(['text']), at, { key })).rejects.toThrow(
      new TypeError('stream: expected pieces of bytes, got something else'),
    )
    expect(await beside(at)).toEqual(before)
  })
})

describe('beside writers', () => {
  test('no write waits for a consumer that stalls while writers outrun it', async () => {
    const store = await openStore(await newLocation())
    const write = (n: number): Promise<unknown> =>
      store.batch(
        Array.from({ length: 100 }, (_, index) => ({
          type: 'set',
          scope: account,
          name: `${(n * 100 + index) % 600}`,
          payload: Buffer.alloc(1000, n),
        })),
      )
    for (let n = 0; n < 6; n++) await write(n)
    let written = 0
    /** Takes a piece only when a hundred more secrets are written: a write that waited for it would wait for ever. */
    const consumer = new Writable({
      write(_, __, done) {
        if (written > 200) return done()
        write(written++).then(() => done(), done)
      },
    })
    await store.backup(consumer)
    expect(written).toBeGreaterThan(6)
  })

  test('no write waits for a consumer that stalls at the very end', async () => {
    const [store, at] = [await openStore(await newLocation()), await newLocation()]
    const [first, second] = ['A', 'B'].map((letter) => letter.repeat(200_000)) as [string, string]
    await store.set({ scope: account, name: '0', payload: first })
    for (let n = 1; n < 30; n++) await store.set({ scope: account, name: `${n}`, payload: `${n}` })
    const kept = new Kept()
    // The header, the chunks of the first secret, and, because that has changed by then, those of the last step.
    kept.stallAt = 2
    const backingUp = store.backup(kept)
    await kept.stalled
    await store.set({ scope: account, name: '0', payload: second })
    const writeSome = async (): Promise<void> => {
      for (let n = 0; n < 30; n++) await store.set({ scope: account, name: `${n}`, payload: 'later' })
    }
    kept.goOn(3)
    await kept.stalled
    await writeSome()
    kept.goOn(4)
    await kept.stalled
    await writeSome()
    kept.goOn()
    const { records } = await backingUp
    expect([records, kept.pieces.length]).toEqual([30, 4])
    await SecretStore.restore(Readable.from(kept.pieces), at, { key })
    const restored = await openStore(at)
    expect(await restored.get({ scope: account, name: '0' })).toBe(second)
    expect(await restored.get({ scope: account, name: '1' })).toBe('1')
  })

  test('rows that come, change and go behind it and before it', async () => {
    const [at, clock] = [await newLocation(), new TestClock()]
    const store = await openStore(await newLocation(), { now: clock.now })
    await store.set({ scope: account, name: 'expiring', payload: 'e', expires_at: clock.seconds + 10 })
    await fill(store, 400)
    const kept = new Kept()
    kept.stallAt = 2
    const backingUp = store.backup(kept)
    await kept.stalled
    // '0…' are copied by now, '9…' are not.
    await store.set({ scope: account, name: '00 new', payload: 'n' })
    await store.set({ scope: account, name: '00 gone', payload: 'n' })
    await store.delete({ scope: account, name: '00 gone' })
    await store.delete({ scope: account, name: '0' })
    await store.set({ scope: account, name: '0', payload: 'another, of another id' })
    await store.delete({ scope: account, name: '1' })
    await store.set({ scope: account, name: '10', payload: LARGE + LARGE })
    await store.set({ scope: account, name: '20', payload: 'small now' })
    await store.set({ scope: account, name: '99 new', payload: LARGE })
    await store.delete({ scope: account, name: '98' })
    clock.advanceSeconds(10)
    await store.sweep()
    await store.compact()
    const before = await everything(store)
    kept.goOn()
    await backingUp
    await SecretStore.restore(Readable.from(kept.pieces), at, { key })
    const restored = await openStore(at, { now: clock.now, minimum: await store.checkpoint() })
    expect(await everything(restored)).toEqual(before)
    expect(await restored.verify()).toMatchObject({ ok: true })
  })
})

describe('what is there already', () => {
  test('is never overwritten by a backup', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 200)
    await writeFile(`${at}-file`, 'precious')
    await mkdir(`${at}-directory`)
    for (const taken of ['file', 'directory']) {
      expect(await codeOf(() => store.backup(`${at}-${taken}`))).toBe('ERR_EXISTS')
    }
    // Or if it comes meanwhile.
    const late = codeOf(() =>
      store.backup(`${at}-late`, { onProgress: () => void writeFile(`${at}-late`, 'precious', { flag: 'a' }) }),
    )
    await expect(late).resolves.toBe('ERR_EXISTS')
    expect(await readFile(`${at}-file`, 'utf8')).toBe('precious')
    expect(await readFile(`${at}-late`, 'utf8')).toMatch(/^(precious)+$/)
    expect(await codeOf(() => store.backup(join(`${at}-absent`, 'backup')))).toBe('ERR_IO')
    expect((await beside(at)).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('is never overwritten by a backup, nor followed, where it is a link that leads nowhere', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await symlink(`${at}-nowhere`, `${at}-link`)
    expect(await codeOf(() => store.backup(`${at}-link`))).toBe('ERR_EXISTS')
    expect(existsSync(`${at}-nowhere`)).toBe(false)
    expect((await beside(at)).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

describe('progress', () => {
  test('is told by both, up to all', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 1500)
    for (const work of [
      (onProgress: (progress: Progress) => void) => store.backup(`${at}.backup`, { onProgress }),
      (onProgress: (progress: Progress) => void) => SecretStore.restore(`${at}.backup`, at, { key, onProgress }),
    ]) {
      const seen: Progress[] = []
      await work((progress) => void seen.push(progress))
      expect(seen.length).toBeGreaterThan(2)
      for (const [n, { done, total }] of seen.entries()) {
        expect(done).toBeGreaterThanOrEqual(seen[n - 1]?.done ?? 0)
        expect(total).toBe(1500)
      }
      expect(seen.at(-1)).toEqual({ done: 1500, total: 1500 })
    }
  })

  test('whose listener throws ends both, and nothing is left', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 800)
    await store.backup(`${at}.backup`)
    const before = await beside(at)
    const failure = new Error('test: thrown by the listener')
    const onProgress = (): never => {
      throw failure
    }
    await expect(store.backup(`${at}-no`, { onProgress })).rejects.toBe(failure)
    await expect(SecretStore.restore(`${at}.backup`, at, { key, onProgress })).rejects.toBe(failure)
    expect(await beside(at)).toEqual(before)
  })
})

describe('what is ended early', () => {
  test('by its signal, at any step, leaves nothing, and the store goes on', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 800)
    await store.backup(`${at}.backup`)
    const before = await beside(at)
    for (const step of [0, 1, 2, 5]) {
      for (const work of [
        (options: LongOptions) => store.backup(`${at}-no`, options),
        (options: LongOptions) => SecretStore.restore(`${at}.backup`, at, { key, ...options }),
      ]) {
        const controller = new AbortController()
        const reason = new Error(`test: at step ${step}`)
        let calls = 0
        if (step === 0) controller.abort(reason)
        const onProgress = (): void => {
          if (++calls >= step) controller.abort(reason)
        }
        const outcome = work({ signal: controller.signal, onProgress })
        // A restoration has few steps: after the last it is whole, and kept.
        const whole = await outcome.then(
          () => true,
          (error) => {
            expect(error).toBe(reason)
            return false
          },
        )
        if (whole) expect(calls).toBeLessThanOrEqual(5)
        else expect(await beside(at)).toEqual(before)
        if (whole) return
      }
    }
    expect(await codeOf(() => store.set({ scope: account, name: 'n', payload: 'p' }))).toBe('no error')
    await store.backup(`${at}-yes`)
  })

  test('tells its streams', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 1500)
    const bytes = await backupOf(store)
    const failure = new Error('test: enough')
    const onProgress = (): never => {
      throw failure
    }
    const kept = new Kept()
    await expect(store.backup(kept, { onProgress })).rejects.toBe(failure)
    expect([kept.destroyed, kept.writableFinished]).toEqual([true, false])
    let aborted: unknown
    const web = new WritableStream({
      abort(reason) {
        aborted = reason
      },
    })
    await expect(store.backup(web, { onProgress })).rejects.toBe(failure)
    expect(aborted).toBe(failure)
    const readable = Readable.from(pieces(bytes, [1000]))
    await expect(SecretStore.restore(readable, at, { key, onProgress })).rejects.toBe(failure)
    expect(readable.destroyed).toBe(true)
    let cancelled = false
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes.subarray(0, 100)),
      cancel() {
        cancelled = true
      },
    })
    expect(await codeOf(() => SecretStore.restore(source, at, { key }))).toBe('ERR_CORRUPT')
    expect(cancelled).toBe(true)
    expect((await beside(at)).sort()).toEqual(['secrets-source'])
  })

  test.each([1, 2, 9])('by its signal while its consumer stalls at piece %i', async (stallAt) => {
    const store = await openStore(await newLocation())
    await fill(store, 1500)
    const kept = new Kept()
    kept.stallAt = stallAt
    const controller = new AbortController()
    const order: string[] = []
    const reason = new Error('test: enough')
    const backingUp = store.backup(kept, { signal: controller.signal }).catch((error) => {
      order.push('rejected')
      return error
    })
    await kept.stalled
    controller.abort(reason)
    // Time for it, by the clock of the store itself.
    for (let n = 0; n < 20; n++) await store.set({ scope: account, name: `${n}`, payload: 'p' })
    order.push('goes on')
    kept.goOn()
    expect(await backingUp).toBe(reason)
    expect(order).toEqual(['rejected', 'goes on'])
  })

  test('by the end of the store is ERR_CLOSED, and no file is left', async () => {
    for (const step of [1, 3]) {
      const at = await newLocation()
      const store = await openStore(`${at}-source`)
      await fill(store, 800)
      let closing: Promise<void> | undefined
      let calls = 0
      const onProgress = (): void => {
        if (++calls === step) closing = store.close()
      }
      expect(await codeOf(() => store.backup(`${at}.backup`, { onProgress }))).toBe('ERR_CLOSED')
      await closing
      expect(await beside(at)).toEqual(['secrets-source'])
      expect(await (await openStore(`${at}-source`)).verify()).toMatchObject({ ok: true, records: 800 })
    }
  })

  test.each([1, 2, 5])('by the end of the store while its consumer stalls at piece %i', async (stallAt) => {
    const store = await openStore(await newLocation())
    await fill(store, 1500)
    const kept = new Kept()
    kept.stallAt = stallAt
    const backingUp = codeOf(() => store.backup(kept))
    const waiting = codeOf(() => store.backup(new Kept()))
    await kept.stalled
    await store.close()
    expect(await backingUp).toBe('ERR_CLOSED')
    expect(await waiting).toBe('ERR_CLOSED')
    expect(kept.destroyed).toBe(true)
  })

  test('by a stream that fails, with its own error', async () => {
    const at = await newLocation()
    const store = await openStore(`${at}-source`)
    await fill(store, 600)
    const bytes = await backupOf(store)
    const failure = new Error('test: the stream fails')
    for (const failAt of [1, 2, 6]) {
      let n = 0
      const node = new Writable({ write: (_, __, done) => done(++n >= failAt ? failure : null) })
      await expect(store.backup(node)).rejects.toBe(failure)
      let m = 0
      const web = new WritableStream({
        write() {
          if (++m >= failAt) throw failure
        },
      })
      await expect(store.backup(web)).rejects.toBe(failure)
    }
    const atItsEnd = new Writable({ write: (_, __, done) => done(), final: (done) => done(failure) })
    await expect(store.backup(atItsEnd)).rejects.toBe(failure)
    await expect(store.backup(new WritableStream({ close: () => Promise.reject(failure) }))).rejects.toBe(failure)
    expect(await codeOf(() => store.backup(new Kept().destroy()))).not.toBe('no error')
    for (const length of [0, 10, 1000, bytes.length - 1]) {
      async function* source(): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, length)
        throw failure
      }
      await expect(SecretStore.restore(source(), at, { key })).rejects.toBe(failure)
      const code = await codeOf(() => SecretStore.restore(Readable.from([bytes.subarray(0, length)]), at, { key }))
      expect(code).toBe(length < 20 ? 'ERR_NOT_A_STORE' : 'ERR_CORRUPT')
    }
    expect(await codeOf(() => SecretStore.restore(`${at}-absent`, at, { key }))).toBe('ERR_IO')
    expect(await codeOf(() => SecretStore.restore(dirname(at), at, { key }))).toBe('ERR_IO')
    expect(await codeOf(() => SecretStore.restore(Readable.from([bytes]), at, { key: testKey(2) }))).toBe(
      'ERR_WRONG_KEY',
    )
    expect(await beside(at)).toEqual(['secrets-source'])
    await store.backup(`${at}.backup`)
    await SecretStore.restore(`${at}.backup`, at, { key })
  })
})
