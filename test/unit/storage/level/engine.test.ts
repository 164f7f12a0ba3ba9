import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { mapKey, utf8 } from '../../../../src/base/bytes'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { LevelEngine } from '../../../../src/storage/level/engine'
import { writeTo } from '../../../support/engine-writes'
import { codeOf, temporaryDirectory } from '../../../support/stores'

const put = (key: string, value: string) => ({ type: 'put', key: utf8(key), value: utf8(value) }) as const
const putHead = (value: string) => ({ type: 'put', key: HEAD_ROW, value: utf8(value) }) as const

async function newEngine(): Promise<{ readonly engine: LevelEngine; readonly directory: string }> {
  const directory = join(await temporaryDirectory(), 'data')
  const engine = await LevelEngine.open(directory, { create: true })
  onTestFinished(() => engine.close().catch(() => {}))
  return { engine, directory }
}

/** Everything that is written, and with which options, from now on. */
function watchWrites(): { readonly operations: string[]; readonly options: unknown[]; closed: number } {
  const seen = { operations: [] as string[], options: [] as unknown[], closed: 0 }
  interface Begun {
    put(key: Uint8Array, value: Uint8Array): unknown
    del(key: Uint8Array): unknown
    write(options?: object): Promise<void>
    close(): Promise<void>
  }
  const { batch } = Level.prototype as unknown as { batch(): Begun }
  const spy = vi.spyOn(Level.prototype as unknown as { batch(): unknown }, 'batch').mockImplementation(function (
    this: unknown,
  ) {
    const begun = batch.call(this as never)
    const [write, putRow, delRow, close] = [begun.write, begun.put, begun.del, begun.close]
    begun.put = (key, value) => {
      seen.operations.push(`put ${mapKey(key).slice(0, 3)}`)
      return putRow.call(begun, key, value)
    }
    begun.del = (key) => {
      seen.operations.push(`del ${mapKey(key).slice(0, 3)}`)
      return delRow.call(begun, key)
    }
    begun.write = (options?: object) => {
      seen.options.push(options)
      return write.call(begun, options)
    }
    begun.close = () => {
      seen.closed++
      return close.call(begun)
    }
    return begun
  })
  onTestFinished(() => spy.mockRestore())
  return seen
}

const coded = (code: string | undefined, message = 'x'): Error => Object.assign(new Error(message), code && { code })

describe('what LevelDB is told', () => {
  test('to have each commit on disk before it is done', async () => {
    const { engine } = await newEngine()
    const writes = watchWrites()
    expect(await writeTo(engine, [put('a', '1'), putHead('h1')], undefined)).toBe(true)
    expect(await writeTo(engine, [{ type: 'del', key: utf8('a') }], utf8('h1'))).toBe(true)
    expect(writes.options).toEqual([{ sync: true }, { sync: true }])
    expect(writes.operations).toEqual(['put a', 'put h', 'del a'])
  })

  test('to erase by a write of both ends, of which nothing stays, with the head last', async () => {
    const { engine } = await newEngine()
    expect(await writeTo(engine, [put('a', '1'), putHead('h1')], undefined)).toBe(true)
    const writes = watchWrites()
    await engine.erase()
    expect(writes.options.length).toBeGreaterThan(0)
    for (const options of writes.options) expect(options).toEqual({ sync: true })
    expect(writes.operations.at(-1)).toBe('put h')
    for (const end of ['\0', 'ÿ'.repeat(3)]) {
      const [first, last] = [writes.operations.indexOf(`put ${end}`), writes.operations.lastIndexOf(`del ${end}`)]
      expect(first).toBeGreaterThanOrEqual(0)
      expect(last).toBeGreaterThan(first)
    }
    const all = { gte: Uint8Array.of(0), lt: new Uint8Array(100).fill(255), limit: 100 }
    expect((await engine.scanKeys(all)).map(mapKey)).toEqual(['a', 'h'])
    expect(engine.getSync(HEAD_ROW)).toEqual(utf8('h1'))
    expect(await writeTo(engine, [putHead('h2')], utf8('h1'))).toBe(true)
  })

  test('nothing of a commit whose changes cannot be made, or that another one has overtaken', async () => {
    const { engine } = await newEngine()
    expect(await writeTo(engine, [putHead('h1')], undefined)).toBe(true)
    const writes = watchWrites()
    function* failing() {
      yield put('a', '1')
      throw new RangeError('no')
    }
    await expect(writeTo(engine, failing(), utf8('h1'))).rejects.toThrow(new RangeError('no'))
    await expect(writeTo(engine, [put('a', '1')], utf8('h0'))).rejects.toThrow(
      'its only opener, got a write by another',
    )
    expect([writes.options, writes.closed]).toEqual([[], 2])
    expect(engine.getSync(utf8('a'))).toBeUndefined()
  })

  test('a head that is its own, whatever becomes of the bytes it was given', async () => {
    const { engine } = await newEngine()
    const value = utf8('h1')
    expect(await writeTo(engine, [{ type: 'put', key: HEAD_ROW, value }], undefined)).toBe(true)
    value.fill(0)
    expect(await writeTo(engine, [put('a', '1')], utf8('h1'))).toBe(true)
  })
})

describe('another opener', () => {
  test('is noticed by the generation of the files, before and after a write', async () => {
    const { engine, directory } = await newEngine()
    engine.checkOwned()
    const current = join(directory, 'CURRENT')
    await writeFile(`${current}.other`, 'MANIFEST-000009\n')
    await rename(`${current}.other`, current)
    expect(() => engine.checkOwned()).toThrow('store: expected to be its only opener, got another one')
    expect(await codeOf(() => writeTo(engine, [put('a', '1')], undefined))).toBe('ERR_LOCKED')
    expect(await codeOf(() => engine.erase())).toBe('ERR_LOCKED')
    expect(engine.getSync(utf8('a'))).toBeUndefined()
  })
})

describe('an error of LevelDB', () => {
  test.each([
    ['LEVEL_DATABASE_NOT_OPEN', 'ERR_CLOSED'],
    ['LEVEL_ITERATOR_NOT_OPEN', 'ERR_CLOSED'],
    ['LEVEL_CORRUPTION', 'ERR_CORRUPT'],
    ['LEVEL_IO_ERROR', 'ERR_IO'],
    [undefined, 'ERR_IO'],
  ])('in reading with the code %s is %s, with its cause', async (code, expected) => {
    const { engine } = await newEngine()
    const cause = coded(code)
    vi.spyOn(Level.prototype, 'getMany').mockRejectedValueOnce(cause)
    vi.spyOn(Level.prototype as unknown as { getSync(): unknown }, 'getSync').mockImplementationOnce(() => {
      throw cause
    })
    await expect(engine.getMany([utf8('a')])).rejects.toMatchObject({ code: expected, cause })
    expect(() => engine.getSync(utf8('a'))).toThrow(expect.objectContaining({ code: expected, cause }))
  })

  test.each([
    ['LEVEL_LOCKED', 'IO error: lock', 'ERR_LOCKED'],
    ['LEVEL_IO_ERROR', 'IO error: Permission denied', 'ERR_IO'],
    ['LEVEL_IO_ERROR', 'IO error: x: No such file or directory', 'ERR_CORRUPT'],
    ['LEVEL_IO_ERROR', 'x does not exist (create_if_missing is false)', 'ERR_CORRUPT'],
    ['LEVEL_IO_ERROR', 'exists (error_if_exists is true)', 'ERR_CORRUPT'],
    ['LEVEL_CORRUPTION', 'Corruption: x', 'ERR_CORRUPT'],
    [undefined, 'x', 'ERR_CORRUPT'],
  ])('in opening with the code %s, “%s”, is %s, with its cause', async (code, message, expected) => {
    const directory = join(await temporaryDirectory(), 'data')
    const cause = coded(code, message)
    for (const thrown of [cause, Object.assign(coded('LEVEL_DATABASE_NOT_OPEN'), { cause })]) {
      const spy = vi.spyOn(Level.prototype, 'open').mockRejectedValue(thrown)
      const opening = LevelEngine.open(directory, { create: true })
      await expect(opening).rejects.toMatchObject({ code: expected, cause })
      spy.mockRestore()
    }
  })
})
