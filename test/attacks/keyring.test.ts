import { execFileSync } from 'node:child_process'
import { mkdir, open, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { argon2idAsync } from '@noble/hashes/argon2.js'
import { describe, expect, test, vi } from 'vitest'
import { concat, fromBase64url, fromUtf8, toBase64url, utf8 } from '../../src/base/bytes'
import { derive } from '../../src/crypto/derive'
import { stretch } from '../../src/crypto/kdf'
import { Keyring, readKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import { systemRandom } from '../../src/crypto/random'
import { open as openSealed } from '../../src/crypto/seal'
import { wrapRootKey } from '../../src/crypto/slot'
import { LABEL } from '../../src/format/constants'
import { decodeEnvelope, RowContext } from '../../src/format/envelope'
import { EMPTY_HEAD, encodeHead } from '../../src/format/head'
import {
  account,
  generateRecoveryCode,
  type KeyProvider,
  passphrase,
  rawKey,
  recoveryCode,
  type SecretStore,
  SecretStoreError,
} from '../../src/index'
import { findSlot } from '../../src/keys/unlock'
import { nativeScrypt } from '../../src/platform/scrypt'
import { HEAD_ROW } from '../../src/storage/keyspace'
import { LevelEngine } from '../../src/storage/level/engine'
import { writeTo } from '../support/engine-writes'
import { encodeEnvelope } from '../support/envelope'
import { everyFew } from '../support/lengths'
import { codeOf, copyStore, directoryDigest, filesOf, newLocation, openStore, testKey } from '../support/stores'
import {
  attack,
  collide,
  expectOpens,
  expectUnharmed,
  flipped,
  forEachOf,
  type KeyringJson,
  keyringPath,
  leakyKey,
  naive,
  outcomeOf,
  PAYLOAD,
  range,
  readJson,
  refusal,
  resummed,
  resummedText,
  SECRET,
  type SlotJson,
  signed,
  type Victim,
  victimAt,
} from '../support/tamper'
import { turnOfLoop } from '../support/waiting'

// The real ones, with their calls counted: the bounds must hold before any work is done.
vi.mock('../../src/platform/scrypt', { spy: true })
vi.mock('@noble/hashes/argon2.js', { spy: true })

/** The least scrypt takes. */
const CHEAP = { N: 16_384 }

/** A closed store with one secret in it, and then what `change` does. */
async function newVictim(key: KeyProvider, change?: (store: SecretStore) => Promise<unknown>): Promise<Victim> {
  const location = await newLocation()
  const store = await openStore(location, { key })
  await store.set({ ...SECRET, payload: PAYLOAD })
  await change?.(store)
  await store.close()
  return victimAt(location)
}

/** Begins a rotation and stops it, so that there are two data keys. */
async function rotateHalfway(store: SecretStore): Promise<void> {
  const stopped = new AbortController()
  const onProgress = (): void => stopped.abort(new Error('stopped'))
  await expect(store.rotate({ onProgress, signal: stopped.signal })).rejects.toThrow('stopped')
}

describe('bit by bit', () => {
  async function expectEveryFlipRefused(victim: Victim): Promise<void> {
    const lanes = [victim]
    while (lanes.length < 4) {
      const location = await newLocation()
      await copyStore(victim.location, location)
      lanes.push({ ...victim, location })
    }
    const codes = new Map<string, number[]>()
    await forEachOf(everyFew(range(victim.keyring.length * 8), 37), lanes.length, async (bit, lane) => {
      const code = await attack(lanes[lane] as Victim, flipped(victim.keyring, bit), testKey())
      codes.set(code, [...(codes.get(code) ?? []), bit].slice(-10))
    })
    expect([...codes.keys()], JSON.stringify([...codes])).toEqual(['ERR_CORRUPT'])
    for (const lane of lanes) await expectUnharmed(lane, testKey())
  }

  test('any bit flipped in the file that a store is created with is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey())
    expect(readJson(victim.keyring).version).toBe(1)
    await expectEveryFlipRefused(victim)
  })

  test('any bit flipped in a file that has replaced it is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey(), (store) => store.addKey(testKey(8)))
    expect(readJson(victim.keyring).version).toBe(2)
    await expectEveryFlipRefused(victim)
  })

  test('cut off at any length, down to nothing, it is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey(), (store) => store.addKey(testKey(8)))
    for (const length of everyFew(range(victim.keyring.length), 13)) {
      const code = await attack(victim, victim.keyring.subarray(0, length), testKey())
      if (code !== 'ERR_CORRUPT') expect.unreachable(`${length} bytes: ${code}`)
    }
    await expectUnharmed(victim, testKey())
  })

  test('anything before or behind it is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey())
    for (const more of ['\n', ' ', '\0', '{}', '\ufeff', fromUtf8(victim.keyring)]) {
      expect([more, await attack(victim, concat(victim.keyring, utf8(more)), testKey())]).toEqual([more, 'ERR_CORRUPT'])
      expect([more, await attack(victim, concat(utf8(more), victim.keyring), testKey())]).toEqual([more, 'ERR_CORRUPT'])
    }
    await expectUnharmed(victim, testKey())
  })
})

describe('what is no keyring.json', () => {
  test('more than 256 KiB is ERR_CORRUPT, however it is filled, and is not read to its end', async () => {
    const key = leakyKey(7)
    const victim = await newVictim(key)
    // Genuine in every part but its length.
    const long = signed(
      victim.keyring,
      ({ slots }) => Object.assign(slots[0] as SlotJson, { label: 'x'.repeat(262_144) }),
      key.rootKeys[0] as Uint8Array,
    )
    expect(await attack(victim, long, testKey())).toBe('ERR_CORRUPT')
    for (const filling of [' ', '[', '{"a":', ',\n  "sha256": "', '\0']) {
      const bytes = utf8(filling.repeat(Math.ceil(262_145 / filling.length)))
      expect([filling, await attack(victim, bytes, testKey())]).toEqual([filling, 'ERR_CORRUPT'])
      // As long as it may be: then it is the contents that are refused, in no time.
      expect([filling, await attack(victim, bytes.subarray(0, 262_144), testKey())]).toEqual([filling, 'ERR_CORRUPT'])
    }
    const file = await open(keyringPath(victim.location), 'w')
    await file.truncate(2 ** 40)
    await file.close()
    expect(await outcomeOf(openStore(victim.location))).toBe('ERR_CORRUPT')
    await expectUnharmed(victim, testKey())
  })

  test.skipIf(process.platform === 'win32')(
    'a directory, a FIFO, a link to the real one and a link to nothing are refused, and none makes it hang',
    async () => {
      const victim = await newVictim(testKey())
      const path = keyringPath(victim.location)
      const aside = join(dirname(victim.location), 'aside.json')
      await rename(path, aside)
      const plants: readonly [string, () => unknown, string][] = [
        ['nothing', () => {}, 'ERR_CORRUPT'],
        ['a directory', () => mkdir(path), 'ERR_CORRUPT'],
        ['a FIFO', () => execFileSync('mkfifo', [path]), 'ERR_CORRUPT'],
        ['a link', () => symlink(aside, path), 'ERR_UNSAFE_LOCATION'],
        ['a link to nothing', () => symlink(join(victim.location, 'nothing'), path), 'ERR_UNSAFE_LOCATION'],
      ]
      for (const [what, plant, code] of plants) {
        await rm(path, { recursive: true, force: true })
        await plant()
        expect([what, await outcomeOf(openStore(victim.location))]).toEqual([what, code])
        expect(await directoryDigest(join(victim.location, 'data'))).toBe(victim.dataDigest)
      }
      await rm(path)
      await expectUnharmed(victim, testKey())
    },
  )

  test('a name that comes twice in it does not hide one of the two from the MAC', async () => {
    const victim = await newVictim(testKey())
    const other = await newVictim(testKey())
    const { slots } = readJson(other.keyring)
    const more = `,\n  "slots": ${JSON.stringify(slots)}`
    const twice = fromUtf8(victim.keyring).replace(/,\n {2}"keys"/, (found) => more + found)
    expect(await attack(victim, resummedText(twice), testKey())).toBe('ERR_WRONG_KEY')
    const own = JSON.stringify(readJson(victim.keyring).slots)
    expect(await attack(victim, resummedText(twice.replace(JSON.stringify(slots), own)), testKey())).toBe('ERR_CORRUPT')
    await expectUnharmed(victim, testKey())
  })
})

describe('edits', () => {
  const A = testKey(1)
  const B = testKey(2)
  const P = passphrase('pass', CHEAP)

  interface Edit {
    readonly what: string
    readonly change: (json: KeyringJson & { slots: Three }, other: KeyringJson & { slots: Three }) => void
    /** What each key meets if the checksum was made right again. @defaultValue `'ERR_CORRUPT'`, from the MAC. */
    readonly a?: string
    readonly b?: string
    readonly p?: string
  }
  type Three = [SlotJson, SlotJson, SlotJson]
  const wrong = 'ERR_WRONG_KEY'

  /** Of two stores of one person, under the same keys. */
  const edits: readonly Edit[] = [
    { what: 'slots swapped', change: (json) => json.slots.reverse() },
    { what: 'first slot removed', change: ({ slots }) => void slots.shift(), a: wrong },
    { what: 'last slot removed', change: ({ slots }) => void slots.pop(), p: wrong },
    { what: 'all slots removed', change: ({ slots }) => void slots.splice(0) },
    { what: 'a slot twice', change: ({ slots }) => void slots.push(slots[0]) },
    {
      what: 'a slot twice, under another id',
      change: ({ slots }) => void slots.push({ ...slots[0], id: toBase64url(new Uint8Array(8)) }),
    },
    { what: 'a slot of another store added', change: ({ slots }, other) => void slots.push(other.slots[0]) },
    {
      what: 'a slot of another store in front',
      change: ({ slots }, other) => void slots.unshift(other.slots[0]),
    },
    {
      what: 'a slot of another store in its place',
      change: ({ slots }, other) => void slots.splice(0, 1, other.slots[0]),
      a: wrong,
    },
    {
      what: 'the contents of a slot of another store',
      change: ({ slots }, other) => void Object.assign(slots[0].params, other.slots[0].params),
      a: wrong,
    },
    {
      what: 'all slots of another store',
      change: (json, other) => void Object.assign(json, { slots: other.slots }),
      a: wrong,
      b: wrong,
      p: wrong,
    },
    {
      what: 'the id and all slots of another store',
      change: (json, other) => void Object.assign(json, { store: other.store, slots: other.slots }),
    },
    {
      what: 'everything of another store but its data keys',
      change: (json, other) => void Object.assign(json, { ...other, keys: json.keys }),
    },
    {
      what: 'ids exchanged',
      change: ({ slots: [x, y] }) => {
        ;[x.id, y.id] = [y.id, x.id]
      },
      a: wrong,
      b: wrong,
    },
    {
      what: 'another id',
      change: ({ slots }) => {
        slots[0].id = toBase64url(new Uint8Array(8))
      },
      a: wrong,
    },
    {
      what: 'contents exchanged',
      change: ({ slots: [x, y] }) => {
        ;[x.params, y.params] = [y.params, x.params]
      },
      a: wrong,
      b: wrong,
    },
    {
      what: 'commitments exchanged',
      change: ({ slots: [{ params: x }, { params: y }] }) => {
        ;[x['commitment'], y['commitment']] = [y['commitment'], x['commitment']]
      },
      a: wrong,
      b: wrong,
    },
    {
      what: 'wrapped keys exchanged',
      change: ({ slots: [{ params: x }, { params: y }] }) => {
        ;[x['wrapped'], y['wrapped']] = [y['wrapped'], x['wrapped']]
      },
    },
    {
      what: 'another kind',
      change: ({ slots }) => {
        slots[0].kind = 'recovery-code'
      },
      a: wrong,
    },
    {
      what: 'kinds exchanged',
      change: ({ slots: [x, , z] }) => {
        ;[x.kind, z.kind] = [z.kind, x.kind]
      },
      a: wrong,
      // A raw key's slot has no salt.
      p: 'ERR_CORRUPT',
    },
    {
      what: 'another salt',
      change: ({ slots }) => {
        slots[2].params['salt'] = 'A'.repeat(22)
      },
      p: wrong,
    },
    {
      what: 'a higher cost',
      change: ({ slots }) => {
        slots[2].params['N'] = 32_768
      },
      p: wrong,
    },
    {
      what: 'one more parameter',
      change: ({ slots }) => {
        slots[1].params['more'] = 1
      },
    },
    {
      what: 'another label',
      change: ({ slots }) => {
        slots[1].label = 'not mine'
      },
    },
    { what: 'a slot made at another time', change: ({ slots }) => void slots[1].created++ },
    { what: 'a store made at another time', change: (json) => void json.created++ },
    {
      what: 'names of the other sort',
      change: (json) => {
        json.names = 'sealed'
      },
    },
    { what: 'a later generation', change: (json) => Object.assign(json, { generation: Number(json.generation) + 1 }) },
    {
      what: 'an earlier generation',
      change: (json) => Object.assign(json, { generation: Number(json.generation) - 1 }),
    },
    {
      what: 'generation 0',
      change: (json) => {
        json.generation = 0
      },
    },
    {
      what: 'a lower sequence',
      change: (json) => {
        json.sequence = 0
      },
    },
    {
      what: 'made to look as it was created',
      change(json) {
        json.version = 1
        delete json.generation
        delete json.sequence
      },
    },
    {
      what: 'version 1 with what version 2 has',
      change: (json) => {
        json.version = 1
      },
    },
    {
      what: 'the id of another store',
      change: (json, other) => {
        json.store = other.store
      },
      a: wrong,
      b: wrong,
      p: wrong,
    },
    { what: 'data key ids exchanged', change: ({ keys }) => void exchange(keys, 'id') },
    { what: 'data keys swapped', change: ({ keys }) => void keys.reverse() },
    { what: 'wrapped data keys exchanged', change: ({ keys }) => void exchange(keys, 'wrapped') },
    { what: 'a data key twice', change: ({ keys }) => void keys.push({ ...keys[1] } as never) },
    {
      what: 'a data key twice, under the next id',
      change: ({ keys }) => void keys.push({ ...keys[1], id: 3 } as never),
    },
    { what: 'the first data key removed', change: ({ keys }) => void keys.shift() },
    { what: 'the last data key removed', change: ({ keys }) => void keys.pop() },
    { what: 'no data key', change: ({ keys }) => void keys.splice(0) },
    { what: 'a data key of another id', change: ({ keys }) => void Object.assign(keys[1] as object, { id: 7 }) },
    {
      what: 'data keys of another store',
      change: (json, other) => {
        json.keys = other.keys
      },
    },
    {
      what: 'a wrapped data key of another store',
      change: ({ keys }, other) => void Object.assign(keys[1] as object, { wrapped: other.keys[1]?.wrapped }),
    },
    {
      what: 'the index key of another store',
      change: (json, other) => {
        json.indexKey = other.indexKey
      },
    },
    {
      what: 'a data key for an index key',
      change: (json) => {
        json.indexKey = json.keys[0]?.wrapped as string
      },
    },
    {
      what: 'an index key for a data key',
      change: ({ keys, indexKey }) => void Object.assign(keys[0] as object, { wrapped: indexKey }),
    },
    {
      what: 'one more field',
      change: (json) => {
        json['more'] = 1
      },
    },
    { what: 'one field less', change: (json) => void delete (json as Partial<KeyringJson>).indexKey },
    {
      what: 'another format',
      change: (json) => {
        json.format = 'other-store'
      },
    },
    { what: 'nothing but the order of two fields', change: (json) => void moveToEnd(json, 'created') },
  ]

  function exchange<T>(items: T[], field: keyof T): void {
    const [x, y] = items as [T, T]
    ;[x[field], y[field]] = [y[field], x[field]]
  }

  function moveToEnd(json: KeyringJson, field: string): void {
    const value = json[field]
    delete json[field]
    json[field] = value
  }

  const manyKeys = async (store: SecretStore): Promise<void> => {
    await store.addKey(B)
    await store.addKey(P)
    await rotateHalfway(store)
  }

  test('each edit of slots, data keys and the rest is refused, with its old checksum and with a right one', async () => {
    const [victim, other] = [await newVictim(A, manyKeys), await newVictim(A, manyKeys)]
    expect(readJson(victim.keyring).keys).toHaveLength(2)
    const foreign = (): KeyringJson & { slots: Three } => {
      const { sha256: _, mac: __, ...json } = readJson(other.keyring)
      return json as KeyringJson & { slots: Three }
    }
    const found: unknown[] = []
    const expected: unknown[] = []
    for (const { what, change, a = 'ERR_CORRUPT', b = 'ERR_CORRUPT', p = 'ERR_CORRUPT' } of edits) {
      const edit = (json: KeyringJson): void => change(json as KeyringJson & { slots: Three }, foreign())
      const byEditor = naive(victim.keyring, edit)
      const byForger = resummed(victim.keyring, edit)
      expect(byForger, what).not.toEqual(victim.keyring)
      expected.push([what, 'ERR_CORRUPT', a, b, p])
      found.push([
        what,
        await attack(victim, byEditor, A),
        await attack(victim, byForger, A),
        await attack(victim, byForger, B),
        await attack(victim, byForger, P),
      ])
      expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(byForger)
      expect(await directoryDigest(join(victim.location, 'data'))).toBe(victim.dataDigest)
    }
    expect(found).toEqual(expected)
    for (const key of [A, B, P]) await expectOpens(victim, key)
  })

  test('a passphrase\u2019s slot said to be a raw key\u2019s does not open with what the passphrase was stretched to', async () => {
    const victim = await newVictim(P)
    const { salt } = readJson(victim.keyring).slots[0]?.params ?? {}
    const cost = { kdf: 'scrypt', N: 16_384, r: 8, p: 1 } as const
    const stretched = await stretch(utf8('pass'), fromBase64url(salt as string) as Uint8Array, cost)
    const forged = resummed(victim.keyring, ({ slots }) => Object.assign(slots[0] as SlotJson, { kind: 'raw-key' }))
    expect(await attack(victim, forged, rawKey(stretched))).toBe('ERR_WRONG_KEY')
    await expectUnharmed(victim, P)
  })

  test('the whole keyring.json of another store under the same key opens nothing', async () => {
    const [victim, other] = [await newVictim(A), await newVictim(A)]
    expect(await attack(victim, other.keyring, A)).toBe('ERR_CORRUPT')
    await writeFile(keyringPath(victim.location), victim.keyring)
    const store = await openStore(victim.location, { key: A })
    expect(await store.get(SECRET)).toBe(PAYLOAD)
  })
})

describe('costs', () => {
  test('below the floor, or raised to exhaust the machine, they are refused before any stretching', async () => {
    const key = passphrase('pass')
    const victim = await newVictim(testKey(), (store) => store.addKey(passphrase('pass', CHEAP)))
    const costs: readonly Record<string, unknown>[] = [
      ...[0, 1, 2, 8192, 16_383, 16_385, -16_384, 2 ** 20 + 1, 2 ** 21, 2 ** 31, 2 ** 52].map((N) => ({ N })),
      ...['16384', '', 'Infinity', null, true, [16_384], { N: 16_384 }, 16_384.5, 2 ** 60].map((N) => ({ N })),
      ...[0, 7, 17, -8, 2 ** 32 + 8, '8'].map((r) => ({ r })),
      ...[0, 17, -1, 2 ** 32 + 1, '1'].map((p) => ({ p })),
      { N: 2 ** 20, r: 9 },
      { N: 2 ** 20, r: 16, p: 16 },
      { kdf: 'argon2id' },
      ...[0, 8, 19_455, 1_048_577, 2 ** 32 + 65_536].map((m) => ({ kdf: 'argon2id', m, t: 2, p: 1 })),
      ...[0, 1, 17, 2 ** 32 + 2].map((t) => ({ kdf: 'argon2id', m: 19_456, t, p: 1 })),
      ...[0, 2, 255].map((p) => ({ kdf: 'argon2id', m: 19_456, t: 2, p })),
      ...['none', 'SCRYPT', 'argon2i', 'argon2d', 'pbkdf2', '', 1, '__proto__', 'constructor'].map((kdf) => ({ kdf })),
    ]
    vi.mocked(nativeScrypt).mockClear()
    vi.mocked(argon2idAsync).mockClear()
    for (const cost of costs) {
      const forged = resummed(victim.keyring, ({ slots }) => void Object.assign(slots[1]?.params ?? {}, cost))
      expect([cost, await attack(victim, forged, key)]).toEqual([cost, 'ERR_CORRUPT'])
    }
    for (const part of ['kdf', 'N', 'r', 'p']) {
      const forged = resummed(victim.keyring, ({ slots }) => void delete slots[1]?.params[part])
      expect([part, await attack(victim, forged, key)]).toEqual([part, 'ERR_CORRUPT'])
    }
    expect(nativeScrypt).not.toHaveBeenCalled()
    expect(argon2idAsync).not.toHaveBeenCalled()
    await expectUnharmed(victim, key)
    expect(nativeScrypt).toHaveBeenCalledTimes(1)
  })

  test('more slots than a store may have are refused before any stretching', async () => {
    const victim = await newVictim(passphrase('pass', CHEAP))
    const id = (n: number): string => toBase64url(new Uint8Array(8).fill(n))
    const forged = resummed(victim.keyring, (json) => {
      json.slots = range(33).map((n) => ({ ...(json.slots[0] as SlotJson), id: id(n) }))
    })
    vi.mocked(nativeScrypt).mockClear()
    expect(await attack(victim, forged, passphrase('pass'))).toBe('ERR_CORRUPT')
    expect(nativeScrypt).not.toHaveBeenCalled()
    await expectUnharmed(victim, passphrase('pass'))
  })

  test('slots that each keep to the bounds, and together exhaust the machine, are refused before any stretching', async () => {
    const victim = await newVictim(passphrase('pass', CHEAP))
    const id = (n: number): string => toBase64url(new Uint8Array(8).fill(n))
    // 2^17 is a default passphrase's; 2^20 and p = 8 are 64 of it.
    const forged = (slots: number, cost: object): Buffer | Uint8Array =>
      resummed(victim.keyring, (json) => {
        const [first] = json.slots as [SlotJson]
        json.slots = range(slots).map((n) => ({ ...first, id: id(n), params: { ...first.params, ...cost } }))
      })
    vi.mocked(nativeScrypt).mockClear()
    vi.mocked(argon2idAsync).mockClear()
    expect(await attack(victim, forged(3, { N: 2 ** 20, p: 8 }), passphrase('other'))).toBe('ERR_CORRUPT')
    expect(await attack(victim, forged(32, { N: 2 ** 20, r: 8, p: 16 }), passphrase('other'))).toBe('ERR_CORRUPT')
    const argon2id = { kdf: 'argon2id', m: 1_048_576, t: 16, p: 1 }
    expect(await attack(victim, forged(2, argon2id), passphrase('other'))).toBe('ERR_CORRUPT')
    expect(nativeScrypt).not.toHaveBeenCalled()
    expect(argon2idAsync).not.toHaveBeenCalled()
    expect(await attack(victim, forged(2, {}), passphrase('other'))).toBe('ERR_WRONG_KEY')
    expect(nativeScrypt).toHaveBeenCalledTimes(2)
    await expectUnharmed(victim, passphrase('pass'))
  })

  test('an altered file is refused after one stretching, and a slot of another kind costs none', async () => {
    const victim = await newVictim(testKey(), (store) => store.addKey(passphrase('pass', CHEAP)))
    vi.mocked(nativeScrypt).mockClear()
    const forged = resummed(victim.keyring, (json) => void json.created++)
    expect(await attack(victim, forged, testKey())).toBe('ERR_CORRUPT')
    expect(nativeScrypt).not.toHaveBeenCalled()
    expect(await attack(victim, forged, passphrase('pass'))).toBe('ERR_CORRUPT')
    expect(nativeScrypt).toHaveBeenCalledTimes(1)
    await expectUnharmed(victim, testKey())
  })
})

describe('kinds and versions', () => {
  test('kinds nobody knows are passed over; if there are no others it is ERR_WRONG_KEY', async () => {
    const key = leakyKey(7)
    const victim = await newVictim(key)
    const unknown = ({ id, ...slot }: SlotJson, n: number): SlotJson => ({
      ...slot,
      id: toBase64url(new Uint8Array(8).fill(n)),
      kind: `from-the-future-${n}`,
      params: { anything: 'at all', __proto__: 1, number: -5 },
    })
    const alone = resummed(victim.keyring, ({ slots }) => {
      slots[0] = unknown(slots[0] as SlotJson, 1)
    })
    expect(await attack(victim, alone, key)).toBe('ERR_WRONG_KEY')
    await expectUnharmed(victim, key)
    // The holder of the root key may have put them there with a later version.
    const beside = signed(
      victim.keyring,
      ({ slots }) => {
        const own = slots[0] as SlotJson
        slots.splice(0, 1, unknown(own, 1), unknown(own, 2), own, unknown(own, 3))
      },
      key.rootKeys[0] as Uint8Array,
    )
    await writeFile(keyringPath(victim.location), beside)
    const store = await openStore(victim.location, { key })
    expect(await store.get(SECRET)).toBe(PAYLOAD)
    expect(store.keys().map(({ kind }) => kind)).toContain('from-the-future-3')
    // What it does not know it does not lose.
    await store.addKey(testKey(8))
    await store.close()
    const { slots } = readJson(await readFile(keyringPath(victim.location)))
    expect(slots.map(({ params }) => JSON.stringify(params))[0]).toBe('{"anything":"at all","number":-5}')
    expect(slots).toHaveLength(5)
  })

  test('a kind that is none is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey())
    for (const kind of [
      '',
      'Raw-Key',
      'raw key',
      'raw-key\n',
      '1raw',
      '-raw',
      'r\u00e4w',
      'x'.repeat(65),
      null,
      1,
      [],
    ]) {
      const forged = resummed(victim.keyring, ({ slots }) => {
        ;(slots[0] as { kind: unknown }).kind = kind
      })
      expect([kind, await attack(victim, forged, testKey())]).toEqual([kind, 'ERR_CORRUPT'])
    }
    await expectUnharmed(victim, testKey())
  })

  test('a version to come is ERR_UNSUPPORTED_VERSION, what is no version is ERR_CORRUPT', async () => {
    const victim = await newVictim(testKey())
    for (const version of [0, 4, 5, -1, 255, 2 ** 31, 2 ** 53 - 1]) {
      const forged = resummed(victim.keyring, (json) => {
        json.version = version
      })
      expect([version, await attack(victim, forged, testKey())]).toEqual([version, 'ERR_UNSUPPORTED_VERSION'])
    }
    for (const version of ['1', 1.5, null, true, [1], {}, 2 ** 53, undefined]) {
      const forged = resummed(victim.keyring, (json) => {
        json.version = version
      })
      expect([version, await attack(victim, forged, testKey())]).toEqual([version, 'ERR_CORRUPT'])
    }
    const otherEnding = utf8('{ "format": "secret-store", "version": 4, "signature": "of another sort" }')
    expect(await attack(victim, otherEnding, testKey())).toBe('ERR_UNSUPPORTED_VERSION')
    await expectUnharmed(victim, testKey())
  })
})

describe('one slot for two passphrases', () => {
  /** A slot whose wrapped key XChaCha20-Poly1305 takes for genuine under both, and a file around it to match. */
  async function forgeFor(
    victim: Victim,
    secrets: readonly [Uint8Array, Uint8Array],
    slot: SlotJson,
    committed: 0 | 1,
  ) {
    const storeId = fromBase64url(readJson(victim.keyring).store) as Uint8Array
    const slotId = fromBase64url(slot.id) as Uint8Array
    const bound = concat(storeId, slotId, utf8(slot.kind))
    const wrapKeys = secrets.map((secret) => derive(secret, LABEL.slotWrap, bound)) as [Uint8Array, Uint8Array]
    const forged = collide(wrapKeys, bound)
    const roots = wrapKeys.map((key) => openSealed(key, forged, bound)) as [Uint8Array, Uint8Array]
    // The attack is real: the AEAD alone is taken in.
    expect(roots.map((root) => root.length)).toEqual([32, 32])
    expect(roots[0]).not.toEqual(roots[1])
    const { commitment } = wrapRootKey(
      secrets[committed] as Uint8Array,
      new Uint8Array(32),
      { storeId, slotId, kind: slot.kind },
      systemRandom,
    )
    return (root: 0 | 1) =>
      signed(
        victim.keyring,
        (json) => {
          json.slots = [{ ...slot, params: { ...slot.params, commitment, wrapped: toBase64url(forged) } }]
        },
        roots[root] as Uint8Array,
      )
  }

  test('a wrapped key that opens under two passphrases opens under none but the committed one, and then not the store', async () => {
    const [P, Q] = [passphrase('first'), passphrase('second')]
    const victim = await newVictim(passphrase('first', CHEAP))
    const slot = readJson(victim.keyring).slots[0] as SlotJson
    const salt = fromBase64url(slot.params['salt'] as string) as Uint8Array
    const secret = (text: string): Promise<Uint8Array> =>
      stretch(utf8(text), salt, { kdf: 'scrypt', N: 16_384, r: 8, p: 1 })
    const secrets = [await secret('first'), await secret('second')] as const
    for (const committed of [0, 1] as const) {
      const file = await forgeFor(victim, secrets, slot, committed)
      for (const root of [0, 1] as const) {
        const codes = [await attack(victim, file(root), P), await attack(victim, file(root), Q)]
        const expected = ['ERR_WRONG_KEY', 'ERR_WRONG_KEY']
        // It opens the slot, and the MAC or then the data keys are another's.
        expected[committed] = 'ERR_CORRUPT'
        expect([committed, root, codes]).toEqual([committed, root, expected])
      }
    }
    await expectOpens(victim, P)
  })

  test('so it is with raw keys, even if everything else in the file is made to match', async () => {
    const victim = await newVictim(testKey(1))
    const slot = readJson(victim.keyring).slots[0] as SlotJson
    const secrets = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const
    const file = await forgeFor(victim, secrets, slot, 0)
    expect(await attack(victim, file(0), testKey(1))).toBe('ERR_CORRUPT')
    expect(await attack(victim, file(1), testKey(2))).toBe('ERR_WRONG_KEY')
    await expectOpens(victim, testKey(1))
  })
})

describe('rollback', () => {
  const KEY = testKey(1)

  interface Stage {
    readonly what: string
    /** A whole store as it was then. */
    readonly location: string
    readonly keyring: Uint8Array
    /** Data keys in keyring.json; the last one seals the head. */
    readonly dataKeys: readonly number[]
  }

  const changes: readonly [string, (store: SecretStore) => Promise<unknown>][] = [
    ['addKey', (store) => store.addKey(testKey(2))],
    ['replaceKey', (store) => store.replaceKey(store.keys()[1]?.id as string, testKey(3))],
    ['removeKey', (store) => store.removeKey(store.keys()[1]?.id as string)],
    ['a rotation begun', rotateHalfway],
    ['a rotation ended', (store) => store.rotate()],
    ['a rotation of the root key', (store) => store.rotate({ root: true, keys: [KEY] })],
    ['addKey under the new root key', (store) => store.addKey(testKey(4))],
  ]

  /** One copy of the store after each change of its keys; a secret is written between any two. */
  async function history(): Promise<Stage[]> {
    const location = await newLocation()
    const stages: Stage[] = []
    const keep = async (what: string): Promise<void> => {
      const copy = await newLocation()
      await copyStore(location, copy)
      const keyring = Uint8Array.from(await readFile(keyringPath(copy)))
      stages.push({ what, location: copy, keyring, dataKeys: readJson(keyring).keys.map(({ id }) => id) })
    }
    const write = async (): Promise<void> => {
      const store = await openStore(location, { key: KEY })
      await store.set({ ...SECRET, payload: PAYLOAD })
      await store.close()
    }
    await write()
    await keep('created')
    for (const [what, change] of changes) {
      await write()
      const store = await openStore(location, { key: KEY })
      await change(store)
      await store.close()
      await keep(what)
    }
    return stages
  }

  test('any keyring.json of before a change of keys, or of after it, is refused beside the data of another time', async () => {
    const stages = await history()
    const found: unknown[] = []
    const expected: unknown[] = []
    for (const data of stages) {
      for (const file of stages) {
        if (file === data) continue
        const location = await newLocation()
        await copyStore(data.location, location)
        await writeFile(keyringPath(location), file.keyring)
        found.push([file.what, data.what, await refusal(location, KEY)])
        expected.push([file.what, data.what, 'ERR_ROLLBACK'])
        await writeFile(keyringPath(location), data.keyring)
        const store = await openStore(location, { key: KEY })
        expect(await store.get(SECRET)).toBe(PAYLOAD)
        expect((await store.verify()).ok).toBe(true)
        await store.close()
      }
    }
    expect(found).toEqual(expected)
  })

  test('beside data that nothing was written to since, a newer one is what a crash leaves, and is brought to its end', async () => {
    const victim = await newVictim(KEY)
    const crashed = { ...victim, location: await newLocation() }
    await copyStore(victim.location, crashed.location)
    const store = await openStore(victim.location, { key: KEY })
    await store.addKey(testKey(2))
    await store.close()
    const newer = await readFile(keyringPath(victim.location))
    await writeFile(keyringPath(crashed.location), newer)
    const opened = await openStore(crashed.location, { key: testKey(2) })
    expect(await opened.get(SECRET)).toBe(PAYLOAD)
    await opened.close()
    expect(await readFile(keyringPath(crashed.location))).toEqual(newer)
    // From then on the older one is refused.
    expect(await attack(crashed, victim.keyring, KEY)).toBe('ERR_ROLLBACK')
  })

  test('a file of the same generation from a copy that went its own way is refused', async () => {
    const here = await newVictim(KEY)
    const there = await newLocation()
    await copyStore(here.location, there)
    for (const change of [
      (store: SecretStore) => store.addKey(testKey(2)),
      (store: SecretStore) => store.replaceKey(store.keys()[1]?.id as string, testKey(3)),
    ]) {
      for (const location of [here.location, there]) {
        const store = await openStore(location, { key: KEY })
        await change(store)
        await store.close()
      }
      const [mine, theirs] = [await victimAt(here.location), await victimAt(there)]
      expect(readJson(mine.keyring).generation).toBe(readJson(theirs.keyring).generation)
      expect(await attack(mine, theirs.keyring, KEY)).toBe('ERR_ROLLBACK')
      expect(await attack(theirs, mine.keyring, KEY)).toBe('ERR_ROLLBACK')
      for (const { location, keyring } of [mine, theirs]) await writeFile(keyringPath(location), keyring)
    }
    for (const location of [here.location, there]) {
      const store = await openStore(location, { key: KEY })
      await store.rotate()
      await store.close()
    }
    const [mine, theirs] = [await victimAt(here.location), await victimAt(there)]
    // Both have a data key 2, and not the same.
    expect(readJson(mine.keyring).keys.map(({ id }) => id)).toEqual([2])
    expect(readJson(theirs.keyring).keys.map(({ id }) => id)).toEqual([2])
    expect(await attack(mine, theirs.keyring, KEY)).toBe('ERR_CORRUPT')
    await writeFile(keyringPath(here.location), mine.keyring)
    expect(await (await openStore(here.location, { key: KEY })).get(SECRET)).toBe(PAYLOAD)
  })

  test('who accepts an older keyring.json makes it the newest: neither the one before nor the one after opens then', async () => {
    const victim = await newVictim(KEY, (store) => store.addKey(testKey(2)))
    const store = await openStore(victim.location, { key: KEY })
    await store.removeKey(store.keys()[1]?.id as string)
    await store.close()
    const newest = Uint8Array.from(await readFile(keyringPath(victim.location)))
    expect(await attack(victim, victim.keyring, testKey(2))).toBe('ERR_ROLLBACK')
    const accepted = await openStore(victim.location, { key: testKey(2), acceptRollback: true })
    expect(await accepted.get(SECRET)).toBe(PAYLOAD)
    await accepted.close()
    const now = Uint8Array.from(await readFile(keyringPath(victim.location)))
    for (const other of [victim.keyring, newest]) expect(await attack(victim, other, KEY)).toBe('ERR_ROLLBACK')
    await writeFile(keyringPath(victim.location), now)
    expect(await (await openStore(victim.location, { key: KEY })).get(SECRET)).toBe(PAYLOAD)
  })

  test('with keyring.json and data/ of one older time, a checkpoint still has it refused', async () => {
    const victim = await newVictim(KEY, (store) => store.addKey(testKey(2)))
    const older = await newLocation()
    await copyStore(victim.location, older)
    const store = await openStore(victim.location, { key: KEY })
    await store.removeKey(store.keys()[1]?.id as string)
    const minimum = await store.checkpoint()
    await store.close()
    // A change of keys alone counts as a write.
    expect(await codeOf(() => openStore(older, { key: testKey(2), minimum }))).toBe('ERR_ROLLBACK')
  })

  test('a keyring.json.new that was left behind is never used, and goes when the store is opened with the right key', async () => {
    const older = await newVictim(KEY)
    const store = await openStore(older.location, { key: KEY })
    await store.addKey(testKey(2))
    await store.close()
    const victim = await victimAt(older.location)
    const [staged, elsewhere] = [`${keyringPath(victim.location)}.new`, join(dirname(victim.location), 'elsewhere')]
    const future = await newLocation()
    await copyStore(victim.location, future)
    const later = await openStore(future, { key: KEY })
    await later.addKey(testKey(3))
    await later.close()
    await writeFile(elsewhere, 'of somebody else')
    const plants: readonly [string, () => unknown][] = [
      ['an older one', () => writeFile(staged, older.keyring)],
      ['a newer one', async () => writeFile(staged, await readFile(keyringPath(future)))],
      ['half of one', () => writeFile(staged, victim.keyring.subarray(0, 400))],
      ['nothing', () => writeFile(staged, '')],
      ['a link', () => symlink(elsewhere, staged)],
      ...(process.platform === 'win32'
        ? []
        : [['a FIFO', () => execFileSync('mkfifo', [staged])] as [string, () => unknown]]),
    ]
    for (const [what, plant] of plants) {
      await plant()
      expect([what, await refusal(victim.location, testKey(9))]).toEqual([what, 'ERR_WRONG_KEY'])
      expect([what, await refusal(victim.location, testKey(3))]).toEqual([what, 'ERR_WRONG_KEY'])
      const opened = await openStore(victim.location, { key: testKey(2) })
      expect(await opened.get(SECRET)).toBe(PAYLOAD)
      await opened.close()
      await expect(stat(staged), what).rejects.toThrow('ENOENT')
      expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(victim.keyring)
    }
    expect(await readFile(elsewhere, 'utf8')).toBe('of somebody else')
    // Planted while the store is open, it is not written through.
    const open = await openStore(victim.location, { key: KEY })
    await symlink(elsewhere, staged)
    await open.addKey(testKey(5))
    await open.close()
    expect(await readFile(elsewhere, 'utf8')).toBe('of somebody else')
    expect(await refusal(victim.location, testKey(9))).toBe('ERR_WRONG_KEY')
    await openStore(victim.location, { key: testKey(5) })
  })

  test('a directory in the place of keyring.json.new stops a change of keys, and changes nothing', async () => {
    const victim = await newVictim(KEY)
    const staged = `${keyringPath(victim.location)}.new`
    const store = await openStore(victim.location, { key: KEY })
    await mkdir(join(staged, 'inside'), { recursive: true })
    expect(await codeOf(() => store.addKey(testKey(2)))).toBe('ERR_IO')
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.close()
    expect(await refusal(victim.location, KEY)).toBe('ERR_IO')
    await rm(staged, { recursive: true })
    expect(await refusal(victim.location, testKey(2))).toBe('ERR_WRONG_KEY')
    expect(await (await openStore(victim.location, { key: KEY })).get(SECRET)).toBe(PAYLOAD)
  })

  test('a keyring.json exchanged under an open store is not built upon', async () => {
    const victim = await newVictim(KEY, (store) => store.addKey(testKey(2)))
    const store = await openStore(victim.location, { key: KEY })
    const other = await newVictim(KEY)
    for (const planted of [other.keyring, naive(victim.keyring, (json) => void json.created++), new Uint8Array()]) {
      await writeFile(keyringPath(victim.location), planted)
      for (const change of [
        () => store.addKey(testKey(3)),
        () => store.removeKey(store.keys()[1]?.id as string),
        () => store.rotate(),
        () => store.rotate({ root: true, keys: [KEY] }),
      ]) {
        expect(await codeOf(change)).toBe('ERR_LOCKED')
        expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(planted)
      }
    }
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.close()
    await expectOpens(victim, KEY)
  })
})

describe('keys that were taken away', () => {
  test('a removed passphrase opens nothing, nor does its slot when it is put back', async () => {
    const [P, Q] = [passphrase('first', CHEAP), passphrase('second', CHEAP)]
    const before = await newVictim(P, (store) => store.addKey(Q))
    const store = await openStore(before.location, { key: Q })
    const gone = store.keys()[0]?.id as string
    await store.removeKey(gone)
    expect(await codeOf(() => store.removeKey(gone))).toBe('ERR_UNKNOWN_KEY')
    expect(await codeOf(() => store.removeKey(store.keys()[0]?.id as string))).toBe('ERR_LAST_KEY')
    await store.close()
    const victim = await victimAt(before.location)
    expect(fromUtf8(victim.keyring)).not.toContain(gone)
    expect(await refusal(victim.location, P)).toBe('ERR_WRONG_KEY')
    const old = readJson(before.keyring)
    const back = resummed(victim.keyring, ({ slots }) => void slots.unshift(old.slots[0] as SlotJson))
    expect(await attack(victim, back, P)).toBe('ERR_CORRUPT')
    expect(await attack(victim, back, Q)).toBe('ERR_CORRUPT')
    const inPlace = resummed(victim.keyring, (json) => {
      json.slots = [old.slots[0] as SlotJson]
    })
    expect(await attack(victim, inPlace, P)).toBe('ERR_CORRUPT')
    await expectUnharmed(victim, Q)
    expect(await attack(victim, before.keyring, P)).toBe('ERR_ROLLBACK')
    await expectOpens(victim, Q)
  })

  test('a replaced key opens nothing, whatever sort of key took its place', async () => {
    const code = generateRecoveryCode()
    let key: KeyProvider = testKey(1)
    const victim = await newVictim(key)
    const files = [victim.keyring]
    for (const next of [testKey(2), passphrase('pass', CHEAP), recoveryCode(code), testKey(1)]) {
      const store = await openStore(victim.location, { key })
      await store.replaceKey(store.keys()[0]?.id as string, next)
      await store.close()
      expect(await refusal(victim.location, key)).toBe('ERR_WRONG_KEY')
      const now = await victimAt(victim.location)
      const file = files.at(-1) as Uint8Array
      expect(await attack(now, file, key)).toBe('ERR_ROLLBACK')
      await expectOpens(now, next)
      files.push(now.keyring)
      key = next
    }
    // The key it began with opens the slot it has now, and not the one it had then.
    expect(await attack(victim, files[0] as Uint8Array, key)).toBe('ERR_ROLLBACK')
  })

  test('after a rotation with a new root key, the old root key opens nothing of keyring.json and no row', async () => {
    const [kept, thief] = [leakyKey(1), leakyKey(2)]
    const before = await newVictim(kept, async (store) => {
      await store.addKey(thief)
      await store.set({ scope: account, name: 'large', payload: 'x'.repeat(2000) })
    })
    const oldRoot = thief.rootKeys[0] as Uint8Array
    const store = await openStore(before.location, { key: kept })
    const { dropped } = await store.rotate({ root: true, keys: [kept] })
    expect(dropped).toHaveLength(1)
    await store.compact()
    await store.close()
    const victim = await victimAt(before.location)
    const newRoot = kept.rootKeys.at(-1) as Uint8Array
    expect(newRoot).not.toEqual(oldRoot)
    const after = readKeyringFile(victim.keyring)
    const old = readKeyringFile(before.keyring)
    // The thief's old file is the real one.
    const oldKeyring = new Keyring(verifyKeyringFile(old, oldRoot), oldRoot, systemRandom)
    expect(await codeOf(() => verifyKeyringFile(after, oldRoot))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => new Keyring(after.file, oldRoot, systemRandom))).toBe('ERR_CORRUPT')
    expect(await codeOf(() => findSlot(after.file, thief))).toBe('ERR_WRONG_KEY')
    const { storeId } = after.file
    const wrapKeys = [oldRoot, derive(oldRoot, LABEL.keyWrap, storeId), derive(oldRoot, LABEL.slotWrap, storeId)]
    const wrapped = [...after.file.keys.map((key) => key.wrapped), after.file.indexKey]
    for (const one of wrapped) {
      for (const id of range(8)) {
        const context = concat(Uint8Array.of(1), storeId, Uint8Array.of(0, 0, 0, id))
        for (const key of wrapKeys) expect(openSealed(key, one, context)).toBeUndefined()
      }
    }
    const copy = await newLocation()
    await copyStore(victim.location, copy)
    const engine = await LevelEngine.open(join(copy, 'data'))
    const rows = await engine.scan({ gte: Uint8Array.of(0), lt: new Uint8Array(64).fill(0xff), limit: 1000 })
    await engine.close()
    const newKeyring = new Keyring(verifyKeyringFile(after, newRoot), newRoot, systemRandom)
    let sealed = 0
    for (const { key, value } of rows) {
      if (!'hrp'.includes(String.fromCharCode(key[0] as number))) continue
      sealed++
      expect(newKeyring.openRow(key, value).length).toBeGreaterThan(0)
      expect(await codeOf(() => oldKeyring.openRow(key, value))).toBe('ERR_CORRUPT')
      // Nor with a word about which key it was.
      const relabelled = encodeEnvelope({ ...decodeEnvelope(value), keyId: 1 })
      expect(await codeOf(() => oldKeyring.openRow(key, relabelled))).toBe('ERR_CORRUPT')
      expect(openSealed(oldRoot, decodeEnvelope(value).sealed, new RowContext(storeId).of(key))).toBeUndefined()
    }
    expect(sealed).toBe(4)
    expect(await refusal(victim.location, thief)).toBe('ERR_WRONG_KEY')
    expect(await attack(victim, before.keyring, thief)).toBe('ERR_ROLLBACK')
    await expectOpens(victim, kept)
  })

  test('after a rotation with a new root key, nothing that the old one signs or seals is taken for genuine', async () => {
    const [kept, thief] = [leakyKey(1), leakyKey(2)]
    const before = await newVictim(kept, (store) => store.addKey(thief))
    const oldRoot = thief.rootKeys[0] as Uint8Array
    const store = await openStore(before.location, { key: kept })
    await store.rotate({ root: true, keys: [kept] })
    await store.close()
    const victim = await victimAt(before.location)
    const { generation = 0, sequence = 0, keys, slots } = readJson(victim.keyring)
    for (const later of [0, 1, 100]) {
      const forged = signed(
        before.keyring,
        (json) => Object.assign(json, { generation: generation + later, sequence: sequence + later }),
        oldRoot,
      )
      expect(await attack(victim, forged, thief)).toBe('ERR_ROLLBACK')
      expect(await attack(victim, forged, kept)).toBe('ERR_ROLLBACK')
    }
    // With the new keys, signed by the old root; and the old slots, before the new ones.
    const mixed = signed(before.keyring, (json) => Object.assign(json, { keys, generation, sequence }), oldRoot)
    expect(await attack(victim, mixed, thief)).toBe('ERR_CORRUPT')
    const oldSlots = resummed(victim.keyring, (json) => {
      json.slots = [...readJson(before.keyring).slots, ...slots].filter(
        ({ id }, index, all) => all.findIndex((slot) => slot.id === id) === index,
      )
    })
    expect(await attack(victim, oldSlots, thief)).toBe('ERR_CORRUPT')
    // With the slots that were kept as they are, the file is another.
    expect(await attack(victim, oldSlots, kept)).toBe('ERR_CORRUPT')
    await expectOpens(victim, kept)
    // A row and a head sealed under the data key of before.
    const old = new Keyring(verifyKeyringFile(readKeyringFile(before.keyring), oldRoot), oldRoot, systemRandom)
    const engine = await LevelEngine.open(join(victim.location, 'data'))
    const head = encodeHead({ ...EMPTY_HEAD, sequence: 1000, keyring: { generation, mac: macOf(victim.keyring) } })
    await writeTo(
      engine,
      [{ type: 'put', key: HEAD_ROW, value: old.sealRow(HEAD_ROW, head) }],
      await engine.get(HEAD_ROW),
    )
    await engine.close()
    expect(await refusal(victim.location, kept)).toBe('ERR_ROLLBACK')
  })

  function macOf(keyring: Uint8Array): Uint8Array {
    return fromBase64url(readJson(keyring).mac) as Uint8Array
  }

  test('a rotation with a new root key that is stopped in between keeps the dropped key out all the same', async () => {
    const [kept, thief] = [testKey(1), testKey(2)]
    const victim = await newVictim(kept, (store) => store.addKey(thief))
    const store = await openStore(victim.location, { key: kept })
    const stopped = new AbortController()
    const onProgress = (): void => stopped.abort(new Error('stopped'))
    const halfway = store.rotate({ root: true, keys: [kept], onProgress, signal: stopped.signal })
    await expect(halfway).rejects.toThrow('stopped')
    await store.close()
    expect(await refusal(victim.location, thief)).toBe('ERR_WRONG_KEY')
    expect(await attack(await victimAt(victim.location), victim.keyring, thief)).toMatch(/ERR_CORRUPT|ERR_ROLLBACK/)
  })

  test('a key that opens nothing among those to keep stops a rotation before anything has changed', async () => {
    const victim = await newVictim(testKey(1), (store) => store.addKey(testKey(2)))
    const store = await openStore(victim.location, { key: testKey(1) })
    for (const keys of [[testKey(9)], [testKey(1), testKey(9)], [testKey(1), passphrase('none', CHEAP)]]) {
      expect(await codeOf(() => store.rotate({ root: true, keys }))).toBe('ERR_WRONG_KEY')
    }
    await store.close()
    expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(victim.keyring)
    for (const key of [testKey(1), testKey(2)]) {
      const again = await openStore(victim.location, { key })
      expect(await again.get(SECRET)).toBe(PAYLOAD)
      await again.close()
    }
  })
})

describe('key providers that do not behave', () => {
  type Entry = Record<string, string | number>

  /** Keeps root keys in memory, under the number it writes into the slot. */
  function keychain(overrides: Partial<KeyProvider> = {}): KeyProvider {
    const kept: Uint8Array[] = []
    return {
      kind: 'my-keychain',
      wrap: async (rootKey) => ({ entry: kept.push(rootKey.slice()) - 1 }),
      unwrap: async ({ entry }) => kept[entry as number]?.slice() ?? null,
      ...overrides,
    }
  }

  /** Either it is refused and there is no store, or there is one that it opens again. */
  async function expectRefusedOrSound(key: KeyProvider): Promise<void> {
    const location = await newLocation()
    const created = await codeOf(async () => {
      const store = await openStore(location, { key })
      await store.set({ ...SECRET, payload: PAYLOAD })
      await store.close()
    })
    if (created !== 'no error') {
      await expect(stat(location)).rejects.toThrow('ENOENT')
      return
    }
    const again = await openStore(location, { key })
    expect(await again.get(SECRET)).toBe(PAYLOAD)
    await again.close()
  }

  /** As a change of an open store: refused with nothing changed, or a slot that opens. */
  async function expectAddedSoundOrRefused(key: KeyProvider): Promise<void> {
    const victim = await newVictim(testKey(1))
    const store = await openStore(victim.location, { key: testKey(1) })
    const added = await codeOf(() => store.addKey(key))
    await store.set({ ...SECRET, payload: PAYLOAD })
    await store.close()
    for (const one of added === 'no error' ? [testKey(1), key] : [testKey(1)]) {
      const again = await openStore(victim.location, { key: one })
      expect(await again.get(SECRET)).toBe(PAYLOAD)
      await again.close()
    }
    const changed = !Buffer.from(victim.keyring).equals(await readFile(keyringPath(victim.location)))
    expect(changed).toBe(added === 'no error')
  }

  test('one that returns other bytes, too few, none, or that throws, is refused and changes nothing', async () => {
    const failure = new SecretStoreError('ERR_IO', 'keychain: locked')
    const reasons: readonly Partial<KeyProvider>[] = [
      { unwrap: async () => new Uint8Array(32) },
      { unwrap: async () => new Uint8Array(31) },
      { unwrap: async () => new Uint8Array() },
      { unwrap: async () => null },
      { unwrap: async () => undefined as unknown as null },
      { unwrap: async () => 'x'.repeat(32) as unknown as null },
      { unwrap: async () => Promise.reject(failure) },
      { wrap: async () => Promise.reject(failure) },
      {
        wrap: () => {
          throw failure
        },
      },
      { wrap: async () => null as unknown as Entry },
      { wrap: async () => [] as unknown as Entry },
      { wrap: async () => 'text' as unknown as Entry },
      { wrap: async () => ({ nested: {} }) as unknown as Entry },
      { wrap: async () => ({ big: 2n ** 60n }) as unknown as Entry },
      { wrap: async () => ({ fraction: 0.1, entry: 0 }) },
      { wrap: async () => ({ entry: Number.NaN }) },
      { wrap: async () => ({ blob: 'x'.repeat(262_144) }) },
      { kind: 'raw-key' },
      { kind: '__proto__' },
      { label: 'x'.repeat(262_144) },
      { label: {} as string },
    ]
    const victim = await newVictim(testKey(1))
    const store = await openStore(victim.location, { key: testKey(1) })
    for (const reason of reasons) {
      const key = keychain(reason)
      if (reason.kind !== 'raw-key') {
        const location = await newLocation()
        expect([reason, await codeOf(() => openStore(location, { key }))]).not.toEqual([reason, 'no error'])
        await expect(stat(location)).rejects.toThrow('ENOENT')
        for (const work of [
          () => store.addKey(key),
          () => store.replaceKey(store.keys()[0]?.id as string, key),
          () => store.rotate({ root: true, keys: [testKey(1), key] }),
        ]) {
          expect([reason, await codeOf(work)]).not.toEqual([reason, 'no error'])
        }
      }
      expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(victim.keyring)
    }
    await store.close()
    await expectOpens(victim, testKey(1))
  })

  test.each<[string, string]>([
    ['a __proto__ of its own', '{"entry":0,"__proto__":"x","constructor":"y","toString":1}'],
    ['no more than a __proto__', '{"__proto__":0}'],
    ['an empty name', '{"":"x","entry":0}'],
    ['text of lone surrogates, bars and quotes', '{"entry":0,"t":"\\ud800 \\u0000 \\u2028 \\",\\n  \\"mac\\": \\""}'],
    [
      'the end of a keyring.json',
      `{"entry":0,"t":${JSON.stringify(`",\n  "sha256": "${'A'.repeat(43)}",\n  "mac": "`)}}`,
    ],
  ])('%s in a slot is kept as it is, and pollutes nothing', async (_, json) => {
    let kept: Uint8Array | undefined
    const seen: string[] = []
    const key = keychain({
      wrap: async (rootKey) => {
        kept = rootKey.slice()
        return JSON.parse(json)
      },
      unwrap: async (params) => {
        seen.push(JSON.stringify(params))
        return kept?.slice() ?? null
      },
    })
    await expectRefusedOrSound(key)
    await expectAddedSoundOrRefused(key)
    expect(new Set(seen)).toEqual(new Set([JSON.stringify(JSON.parse(json))]))
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  test.each<[string, string | undefined]>([
    ['line ends and quotes', '",\n  "mac": "'],
    ['the end of a file', `",\n  "sha256": "${'A'.repeat(43)}",\n  "mac": "${'A'.repeat(43)}"\n}\n`],
    ['a lone surrogate', '\ud800'],
    ['nothing', ''],
    ['zeros', '\0\0'],
    ['a great deal of text', 'x'.repeat(200_000)],
    ['text that folds the other way', '\u202e\u2028\ufeff'],
  ])('a label of %s does nothing to the file around it', async (_, label) => {
    const key = keychain(label === undefined ? {} : { label })
    await expectRefusedOrSound(key)
    await expectAddedSoundOrRefused(key)
  })

  test('a slot that only its own object in memory can open is refused before anything depends on it', async () => {
    class Entry {
      readonly #number: number
      constructor(number: number) {
        this.#number = number
      }
      get entry(): number {
        return this.#number
      }
    }
    const kept: Uint8Array[] = []
    const wrapAs = (entryOf: (number: number) => object): KeyProvider =>
      keychain({
        wrap: async (rootKey) => entryOf(kept.push(rootKey.slice()) - 1) as Record<string, number>,
        unwrap: async ({ entry }) => kept[entry as number]?.slice() ?? null,
      })
    for (const entryOf of [
      (number: number) => new Entry(number),
      (number: number) => Object.create({ entry: number }),
      (number: number) => Object.defineProperty({}, 'entry', { value: number }),
      (number: number) => ({ entry: number, toJSON: () => ({ other: 1 }) }),
    ]) {
      await expectRefusedOrSound(wrapAs(entryOf))
      await expectAddedSoundOrRefused(wrapAs(entryOf))
    }
  })

  test('a slot that its provider goes on writing to stays as it was written', async () => {
    const kept: Uint8Array[] = []
    const shared = { entry: -1 }
    const key = keychain({
      wrap: async (rootKey) => {
        shared.entry = kept.push(rootKey.slice()) - 1
        return shared
      },
      unwrap: async ({ entry }) => kept[entry as number]?.slice() ?? null,
    })
    const victim = await newVictim(testKey(1), (store) => store.addKey(key))
    const store = await openStore(victim.location, { key: testKey(1) })
    await store.addKey(key)
    shared.entry = 77
    await store.addKey(testKey(2))
    await store.close()
    const { slots } = readJson(await readFile(keyringPath(victim.location)))
    expect(slots.map(({ params }) => params['entry'])).toEqual([undefined, 0, 1, undefined])
  })

  test('one that answers at once and not with a promise makes no store that it cannot open again', async () => {
    const kept: Uint8Array[] = []
    const key = {
      kind: 'my-keychain',
      wrap: (rootKey: Uint8Array) => ({ entry: kept.push(rootKey.slice()) - 1 }),
      unwrap: ({ entry }: Entry) => kept[entry as number]?.slice() ?? null,
    } as unknown as KeyProvider
    await expectRefusedOrSound(key)
    await expectAddedSoundOrRefused(key)
  })

  test('one that throws at once does not stand before a later slot that opens', async () => {
    let calls = 0
    const kept: Uint8Array[] = []
    const key = keychain({
      wrap: async (rootKey) => ({ entry: kept.push(rootKey.slice()) - 1 }),
      unwrap: (params) => {
        if (params['entry'] === 0 && ++calls > 1) throw new SecretStoreError('ERR_CORRUPT', 'entry 0: damaged')
        return Promise.resolve(kept[params['entry'] as number]?.slice() ?? null)
      },
    })
    const victim = await newVictim(testKey(1), async (store) => {
      await store.addKey(key)
      await store.addKey(key)
    })
    const store = await openStore(victim.location, { key })
    expect(await store.get(SECRET)).toBe(PAYLOAD)
  })

  test('one that overwrites what it was handed, at once or later, costs nobody the store', async () => {
    const wiping = (wipe: (rootKey: Uint8Array) => void): KeyProvider => {
      const kept: Uint8Array[] = []
      return keychain({
        wrap: async (rootKey) => {
          const entry = kept.push(rootKey.slice()) - 1
          wipe(rootKey)
          return { entry }
        },
        unwrap: async ({ entry }) => kept[entry as number]?.slice() ?? null,
      })
    }
    for (const wipe of [
      (rootKey: Uint8Array) => void rootKey.fill(0),
      (rootKey: Uint8Array) => void setImmediate(() => rootKey.fill(0)),
      ...range(12).map((turns) => (rootKey: Uint8Array) => void wipeAfter(turns, rootKey)),
    ]) {
      await expectRefusedOrSound(wiping(wipe))
      await expectAddedSoundOrRefused(wiping(wipe))
      const victim = await newVictim(testKey(1), (store) => store.addKey(wiping(() => {})))
      expect(await refusal(victim.location, testKey(2))).toBe('ERR_WRONG_KEY')
    }
  })

  async function wipeAfter(turns: number, rootKey: Uint8Array): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await undefined
    rootKey.fill(0)
  }

  test('a root key is never left at zeros, whatever a provider does to what it was handed', async () => {
    for (const turns of range(12)) {
      const leaky = leakyKey(3)
      const key: KeyProvider = {
        ...leaky,
        async wrap(rootKey, context) {
          const params = await leaky.wrap(rootKey, context)
          void wipeAfter(turns, rootKey)
          return params
        },
      }
      const location = await newLocation()
      await codeOf(async () => (await openStore(location, { key })).close())
      const file = await readFile(keyringPath(location)).catch(() => undefined)
      if (file === undefined) continue
      // A file that zeros vouch for, anybody can open.
      const zeros = new Uint8Array(32)
      expect([turns, await codeOf(() => verifyKeyringFile(readKeyringFile(file), zeros))]).toEqual([
        turns,
        'ERR_CORRUPT',
      ])
    }
  })

  test('one that says another kind each time it is asked makes no slot that nothing opens', async () => {
    const kinds = ['kind-one', 'kind-two', 'kind-three', 'kind-four']
    let asked = 0
    const key = keychain()
    const shifty: KeyProvider = {
      ...key,
      get kind() {
        return kinds[asked++ % 4] as string
      },
    }
    const victim = await newVictim(testKey(1))
    const store = await openStore(victim.location, { key: testKey(1) })
    await codeOf(() => store.addKey(shifty))
    await store.close()
    expect(await (await openStore(victim.location, { key: testKey(1) })).get(SECRET)).toBe(PAYLOAD)
  })

  test('one that never answers keeps neither the writers nor the end of the store waiting', async () => {
    const victim = await newVictim(testKey(1))
    const store = await openStore(victim.location, { key: testKey(1) })
    let answer: (params: Entry) => void = () => {}
    const adding = store.addKey(
      keychain({
        wrap: () =>
          new Promise((resolve) => {
            answer = resolve
          }),
      }),
    )
    adding.catch(() => {}) // looked at below, but it may be over before
    const found = {
      writing: await outcomeOf(store.set({ ...SECRET, payload: PAYLOAD })),
      closing: await outcomeOf(store.close()),
      adding: await outcomeOf(adding),
    }
    answer({})
    expect(found).toEqual({ writing: 'no error', closing: 'no error', adding: 'ERR_CLOSED' })
  })
})

describe('races', () => {
  test('keys added, removed and replaced while two rotations run leave a store that opens with what is left', async () => {
    const victim = await newVictim(testKey(1), async (store) => {
      for (const n of range(150)) await store.set({ scope: account, name: `n${n}`, payload: `p${n}` })
      await store.addKey(testKey(2))
    })
    const store = await openStore(victim.location, { key: testKey(1) })
    const second = store.keys()[1]?.id as string
    const results = await Promise.all([
      codeOf(() => store.rotate()),
      codeOf(() => store.addKey(testKey(3))),
      codeOf(() => store.removeKey(second)),
      codeOf(() => store.removeKey(second)),
      codeOf(() => store.replaceKey(second, testKey(4))),
      codeOf(() => store.rotate()),
      codeOf(() => store.addKey(testKey(5))),
      ...range(50).map((n) => codeOf(() => store.set({ scope: account, name: `n${n}`, payload: `q${n}` }))),
    ])
    expect(results.filter((code) => code !== 'no error')).toEqual(['ERR_UNKNOWN_KEY', 'ERR_UNKNOWN_KEY'])
    const { dataKeys, slots } = await store.status()
    expect(dataKeys).toMatchObject([{ id: 3, active: true, records: 151 }])
    expect(slots).toHaveLength(3)
    expect((await store.verify()).problems).toEqual([])
    await store.close()
    const codes = []
    for (const fill of range(5)) {
      codes.push(
        await codeOf(async () => {
          const again = await openStore(victim.location, { key: testKey(fill + 1) })
          expect(await again.get({ scope: account, name: 'n7' })).toBe('q7')
          await again.close()
        }),
      )
    }
    expect(codes).toEqual(['no error', 'ERR_WRONG_KEY', 'no error', 'ERR_WRONG_KEY', 'no error'])
  })

  test('the last two keys cannot take each other away', async () => {
    const victim = await newVictim(testKey(1), (store) => store.addKey(testKey(2)))
    const store = await openStore(victim.location, { key: testKey(1) })
    const codes = await Promise.all(store.keys().map(({ id }) => codeOf(() => store.removeKey(id))))
    expect(codes).toEqual(['no error', 'ERR_LAST_KEY'])
    await store.close()
    expect(await refusal(victim.location, testKey(1))).toBe('ERR_WRONG_KEY')
    await openStore(victim.location, { key: testKey(2) })
  })

  test('two rotations of the root key at once: the second keeps the say', async () => {
    const victim = await newVictim(testKey(1), (store) => store.addKey(testKey(2)))
    const store = await openStore(victim.location, { key: testKey(1) })
    const codes = await Promise.all([
      codeOf(() => store.rotate({ root: true, keys: [testKey(1), testKey(2)] })),
      codeOf(() => store.rotate({ root: true, keys: [testKey(2)] })),
      codeOf(() => store.rotate({ root: true, keys: [testKey(1)] })),
    ])
    expect(codes).toEqual(['no error', 'no error', 'ERR_WRONG_KEY'])
    expect((await store.verify()).ok).toBe(true)
    await store.close()
    expect(await refusal(victim.location, testKey(1))).toBe('ERR_WRONG_KEY')
    expect(await (await openStore(victim.location, { key: testKey(2) })).get(SECRET)).toBe(PAYLOAD)
  })

  test('closed at any moment of a change of keys, the store opens with the old keys or the new', async () => {
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21, 34]) {
      const victim = await newVictim(testKey(1), (store) => store.addKey(testKey(2)))
      const store = await openStore(victim.location, { key: testKey(1) })
      const changes = [
        codeOf(() => store.addKey(testKey(3))),
        codeOf(() => store.rotate({ root: true, keys: [testKey(1)] })),
        codeOf(() => store.removeKey(store.keys()[1]?.id as string)),
      ]
      for (let turn = 0; turn < turns; turn++) await turnOfLoop()
      await store.close()
      for (const code of await Promise.all(changes)) {
        expect(['no error', 'ERR_CLOSED', 'ERR_UNKNOWN_KEY', 'ERR_LAST_KEY']).toContain(code)
      }
      expect([...(await filesOf(victim.location)).keys()].filter((name) => !name.startsWith('data'))).toEqual([
        'keyring.json',
      ])
      const opened = []
      for (const key of [testKey(1), testKey(2), testKey(3)]) {
        if ((await refusal(victim.location, key)).includes(PAYLOAD)) opened.push(key)
      }
      expect(opened.length).toBeGreaterThan(0)
    }
  })

  test('a signal that was aborted before, or a progress callback that throws, ends a rotation that the next call ends', async () => {
    const victim = await newVictim(testKey(1))
    const store = await openStore(victim.location, { key: testKey(1) })
    const reason = new Error('stopped before')
    await expect(store.rotate({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(Uint8Array.from(await readFile(keyringPath(victim.location)))).toEqual(victim.keyring)
    const onProgress = (): never => {
      throw reason
    }
    await expect(store.rotate({ onProgress })).rejects.toBe(reason)
    expect((await store.status()).dataKeys.map(({ id }) => id)).toEqual([1, 2])
    expect(await store.get(SECRET)).toBe(PAYLOAD)
    expect(await store.rotate()).toMatchObject({ dataKey: 2, records: 1 })
    expect((await store.status()).dataKeys.map(({ id }) => id)).toEqual([2])
  })
})
