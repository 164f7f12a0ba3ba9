import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, equal, toBase64url, utf8 } from '../../src/base/bytes'
import { createKeyringFile } from '../../src/crypto/data-keys'
import { mac, sha256 } from '../../src/crypto/derive'
import { readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import {
  type CheckpointFields,
  checkpointMacInput,
  decodeCheckpoint,
  encodeCheckpoint,
} from '../../src/format/checkpoint'
import { MAX_DATA_KEYS, MAX_KEYRING_BYTES, MAX_SLOTS, NONCE_BYTES, TAG_BYTES } from '../../src/format/constants'
import { decodeEnvelope, envelopeTag, RowContext, SetElement } from '../../src/format/envelope'
import { decodeHead, decodeSetHash, encodeHead, encodeSetHash, type Head } from '../../src/format/head'
import {
  decodeKeyringFile,
  encodeKeyringFile,
  type KeyringFile,
  type UnverifiedKeyringFile,
  WRAPPED_KEY_BYTES,
} from '../../src/format/keyring-file'
import {
  decodePayload,
  decodeRecord,
  encodePayload,
  encodeRecord,
  isPadded,
  pad,
  padmeLength,
  type StoredRecord,
  withoutPayload,
} from '../../src/format/record'
import { SecretStoreError, type SecretStoreErrorCode } from '../../src/index'
import { encodeEnvelope } from '../support/envelope'
import { formerToken } from '../support/former-checkpoint'

const safe = fc.maxSafeNat()
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((value) => value.isWellFormed())

/** Every string one bit, one byte at an end, or any number of bytes at the end, away from `encoding`. */
function* neighbours(encoding: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < encoding.length * 8; bit++) {
    const flipped = encoding.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    yield flipped
  }
  for (let length = 0; length < encoding.length; length++) yield encoding.slice(0, length)
  for (const tail of [0, 1, 255]) yield Uint8Array.of(...encoding, tail)
  yield Uint8Array.of(...encoding, ...encoding)
  yield Uint8Array.of(0, ...encoding)
}

/**
 * The hostile proof: whatever is near an encoding is refused with one of the two codes, or is itself what the encoder
 * writes for what was read. Returns how often each happened.
 */
function proveHostile(encoding: Uint8Array, decodeAndEncode: (near: Uint8Array) => Uint8Array): Record<string, number> {
  const outcomes: Record<string, number> = {}
  for (const near of neighbours(encoding)) {
    let outcome: string
    try {
      outcome = equal(decodeAndEncode(near), near) ? 'canonical' : 'another encoding of the same'
    } catch (error) {
      outcome = error instanceof SecretStoreError ? error.code : `uncoded ${String(error)}`
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  const allowed = ['canonical', 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION']
  expect(Object.keys(outcomes).filter((outcome) => !allowed.includes(outcome))).toEqual([])
  return outcomes
}

function codeOfSync(work: () => unknown): SecretStoreErrorCode | string {
  try {
    work()
    return 'no error'
  } catch (error) {
    return error instanceof SecretStoreError ? error.code : String(error)
  }
}

describe('envelope', () => {
  const envelope = fc.record({
    keyId: fc.integer({ min: 0, max: 0xffff_ffff }),
    sealed: fc.uint8Array({ minLength: NONCE_BYTES + TAG_BYTES, maxLength: 200 }),
  })

  test('decoding is the inverse of encoding', () => {
    fc.assert(
      fc.property(envelope, (value) => {
        expect(decodeEnvelope(encodeEnvelope(value))).toEqual(value)
      }),
    )
  })

  test('every neighbour is refused, or is canonical; another version is told apart from damage', () => {
    const encoding = encodeEnvelope({ keyId: 1, sealed: new Uint8Array(60).fill(9) })
    const outcomes = proveHostile(encoding, (near) => encodeEnvelope(decodeEnvelope(near)))
    // Eight flips of the version byte, and the one neighbour that begins with another byte.
    expect(outcomes['ERR_UNSUPPORTED_VERSION']).toBe(9)
    expect(outcomes['ERR_CORRUPT']).toBe(1 + 4 + NONCE_BYTES + TAG_BYTES)
  })

  test('arbitrary bytes are refused, or are canonical', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (near) => {
        const code = codeOfSync(() => expect(encodeEnvelope(decodeEnvelope(near))).toEqual(near))
        expect(['no error', 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION']).toContain(code)
      }),
    )
  })

  test('an element of the set hash is the row key, the header and the tag, whatever is between them', () => {
    fc.assert(
      fc.property(envelope, (value) => {
        const encoding = encodeEnvelope(value)
        const expected = [...encoding.slice(0, 29), ...encoding.slice(-TAG_BYTES)]
        const row = new Uint8Array(encoding.length % 300).fill(7)
        const element = [0, 0, row.length >> 8, row.length & 0xff, ...row, ...expected]
        expect([...new SetElement().of(row, encoding)]).toEqual(element)
        expect([...envelopeTag(encoding)]).toEqual(expected.slice(-TAG_BYTES))
      }),
    )
  })

  test('the context of a row is another one for every other store and row', () => {
    fc.assert(
      fc.property(bytes(16), fc.uint8Array({ maxLength: 40 }), bytes(16), fc.uint8Array({ maxLength: 40 }), (...of) => {
        const [store, row, otherStore, otherRow] = of
        const same = equal(store, otherStore) && equal(row, otherRow)
        expect(equal(new RowContext(store).of(row), new RowContext(otherStore).of(otherRow))).toBe(same)
      }),
    )
  })

  /** Around the usual length of a row key, for which there is room, and well beyond it, there and back. */
  const ROW_LENGTHS = [0, 1, 255, 256, 257, 300, 301, 600, 40, 5000, 3, 0]

  test('a context is version, store, length and row key, whatever it was used for before', () => {
    const storeId = new Uint8Array(16).fill(9)
    const used = new RowContext(storeId)
    for (const length of ROW_LENGTHS) {
      const row = new Uint8Array(length).fill(length)
      const expected = [1, ...storeId, 0, 0, length >> 8, length & 0xff, ...row]
      expect([...used.of(row)]).toEqual(expected)
      expect([...new RowContext(storeId).of(row)]).toEqual(expected)
    }
  })

  test('so is an element, for row keys of any length', () => {
    const used = new SetElement()
    const encoding = encodeEnvelope({ keyId: 5, sealed: Uint8Array.from({ length: 60 }, (_, n) => n) })
    for (const length of ROW_LENGTHS) {
      const row = new Uint8Array(length).fill(length)
      const expected = [
        0,
        0,
        length >> 8,
        length & 0xff,
        ...row,
        ...encoding.slice(0, 29),
        ...encoding.slice(-TAG_BYTES),
      ]
      expect([...used.of(row, encoding)]).toEqual(expected)
      expect([...new SetElement().of(row, encoding)]).toEqual(expected)
    }
  })
})

describe('record', () => {
  const payload = fc.oneof(
    fc.record({ type: fc.constant('text' as const), inline: text.map(utf8) }),
    fc.record({ type: fc.constant('bytes' as const), inline: fc.uint8Array({ minLength: 1, maxLength: 1024 }) }),
    fc.record({
      type: fc.constantFrom('text' as const, 'bytes' as const),
      lengthBytes: fc.integer({ min: 1, max: 0xffff_ffff }),
      tag: bytes(TAG_BYTES),
    }),
  )
  const scope = fc.oneof(
    fc.constant({ type: 'account' as const }),
    fc.record({ type: fc.constant('user' as const), user: text }),
  )
  const record: fc.Arbitrary<StoredRecord> = fc.record({
    id: fc.stringMatching(/^appsecret_[0-9A-Za-z]{24}$/),
    address: fc.record({
      partition: fc.record({ account: fc.option(text, { nil: undefined }), livemode: fc.boolean() }),
      scope,
      name: text,
    }),
    created: safe,
    expires_at: fc.option(safe, { nil: null }),
    revision: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    payload,
  })

  test('decoding is the inverse of encoding', () => {
    fc.assert(
      fc.property(record, (value) => {
        const encoding = encodeRecord(value)
        expect(encoding.length).toBe(padmeLength(encoding.length))
        expect(decodeRecord(encoding)).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  test('the longest name, user and account there can be fit', () => {
    const longest = '\u{1f600}'.repeat(5000)
    const value: StoredRecord = {
      id: 'appsecret_00000000000000000000000x',
      address: {
        partition: { account: longest, livemode: true },
        scope: { type: 'user', user: longest },
        name: longest,
      },
      created: Number.MAX_SAFE_INTEGER,
      expires_at: Number.MAX_SAFE_INTEGER,
      revision: Number.MAX_SAFE_INTEGER,
      payload: { type: 'bytes', inline: new Uint8Array(1024).fill(255) },
    }
    expect(decodeRecord(encodeRecord(value))).toEqual(value)
  })

  const examples: readonly StoredRecord[] = [
    {
      id: 'appsecret_00000000000000000000000A',
      address: { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name: 'n' },
      created: 1,
      expires_at: null,
      revision: 2,
      payload: { type: 'text', inline: utf8('p') },
    },
    {
      id: 'appsecret_00000000000000000000000B',
      address: {
        partition: { account: 'acct_é', livemode: true },
        scope: { type: 'user', user: 'usr_\u{1f600}' },
        name: 'long name '.repeat(9),
      },
      created: 1_700_000_000,
      expires_at: 1_800_000_000,
      revision: 2 ** 40,
      payload: { type: 'bytes', lengthBytes: 5000, tag: new Uint8Array(TAG_BYTES).fill(0xab) },
    },
  ]

  test.each(examples)('every neighbour of $id is refused, or is canonical', (value) => {
    proveHostile(encodeRecord(value), (near) => encodeRecord(decodeRecord(near)))
  })

  test('without its payload is the same record, and says of a payload row what it vouches for', () => {
    fc.assert(
      fc.property(record, (value) => {
        const { payload, ...rest } = value
        const { type } = payload
        const kept = 'tag' in payload ? { type, lengthBytes: payload.lengthBytes, tag: payload.tag } : { type }
        expect(withoutPayload(value)).toEqual({ ...rest, payload: kept })
      }),
    )
  })

  test('without its payload keeps nothing of the plaintext, which is overwritten', () => {
    const plaintext = encodeRecord(examples[1] as StoredRecord).slice()
    const kept = withoutPayload(decodeRecord(plaintext))
    plaintext.fill(0)
    expect(kept).toEqual(examples[1])
    const address = { ...kept.address, name: 'other' }
    expect(withoutPayload(kept, address)).toEqual({ ...examples[1], address })
  })

  test('arbitrary bytes are refused, or are canonical', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (near) => {
        const code = codeOfSync(() => expect(encodeRecord(decodeRecord(near))).toEqual(near))
        expect(['no error', 'ERR_CORRUPT']).toContain(code)
      }),
    )
  })
})

describe('payload', () => {
  test('decoding is the inverse of encoding, and needs the right length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (value) => {
        const encoding = encodePayload(value)
        expect(decodePayload(encoding, value.length)).toEqual(value)
        expect(codeOfSync(() => decodePayload(encoding, encoding.length + 1))).toBe('ERR_CORRUPT')
      }),
    )
  })

  test('every neighbour is refused, or is canonical', () => {
    const value = Uint8Array.from({ length: 130 }, (_, index) => 255 - index)
    proveHostile(encodePayload(value), (near) => encodePayload(decodePayload(near, value.length)))
  })
})

describe('head', () => {
  const created: fc.Arbitrary<Head> = fc.record({
    sequence: safe,
    count: safe,
    superseded: safe,
    setHash: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  })
  const mark = fc.record({ generation: fc.maxSafeNat().map((n) => Math.max(1, n)), mac: bytes(32) })
  const changed: fc.Arbitrary<Head> = fc.tuple(created, mark).map(([head, keyring]) => ({ ...head, keyring }))

  test.each([
    ['a keyring.json as it was created', created, 56],
    ['one that has replaced another', changed, 96],
  ])('of %s: decoding is the inverse of encoding', (_, head, length) => {
    fc.assert(
      fc.property(head, (value) => {
        const encoding = encodeHead(value)
        expect(encoding.length).toBe(length)
        expect(decodeHead(encoding)).toEqual(value)
      }),
    )
  })

  const example: Head = { sequence: 3, count: 2, superseded: 1, setHash: 2n ** 255n + 1n }
  const changedExample: Head = { ...example, keyring: { generation: 1, mac: new Uint8Array(32).fill(7) } }

  test.each([[example], [changedExample]])('every neighbour is refused, or is canonical', (value) => {
    proveHostile(encodeHead(value), (near) => encodeHead(decodeHead(near)))
  })

  test('of another length is refused as such', async () => {
    for (const length of [0, 55, 57, 64, 95]) {
      const expected = `head: expected 56 bytes, or 96 and more, got ${length}`
      expect(() => decodeHead(new Uint8Array(length).fill(1))).toThrow(expected)
    }
  })

  test('of a later version may have fields that this one passes over, or says it does not know', () => {
    const head = encodeHead(changedExample)
    const outcome = (...fields: number[]): string =>
      codeOfSync(() => expect(decodeHead(concat(head, Uint8Array.from(fields)))).toEqual(changedExample))
    for (const fields of [
      [0x80, 0, 0],
      [0x80, 0, 1, 7, 0xff, 0, 2, 1, 2],
    ])
      expect(outcome(...fields)).toBe('no error')
    for (const fields of [
      [1, 0, 0],
      [0x7f, 0, 1, 9],
      [1, 0, 9],
    ])
      expect(outcome(...fields)).toBe('ERR_UNSUPPORTED_VERSION')
    for (const fields of [
      [0x80],
      [0x80, 0],
      [0x80, 0, 1],
      [0x81, 0, 0, 0x80, 0, 0],
      [0x80, 0, 0, 0x80, 0, 0],
      [0, 0, 0],
    ]) {
      expect([fields, outcome(...fields)]).toEqual([fields, 'ERR_CORRUPT'])
    }
  })

  test('a number above 2^53 - 1, and a keyring.json of no generation, are refused as corrupt', () => {
    for (const offset of [0, 8, 16, 56]) {
      const encoding = encodeHead(changedExample)
      encoding[offset] = 1
      expect(codeOfSync(() => decodeHead(encoding))).toBe('ERR_CORRUPT')
    }
    const none = encodeHead({ ...example, keyring: { generation: 0, mac: new Uint8Array(32) } })
    expect(codeOfSync(() => decodeHead(none))).toBe('ERR_CORRUPT')
  })

  test('what is read keeps nothing of the plaintext, which is overwritten', () => {
    const plaintext = encodeHead(changedExample)
    const read = decodeHead(plaintext)
    plaintext.fill(0)
    expect(read).toEqual(changedExample)
  })

  test('a set hash is a number of 32 bytes, the most significant first', () => {
    expect(encodeSetHash(258n)).toEqual(Uint8Array.of(...new Array(30).fill(0), 1, 2))
    fc.assert(
      fc.property(bytes(32), (value) => {
        expect(encodeSetHash(decodeSetHash(value))).toEqual(value)
        expect(decodeSetHash(value)).toBe(BigInt(`0x${Buffer.from(value).toString('hex')}`))
      }),
    )
  })
})

describe('checkpoint', () => {
  const fields: fc.Arbitrary<CheckpointFields> = fc.record({
    storeId: bytes(16),
    rootId: bytes(32),
    generation: safe,
    sequence: safe,
    state: bytes(32),
  })
  const tokenOf = (given: CheckpointFields, mac: Uint8Array): string => encodeCheckpoint(checkpointMacInput(given), mac)
  const some = { storeId: new Uint8Array(16).fill(1), sequence: 5, mac: new Uint8Array(32).fill(2) }
  const rooted = { ...some, rootId: new Uint8Array(32).fill(3), generation: 1, state: new Uint8Array(32).fill(4) }

  test('decoding is the inverse of encoding', () => {
    fc.assert(
      fc.property(fields, bytes(32), (value, mac) => {
        const token = tokenOf(value, mac)
        expect(token).toMatch(/^[\w-]{172}$/)
        expect(decodeCheckpoint(token)).toEqual({ version: 2, ...value, macInput: checkpointMacInput(value), mac })
      }),
    )
    expect(decodeCheckpoint(formerToken(some))).toEqual({ version: 1, ...some })
  })

  test('every neighbour is no token, or is canonical', () => {
    for (const token of [formerToken(some), tokenOf(rooted, some.mac)]) {
      let refused = 0
      for (const near of neighbours(utf8(token))) {
        const text = String.fromCharCode(...near)
        const decoded = decodeCheckpoint(text)
        if (decoded === undefined) refused++
        else expect(decoded.version === 1 ? formerToken(decoded) : tokenOf(decoded, decoded.mac)).toBe(text)
      }
      expect(refused).toBeGreaterThan(76)
    }
  })

  test('another version, and a sequence above 2^53 - 1, are no tokens', () => {
    const token = formerToken({ storeId: new Uint8Array(16), sequence: 5, mac: new Uint8Array(32) })
    const raw = Buffer.from(token, 'base64url')
    for (const version of [0, 2, 3]) {
      raw[0] = version
      expect(decodeCheckpoint(raw.toString('base64url'))).toBeUndefined()
    }
    raw[0] = 1
    raw[17] = 0x80
    expect(decodeCheckpoint(raw.toString('base64url'))).toBeUndefined()
    for (const nothing of ['', '=', 'AQ', 'é', ' ', `${token}=`, ` ${token}`, token.slice(4)]) {
      expect(decodeCheckpoint(nothing)).toBeUndefined()
    }
  })
})

describe('padding', () => {
  /** PURBs, PoPETs 2019, §4, algorithm 1, in integers alone: the paper's own E, S and mask. */
  function paperLength(length: bigint): bigint {
    if (length < 2n) return length
    const floorLog2 = (value: bigint): bigint => BigInt(value.toString(2).length - 1)
    const e = floorLog2(length)
    const s = floorLog2(e) + 1n
    const mask = (1n << (e > s ? e - s : 0n)) - 1n
    return (length + mask) & ~mask
  }

  test('lengths are the ones of the paper', () => {
    // Worked out by hand: 9 = 1001b has E = 3 and S = 2, so its last bit is rounded up.
    const table = [0, 0, 1, 1, 2, 2, 3, 3, 7, 7, 8, 8, 9, 10, 15, 16, 16, 16, 17, 18, 100, 104, 1000, 1024, 1025, 1088]
    for (let i = 0; i < table.length; i += 2) {
      expect([table[i], padmeLength(table[i] as number)]).toEqual([table[i], table[i + 1]])
    }
    for (let length = 0; length < 70_000; length++) {
      if (padmeLength(length) !== Number(paperLength(BigInt(length)))) expect.unreachable(`length ${length}`)
    }
    for (let exponent = 16; exponent <= 32; exponent++) {
      for (const near of [-2, -1, 0, 1, 2]) {
        const length = 2 ** exponent + near
        expect(padmeLength(length)).toBe(Number(paperLength(BigInt(length))))
      }
    }
  })

  test('padding adds at most 12 %, and padding again adds nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (length) => {
        const padded = padmeLength(length)
        expect(padded).toBeGreaterThanOrEqual(length)
        expect(padded).toBeLessThanOrEqual(length * 1.12)
        expect(padmeLength(padded)).toBe(padded)
      }),
    )
  })

  test('only zeros, and only as many as it takes, are padding', () => {
    const content = new Uint8Array(100).fill(1)
    const padded = pad(content)
    expect(padded.length).toBe(104)
    expect(padded.subarray(0, 100)).toEqual(content)
    expect(pad(padded)).toBe(padded)
    expect(isPadded(padded, 100)).toBe(true)
    expect(isPadded(padded, 99)).toBe(false)
    expect(isPadded(padded.subarray(0, 103), 100)).toBe(false)
    expect(isPadded(Uint8Array.of(...padded, 0), 100)).toBe(false)
    padded[103] = 1
    expect(isPadded(padded, 100)).toBe(false)
  })
})

describe('keyring.json', () => {
  const rootKey = new Uint8Array(32).fill(3)
  const storeId = new Uint8Array(16).fill(4)
  let counter = 0
  const random = (length: number): Uint8Array => new Uint8Array(length).fill(++counter)

  const slot = {
    id: new Uint8Array(8).fill(5),
    kind: 'raw-key',
    label: 'a "label" é',
    created: 1_700_000_000,
    params: { commitment: 'x', N: 5 },
  }
  const example: KeyringFile = createKeyringFile(
    rootKey,
    { storeId, created: 1_700_000_000, names: 'plain', slots: [slot] },
    random,
  )
  const exampleBytes = sealKeyringFile(example, rootKey)

  /** The file again, from what was read of it. */
  function encodeAgain({ file, mac: found }: UnverifiedKeyringFile): Uint8Array {
    return encodeKeyringFile(file, sha256, () => found)
  }

  /** The file with `change` made to its JSON, under a right checksum and a right MAC, as only the key holder can make it. */
  function forged(change: (json: Record<string, unknown>) => unknown): Uint8Array {
    const { sha256: _, mac: __, ...json } = JSON.parse(new TextDecoder().decode(exampleBytes))
    const changed = change(json) ?? json
    return closed(JSON.stringify(changed, null, 2).replace(/\n?\}$/, ''))
  }

  function closed(body: string): Uint8Array {
    const checked = `${body},\n  "sha256": "${toBase64url(sha256(utf8(body)))}"`
    const macOfFile = toBase64url(mac(new Uint8Array(32), utf8(checked)))
    return utf8(`${checked},\n  "mac": "${macOfFile}"\n}\n`)
  }

  const refusal = (change: (json: Record<string, unknown>) => unknown): string =>
    codeOfSync(() => readKeyringFile(forged(change)))

  const createdFile: fc.Arbitrary<KeyringFile> = fc.record({
    storeId: bytes(16),
    created: safe,
    names: fc.constantFrom('plain' as const, 'sealed' as const),
    slots: fc.uniqueArray(
      fc.record({
        id: bytes(8),
        kind: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
        label: fc.option(fc.string({ unit: 'binary' }), { nil: null }),
        created: safe,
        params: fc.dictionary(
          fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__'),
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
          ),
          { noNullPrototype: true },
        ),
      }),
      { minLength: 1, maxLength: 4, selector: ({ id }) => toBase64url(id) },
    ),
    // In the order of their ids, as a keyring keeps them.
    keys: fc
      .uniqueArray(
        fc.record({ id: fc.integer({ min: 1, max: 0xffff_ffff }), created: safe, wrapped: bytes(WRAPPED_KEY_BYTES) }),
        { minLength: 1, maxLength: 4, selector: ({ id }) => id },
      )
      .map((keys) => keys.sort((a, b) => a.id - b.id)),
    indexKey: bytes(WRAPPED_KEY_BYTES),
  })
  const change = fc.record({ generation: fc.maxSafeNat().map((n) => Math.max(1, n)), sequence: safe })
  const lineage = fc.record({
    ownSums: fc.integer({ min: 2, max: 0xffff_ffff }),
    sealed: fc.integer({ min: 1, max: 3 }).chain((roots) => bytes(40 + 32 * roots)),
  })
  const keyringFile: fc.Arbitrary<KeyringFile> = fc.oneof(
    createdFile,
    fc.tuple(createdFile, change).map(([file, change]) => ({ ...file, change })),
    fc.tuple(createdFile, change, lineage).map(([file, change, lineage]) => ({ ...file, change, lineage })),
  )

  test('decoding is the inverse of encoding', () => {
    fc.assert(
      fc.property(keyringFile, bytes(32), (file, macKey) => {
        const encoding = encodeKeyringFile(file, sha256, (input) => mac(macKey, input))
        const decoded = decodeKeyringFile(encoding, sha256)
        expect(decoded.file).toEqual(file)
        expect('change' in decoded.file).toBe('change' in file)
        expect(decoded.mac).toEqual(mac(macKey, decoded.macInput))
        expect(encodeAgain(decoded)).toEqual(encoding)
      }),
    )
  })

  test('verifying is the inverse of sealing, and needs the root key', () => {
    const unverified = readKeyringFile(exampleBytes)
    expect(verifyKeyringFile(unverified, rootKey)).toEqual(example)
    expect(codeOfSync(() => verifyKeyringFile(unverified, new Uint8Array(32)))).toBe('ERR_CORRUPT')
  })

  test('every neighbour is refused as corrupt, or is canonical and has another MAC', () => {
    const outcomes = proveHostile(exampleBytes, (near) => encodeAgain(readKeyringFile(near)))
    expect(outcomes['ERR_UNSUPPORTED_VERSION']).toBeUndefined()
  })

  test('with the root key every neighbour is refused as corrupt', () => {
    for (const near of neighbours(exampleBytes)) {
      if (codeOfSync(() => verifyKeyringFile(readKeyringFile(near), rootKey)) !== 'ERR_CORRUPT') {
        expect.unreachable(`accepted: ${new TextDecoder().decode(near)}`)
      }
    }
  })

  test('the forgery that changes nothing is read, so that the others are refused for what they change', () => {
    expect(refusal(() => undefined)).toBe('no error')
    expect(readKeyringFile(forged(() => undefined)).file).toEqual(example)
  })

  test('an unknown version is ERR_UNSUPPORTED_VERSION, whatever else is in the file and however it is closed', () => {
    for (const version of [0, 4, 77, -1]) {
      expect(refusal((json) => ({ ...json, version }))).toBe('ERR_UNSUPPORTED_VERSION')
      expect(refusal(({ format }) => ({ format, version, novelty: [] }))).toBe('ERR_UNSUPPORTED_VERSION')
      const openEnded = utf8(JSON.stringify({ format: 'secret-store', version }))
      expect(codeOfSync(() => readKeyringFile(openEnded))).toBe('ERR_UNSUPPORTED_VERSION')
    }
    for (const version of ['1', null, 1.5, 2 ** 60, true, [1], undefined]) {
      expect(refusal((json) => ({ ...json, version }))).toBe('ERR_CORRUPT')
    }
    for (const other of [
      '{}',
      'null',
      '1',
      '[]',
      '',
      '{"format":"x","version":2}',
      '{"format":"x","version":77}',
      '{"version":77}',
      '{"format":',
    ]) {
      expect(codeOfSync(() => readKeyringFile(utf8(other)))).toBe('ERR_CORRUPT')
    }
  })

  test('unknown, missing and misplaced fields are refused', () => {
    const first = (list: unknown): Record<string, unknown> => (list as Record<string, unknown>[])[0] ?? {}
    expect(refusal((json) => ({ ...json, extra: 1 }))).toBe('ERR_CORRUPT')
    expect(refusal((json) => ({ ...json, slots: [{ ...first(json['slots']), extra: 1 }] }))).toBe('ERR_CORRUPT')
    expect(refusal((json) => ({ ...json, keys: [{ ...first(json['keys']), extra: 1 }] }))).toBe('ERR_CORRUPT')
    for (const name of ['format', 'store', 'created', 'names', 'slots', 'keys', 'indexKey']) {
      expect(refusal(({ [name]: _, ...json }) => json)).toBe('ERR_CORRUPT')
      expect(refusal(({ [name]: value, ...json }) => ({ ...json, [`${name}x`]: value }))).toBe('ERR_CORRUPT')
    }
    for (const name of ['id', 'kind', 'label', 'created', 'params']) {
      const without = ({ [name]: _, ...rest }: Record<string, unknown>): unknown => rest
      expect(refusal((json) => ({ ...json, slots: [without(first(json['slots']))] }))).toBe('ERR_CORRUPT')
    }
    for (const name of ['id', 'created', 'wrapped']) {
      const without = ({ [name]: _, ...rest }: Record<string, unknown>): unknown => rest
      expect(refusal((json) => ({ ...json, keys: [without(first(json['keys']))] }))).toBe('ERR_CORRUPT')
    }
  })

  test('a field of another type, length or range is refused', () => {
    const short = toBase64url(new Uint8Array(7))
    const bad: Record<string, readonly unknown[]> = {
      format: ['secret-stor', 1, null],
      store: [short, '', 1, null, `${toBase64url(storeId)}=`],
      created: [-1, 1.5, 2 ** 53, '1', null],
      names: ['Plain', '', null, 1],
      slots: [[], {}, null, [null], [[]], 'x', new Array(MAX_SLOTS + 1).fill(null)],
      keys: [[], {}, null, [null], [[]], 'x'],
      indexKey: [short, null, {}],
    }
    for (const [name, values] of Object.entries(bad)) {
      for (const value of values) expect(refusal((json) => ({ ...json, [name]: value }))).toBe('ERR_CORRUPT')
    }
    const badSlot: Record<string, readonly unknown[]> = {
      id: [short, 1, null],
      kind: ['', 'Raw', '1x', '-x', 'a b', 'a\n', 'x'.repeat(65), 1, null],
      label: [1, {}, undefined],
      created: [-1, '1', null],
      params: [null, [], 'x', 1, { x: 1.5 }, { x: null }, { x: {} }, { x: true }, { x: 2 ** 53 }],
    }
    for (const [name, values] of Object.entries(badSlot)) {
      for (const value of values) {
        const slots = (json: Record<string, unknown>): unknown[] => [
          { ...(json['slots'] as object[])[0], [name]: value },
        ]
        expect([name, value, refusal((json) => ({ ...json, slots: slots(json) }))]).toEqual([
          name,
          value,
          'ERR_CORRUPT',
        ])
      }
    }
    const badKey: Record<string, readonly unknown[]> = {
      id: [0, -1, 2 ** 32, 1.5, '1', null],
      created: [-1, null],
      wrapped: [short, null],
    }
    for (const [name, values] of Object.entries(badKey)) {
      for (const value of values) {
        const keys = (json: Record<string, unknown>): unknown[] => [{ ...(json['keys'] as object[])[0], [name]: value }]
        expect(refusal((json) => ({ ...json, keys: keys(json) }))).toBe('ERR_CORRUPT')
      }
    }
    expect(codeOfSync(() => readKeyringFile(closed('[1')))).toBe('ERR_CORRUPT')
    expect(codeOfSync(() => readKeyringFile(closed('{"format": "secret-store"')))).toBe('ERR_CORRUPT')
  })

  test('one that has replaced another says how often, and since when; one as it was created says neither', () => {
    const changed = (fields: object) => (json: Record<string, unknown>) => {
      const { format, store, created, names, slots, keys, indexKey } = json
      return { format, version: 2, store, created, names, ...fields, slots, keys, indexKey }
    }
    const read = readKeyringFile(forged(changed({ generation: 1, sequence: 0 })))
    expect(read.file).toEqual({ ...example, change: { generation: 1, sequence: 0 } })
    for (const fields of [
      {},
      { generation: 1 },
      { sequence: 0 },
      { generation: 0, sequence: 0 },
      { generation: 1.5, sequence: 0 },
      { generation: '1', sequence: 0 },
      { generation: 1, sequence: -1 },
      { generation: 1, sequence: null },
    ]) {
      expect([fields, refusal(changed(fields))]).toEqual([fields, 'ERR_CORRUPT'])
    }
    expect(refusal((json) => ({ ...json, generation: 1, sequence: 0 }))).toBe('ERR_CORRUPT')
    const forging = (fields: object) => () => readKeyringFile(forged(changed(fields)))
    expect(forging({ generation: 0, sequence: 0 })).toThrow('generation: expected an integer from 1 ')
    expect(forging({ generation: 1, sequence: -1 })).toThrow('sequence: expected an integer from 0 ')
  })

  test('version 3 has features, which a reader must know, and what they bring, of a right shape', () => {
    const sealed = toBase64url(new Uint8Array(72).fill(9))
    const whole = { features: ['lineage'], ownSums: 2, lineage: sealed, generation: 1, sequence: 0 }
    const of = (fields: object) => (json: Record<string, unknown>) => {
      const { format, store, created, names, slots, keys, indexKey } = json
      const { features, ownSums, lineage: sealed, generation, sequence } = { ...whole, ...fields } as typeof whole
      const before = { format, version: 3, store, created, names, generation, sequence, features, ownSums }
      return { ...before, lineage: sealed, slots, keys, indexKey }
    }
    const { file } = readKeyringFile(forged(of({})))
    expect(file).toEqual({
      ...example,
      change: { generation: 1, sequence: 0 },
      lineage: { ownSums: 2, sealed: new Uint8Array(72).fill(9) },
    })
    for (const features of [['later'], ['lineage', 'later'], ['a', 'lineage'], ['later', 'later']]) {
      expect([features, refusal(of({ features }))]).toEqual([features, 'ERR_UNSUPPORTED_VERSION'])
    }
    for (const features of [undefined, null, 'lineage', {}, [], [1], ['Lineage'], [''], ['lineage', 'lineage']]) {
      expect([features, refusal(of({ features }))]).toEqual([features, 'ERR_CORRUPT'])
    }
    const bytesOf = (length: number): string => toBase64url(new Uint8Array(length))
    for (const fields of [
      ...[undefined, 0, 1, 1.5, '2', 2 ** 32].map((ownSums) => ({ ownSums })),
      ...[undefined, '', sealed.slice(1), `${sealed}=`].map((lineage) => ({ lineage })),
      ...[0, 40, 71, 73, 103, 40 + 32 * 257].map((length) => ({ lineage: bytesOf(length) })),
      { generation: 0 },
      { generation: undefined },
      { sequence: -1 },
    ]) {
      expect([fields, refusal(of(fields))]).toEqual([fields, 'ERR_CORRUPT'])
    }
    expect(refusal(of({ lineage: bytesOf(40 + 32 * 256) }))).toBe('no error')
  })

  test('a file that would be too large to be read is not made', () => {
    const { label: _, ...rest } = slot
    const sized = (length: number): Uint8Array =>
      encodeKeyringFile({ ...example, slots: [{ ...rest, label: 'x'.repeat(length) }] }, sha256, sha256)
    const most = MAX_KEYRING_BYTES - sized(0).length
    expect(sized(most).length).toBe(MAX_KEYRING_BYTES)
    expect(() => sized(most + 1)).toThrow(RangeError)
  })

  test('bytes that are no text are told from text that is damaged', () => {
    expect(() => readKeyringFile(Uint8Array.of(0xff))).toThrow('keyring.json: expected UTF-8, got other bytes')
    expect(() => readKeyringFile(utf8('x'))).toThrow('keyring.json: expected a checksum and a MAC at its end, got none')
  })

  test('a refusal says which field is wrong, and how', () => {
    const first = (json: Record<string, unknown>, list: string): object => (json[list] as object[])[0] as object
    const of = (name: string, value: unknown) => (json: Record<string, unknown>) => ({ ...json, [name]: value })
    const ofSlot = (name: string, value: unknown) => (json: Record<string, unknown>) =>
      of('slots', [{ ...first(json, 'slots'), [name]: value }])(json)
    const ofKey = (name: string, value: unknown) => (json: Record<string, unknown>) =>
      of('keys', [{ ...first(json, 'keys'), [name]: value }])(json)
    const refusals: readonly [(json: Record<string, unknown>) => unknown, string][] = [
      [of('version', 4), 'keyring.json: expected format version 1, 2 or 3, got 4'],
      [of('extra', 1), 'keyring.json: expected the fields format, version, store, created, names, slots, keys, '],
      [({ created, ...json }) => ({ ...json, made: created }), 'keyring.json: expected the fields '],
      [of('store', ''), 'store: expected 16 bytes in base64url, '],
      [of('created', -1), 'created: expected an integer from 0 to 9007199254740991, '],
      [of('slots', []), 'slots: expected a list of 1 to 32, '],
      [of('keys', []), 'keys: expected a list of 1 to 1024, '],
      [of('indexKey', ''), 'indexKey: expected 72 bytes in base64url, '],
      [of('slots', ['x']), 'slot: expected an object, '],
      [of('slots', [null]), 'slot: expected an object, '],
      [of('slots', [['x']]), 'slot: expected an object, '],
      [of('slots', [{}]), 'slot: expected the fields id, kind, label, created, params, '],
      [ofSlot('id', ''), 'slot id: expected 8 bytes in base64url, '],
      [ofSlot('created', -1), 'slot created: expected an integer from 0 '],
      [of('keys', [1]), 'key: expected an object, '],
      [of('keys', [{}]), 'key: expected the fields id, created, wrapped, '],
      [ofKey('id', 0), 'key id: expected an integer from 1 to 4294967295, '],
      [ofKey('created', -1), 'key created: expected an integer from 0 '],
      [ofKey('wrapped', ''), 'key wrapped: expected 72 bytes in base64url, '],
    ]
    for (const [change, message] of refusals) expect(() => readKeyringFile(forged(change))).toThrow(message)
    expect(() => readKeyringFile(closed('{"format": "secret-store"'))).toThrow('version: expected an integer, ')
    expect(() => readKeyringFile(closed('[1'))).toThrow('keyring.json: expected JSON, ')
    const shortMac = utf8(
      new TextDecoder().decode(exampleBytes).replace(/"mac": "[^"]{42}./, `${'"mac": "'.padEnd(50, 'A')}B`),
    )
    expect(() => readKeyringFile(shortMac)).toThrow('mac: expected 32 bytes in base64url, ')
  })

  test('duplicate ids are refused, of slots and of keys', () => {
    const twice = (name: 'slots' | 'keys'): string =>
      refusal((json) => {
        const list = json[name] as unknown[]
        return { ...json, [name]: [...list, ...list] }
      })
    expect(twice('slots')).toBe('ERR_CORRUPT')
    expect(twice('keys')).toBe('ERR_CORRUPT')
  })

  test('keys that are not in the order of their ids are refused', () => {
    const wrapped = toBase64url(new Uint8Array(WRAPPED_KEY_BYTES))
    const keys = (...ids: readonly number[]): unknown[] => ids.map((id) => ({ id, created: 0, wrapped }))
    expect(refusal((json) => ({ ...json, keys: keys(1, 5, 6) }))).toBe('no error')
    for (const ids of [keys(2, 1), keys(1, 3, 2), keys(5, 1, 6)]) {
      expect(refusal((json) => ({ ...json, keys: ids }))).toBe('ERR_CORRUPT')
    }
  })

  test('as many slots and keys as there may be are read, one more is refused', () => {
    const slots = (count: number): unknown[] =>
      Array.from({ length: count }, (_, n) => ({ ...slot, id: toBase64url(new Uint8Array(8).fill(n)) }))
    expect(refusal((json) => ({ ...json, slots: slots(MAX_SLOTS) }))).toBe('no error')
    expect(refusal((json) => ({ ...json, slots: slots(MAX_SLOTS + 1) }))).toBe('ERR_CORRUPT')
    const wrapped = toBase64url(new Uint8Array(WRAPPED_KEY_BYTES))
    const keys = (count: number): unknown[] =>
      Array.from({ length: count }, (_, n) => ({ id: n + 1, created: 0, wrapped }))
    expect(refusal((json) => ({ ...json, keys: keys(MAX_DATA_KEYS) }))).toBe('no error')
    expect(refusal((json) => ({ ...json, keys: keys(MAX_DATA_KEYS + 1) }))).toBe('ERR_CORRUPT')
  })

  test('a file of the largest size is read, a larger one is refused', () => {
    const sized = (length: number): Uint8Array => {
      const grown = (size: number): Uint8Array =>
        forged((json) => ({ ...json, slots: [{ ...(json['slots'] as object[])[0], label: 'x'.repeat(size) }] }))
      return grown(length - grown(0).length)
    }
    expect(sized(MAX_KEYRING_BYTES).length).toBe(MAX_KEYRING_BYTES)
    expect(codeOfSync(() => readKeyringFile(sized(MAX_KEYRING_BYTES)))).toBe('no error')
    expect(codeOfSync(() => readKeyringFile(sized(MAX_KEYRING_BYTES + 1)))).toBe('ERR_CORRUPT')
  })

  test('arbitrary bytes and arbitrary JSON are refused as corrupt', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.json(), (near, json) => {
        expect(codeOfSync(() => readKeyringFile(near))).toBe('ERR_CORRUPT')
        expect(codeOfSync(() => readKeyringFile(utf8(json)))).toBe('ERR_CORRUPT')
        expect(codeOfSync(() => readKeyringFile(closed(json.slice(0, -1))))).toBe('ERR_CORRUPT')
      }),
    )
  })
})
