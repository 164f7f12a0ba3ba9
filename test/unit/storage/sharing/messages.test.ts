import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../../../src/base/bytes'
import {
  type Answer,
  decodeFromOwner,
  decodeRequest,
  encodeAnswer,
  encodeFeedItem,
  encodeRequest,
  errorOf,
  type FeedItem,
  type Request,
} from '../../../../src/storage/sharing/messages'
import { codeOf } from '../../../support/stores'

const bytes = fc.uint8Array({ maxLength: 40 })
const perhaps = fc.option(bytes, { nil: undefined })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const text = fc.string({ unit: 'grapheme', maxLength: 200 })
const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 5 })
const range = fc.record({ gte: bytes, lt: bytes, limit: u32, reverse: fc.boolean() })
const change = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key: bytes, value: bytes }),
  fc.record({ type: fc.constant('del' as const), key: bytes }),
)

/** Each request, one type after the other. */
const REQUESTS: Readonly<Record<Request['type'], fc.Arbitrary<Request>>> = {
  get: fc.record({ type: fc.constant('get'), key: bytes }),
  getMany: fc.record({ type: fc.constant('getMany'), keys: few(bytes) }),
  scan: fc.record({ type: fc.constant('scan'), range }),
  scanKeys: fc.record({ type: fc.constant('scanKeys'), range }),
  turn: fc.record({ type: fc.constant('turn'), wantedMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  commit: fc.record({
    type: fc.constant('commit'),
    expectedHead: perhaps,
    changes: few(change),
    note: bytes,
    keyring: perhaps,
  }),
  pass: fc.constant({ type: 'pass' }),
  erase: fc.constant({ type: 'erase' }),
  lock: fc.record({ type: fc.constant('lock'), name: text, again: fc.boolean() }),
  unlock: fc.record({ type: fc.constant('unlock'), name: text }),
  meet: fc.record({ type: fc.constant('meet'), pid: u32 }),
}

const ANSWERS: Readonly<Record<Answer['type'], fc.Arbitrary<Answer>>> = {
  value: fc.record({ type: fc.constant('value'), value: perhaps }),
  values: fc.record({ type: fc.constant('values'), values: few(perhaps) }),
  rows: fc.record({ type: fc.constant('rows'), rows: few(fc.record({ key: bytes, value: bytes })) }),
  done: fc.record({ type: fc.constant('done'), isDone: fc.boolean() }),
  error: fc.record({ type: fc.constant('error'), code: text, message: text }),
}

const FEED: fc.Arbitrary<FeedItem> = fc.record({ number: fc.maxSafeNat(), head: bytes, note: bytes, keyring: perhaps })

/** Node's buffers and Uint8Arrays of the same bytes are equal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}

/** That every prefix, and the message with a byte more, is another protocol's. */
async function expectExact(message: Uint8Array, decode: (message: Uint8Array) => unknown): Promise<void> {
  for (let length = 0; length < message.length; length++)
    expect(await codeOf(() => decode(message.subarray(0, length)))).toBe('ERR_CORRUPT')
  expect(await codeOf(() => decode(concat(message, Uint8Array.of(0))))).toBe('ERR_CORRUPT')
}

describe('requests', () => {
  test.each(Object.entries(REQUESTS))('%s comes back as it went, and as nothing else', async (_, requests) => {
    await fc.assert(
      fc.asyncProperty(u32, requests, async (id, request) => {
        const message = encodeRequest(id, request).slice()
        expect(plain(decodeRequest(message))).toEqual(plain({ id, request }))
        await expectExact(message, decodeRequest)
      }),
      { numRuns: 30 },
    )
  })

  test('of an unknown type, with a flag that is neither, with a count of 4 GiB, are refused', async () => {
    const id = [0, 0, 0, 1]
    const most = [255, 255, 255, 255]
    for (const message of [
      [11, ...id],
      [255, ...id],
      // getMany of so many keys, and a get of one so long
      [1, ...id, ...most],
      [0, ...id, ...most],
      // lock, neither again nor for the first time
      [8, ...id, 2, 0, 1, 0x61],
      // commit: a head that is neither there nor not; a change that neither puts nor deletes
      [5, ...id, 2],
      [5, ...id, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      // lock, of a name that is no UTF-8
      [8, ...id, 0, 0, 1, 0xff],
    ]) {
      expect([message, await codeOf(() => decodeRequest(Uint8Array.from(message)))]).toEqual([message, 'ERR_CORRUPT'])
    }
  })
})

describe('what an owner says', () => {
  test.each(Object.entries(ANSWERS))('%s comes back as it went, and as nothing else', async (_, answers) => {
    await fc.assert(
      fc.asyncProperty(u32, answers, async (id, answer) => {
        const message = encodeAnswer(id, answer).slice()
        expect(plain(decodeFromOwner(message))).toEqual(plain({ id, answer }))
        await expectExact(message, decodeFromOwner)
      }),
      { numRuns: 30 },
    )
  })

  test('of a commit comes back as it went, and as nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(FEED, async (feed) => {
        const message = encodeFeedItem(feed).slice()
        expect(plain(decodeFromOwner(message))).toEqual(plain({ feed }))
        await expectExact(message, decodeFromOwner)
      }),
      { numRuns: 30 },
    )
  })

  test('of another type, or as a number above 2^53, is refused', async () => {
    expect(await codeOf(() => decodeFromOwner(Uint8Array.of(5, 0, 0, 0, 1)))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => decodeFromOwner(Uint8Array.of(254, 0, 0, 0, 1)))).toBe('ERR_CORRUPT')
    const feed = [255, ...new Array(8).fill(255), 0, 0, 0, 0, 0, 0, 0, 0, 0]
    expect(await codeOf(() => decodeFromOwner(Uint8Array.from(feed)))).toBe('ERR_CORRUPT')
  })

  test('shares no memory with the message', () => {
    const message = encodeAnswer(1, { type: 'value', value: Uint8Array.of(1, 2, 3) }).slice()
    const decoded = decodeFromOwner(message)
    message.fill(0)
    expect(plain(decoded)).toEqual({ id: 1, answer: { type: 'value', value: '010203' } })
  })

  test('of a failure has its code, and a message that is cut', () => {
    const message = encodeAnswer(1, { type: 'error', code: 'ERR_FAILED', message: 'x'.repeat(100_000) })
    const decoded = decodeFromOwner(message)
    if (!('answer' in decoded) || decoded.answer.type !== 'error') throw new Error('expected a failure')
    const error = errorOf(decoded.answer)
    expect([error.code, error.message.length]).toEqual(['ERR_FAILED', 2000])
    expect(errorOf({ type: 'error', code: 'ENOSPC', message: 'm' }).code).toBe('ERR_IO')
  })
})

test('noise is refused, or is a message that would be written so', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (noise) => {
      for (const [decode, encode] of [
        [decodeRequest, ({ id, request }: ReturnType<typeof decodeRequest>) => encodeRequest(id, request)],
      ] as const) {
        const code = await codeOf(() => decode(noise))
        if (code === 'no error') expect(Buffer.from(encode(decode(noise)))).toEqual(Buffer.from(noise))
        else expect(code).toBe('ERR_CORRUPT')
      }
    }),
    { numRuns: 500 },
  )
})
