import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argon2idAsync } from '@noble/hashes/argon2.js'
import { describe, expect, test, vi } from 'vitest'
import { concat, toBase64url, utf8 } from '../../../src/base/bytes'
import { createKeyringFile } from '../../../src/crypto/data-keys'
import { derive, sha256 } from '../../../src/crypto/derive'
import { readKeyringFile, sealKeyringFile } from '../../../src/crypto/keyring'
import { systemRandom } from '../../../src/crypto/random'
import { open as openSealed } from '../../../src/crypto/seal'
import { type SlotContext, unwrapRootKey, wrapRootKey } from '../../../src/crypto/slot'
import { LABEL } from '../../../src/format/constants'
import type { KeySlot } from '../../../src/format/keyring-file'
import {
  account,
  type KeyProvider,
  type PassphraseOptions,
  passphrase,
  rawKey,
  SecretStore,
  SecretStoreError,
  type SlotParams,
} from '../../../src/index'
import { unlock } from '../../../src/keys/unlock'
import { makeSlot } from '../../../src/keys/wrap'
import { nativeScrypt } from '../../../src/platform/scrypt'
import { codeOf, copyStore, directoryDigest, newLocation, openStore, testKey } from '../../support/stores'
import { collide } from '../../support/tamper'

// The real ones, with their calls counted: the bounds must hold before any work is done.
vi.mock('../../../src/platform/scrypt', { spy: true })
vi.mock('@noble/hashes/argon2.js', { spy: true })

/** The least scrypt takes: tests need not be slow. */
const FLOOR: PassphraseOptions = { N: 16_384 }
const ROOT_KEY = new Uint8Array(32).fill(1)
const CONTEXT: SlotContext = {
  storeId: new Uint8Array(16).fill(2),
  slotId: new Uint8Array(8).fill(3),
  kind: 'passphrase',
}

/** Rewrites the only slot of a store, under a right checksum, as anybody can who may write to the file. */
async function rewriteSlot(location: string, change: (params: Record<string, unknown>) => void): Promise<void> {
  const path = join(location, 'keyring.json')
  const { sha256: _, mac, ...json } = JSON.parse(await readFile(path, 'utf8'))
  change(json.slots[0].params)
  const body = JSON.stringify(json, null, 2).replace(/\n\}$/, '')
  const checksum = toBase64url(sha256(utf8(body)))
  await writeFile(path, `${body},\n  "sha256": "${checksum}",\n  "mac": "${mac}"\n}\n`)
}

async function newStore(key: KeyProvider): Promise<string> {
  const location = await newLocation()
  const store = await openStore(location, { key })
  await store.set({ scope: account, name: 'n', payload: 'p' })
  await store.close()
  return location
}

describe('passphrase', () => {
  test('the same characters in another normal form are the same passphrase, other characters are not', async () => {
    const params = await passphrase('caf\u{e9} \u{212b}', FLOOR).wrap(ROOT_KEY, CONTEXT)
    expect(await passphrase('cafe\u{301} A\u{30a}').unwrap(params, CONTEXT)).toEqual(ROOT_KEY)
    expect(await passphrase('cafe A\u{30a}').unwrap(params, CONTEXT)).toBeNull()
    // NFC, not NFKC: what only looks alike stays apart.
    const ligature = await passphrase('\u{fb01}', FLOOR).wrap(ROOT_KEY, CONTEXT)
    expect(await passphrase('fi').unwrap(ligature, CONTEXT)).toBeNull()
  })

  test('bytes are taken as they are, and are the text they encode in normal form C', async () => {
    const params = await passphrase('caf\u{e9}', FLOOR).wrap(ROOT_KEY, CONTEXT)
    expect(await passphrase(utf8('caf\u{e9}')).unwrap(params, CONTEXT)).toEqual(ROOT_KEY)
    expect(await passphrase(utf8('cafe\u{301}')).unwrap(params, CONTEXT)).toBeNull()
  })

  test('what the caller does to its bytes afterwards changes nothing', async () => {
    const secret = utf8('secret')
    const provider = passphrase(secret, FLOOR)
    const params = await provider.wrap(ROOT_KEY, CONTEXT)
    secret.fill(0)
    expect(await provider.unwrap(params, CONTEXT)).toEqual(ROOT_KEY)
  })

  test('spaces and case count', async () => {
    const params = await passphrase('Secret', FLOOR).wrap(ROOT_KEY, CONTEXT)
    for (const other of ['secret', 'Secret ', ' Secret', '\0Secret']) {
      expect(await passphrase(other).unwrap(params, CONTEXT)).toBeNull()
    }
  })

  test('zeros at the end of one do not count under scrypt, whose HMAC fills short keys up with zeros', async () => {
    const params = await passphrase('Secret', FLOOR).wrap(ROOT_KEY, CONTEXT)
    expect(await passphrase('Secret\0').unwrap(params, CONTEXT)).toEqual(ROOT_KEY)
  })

  test.each([
    '',
    new Uint8Array(),
    '\ud800',
    'a\udc00b',
    undefined,
    null,
    1,
    {},
    ['p'],
    new ArrayBuffer(4),
    new Uint16Array(4),
  ])('%j is refused', (secret) => {
    expect(() => passphrase(secret as string)).toThrow(
      new TypeError('passphrase: expected well-formed text or bytes, not empty, got something else'),
    )
  })

  test('options that are wrong are refused before anything is done', () => {
    const refusals: readonly [unknown, ErrorConstructor, string][] = [
      [{ N: 8192 }, RangeError, 'scrypt N: expected an integer from 16384 to 1048576, got 8192'],
      [{ N: 2 ** 21 }, RangeError, 'scrypt N: expected an integer from 16384 to 1048576, got 2097152'],
      [{ N: 20_000 }, RangeError, 'scrypt N: expected a power of two, got 20000'],
      [{ N: '16384' }, RangeError, 'scrypt N: expected an integer from 16384 to 1048576, got 16384'],
      [{ N: null }, RangeError, 'scrypt N: expected an integer from 16384 to 1048576, got null'],
      [{ r: 7 }, RangeError, 'scrypt r: expected an integer from 8 to 16, got 7'],
      [{ N: 2 ** 20, r: 16 }, RangeError, 'scrypt N·r: expected at most 1 GiB of memory, got more'],
      [{ p: 17 }, RangeError, 'scrypt p: expected an integer from 1 to 16, got 17'],
      [{ kdf: 'argon2id', m: 100 }, RangeError, 'argon2id m: expected an integer from 19456 to 1048576, got 100'],
      [{ kdf: 'argon2id', t: 17 }, RangeError, 'argon2id t: expected an integer from 2 to 16, got 17'],
      [{ kdf: 'argon2id', p: 2 }, RangeError, 'argon2id p: expected an integer from 1 to 1, got 2'],
      [{ kdf: 'argon2id', N: 16_384 }, TypeError, "passphrase options: expected the costs of argon2id, got 'N'"],
      [{ m: 65_536 }, TypeError, "passphrase options: expected the costs of scrypt, got 'm'"],
      [{ kdf: 'pbkdf2' }, TypeError, "kdf: expected 'scrypt' or 'argon2id', got another"],
      [{ label: '' }, TypeError, 'label: expected at least one character, got none'],
      [{ label: 'x'.repeat(201) }, RangeError, 'label: expected at most 200 characters, got more'],
      [{ lable: 'x' }, TypeError, "passphrase options: expected only kdf, N, r, p, m, t, label, got 'lable'"],
      [null, TypeError, 'passphrase options: expected an object, got null'],
    ]
    for (const [options, type, message] of refusals) {
      expect(() => passphrase('p', options as PassphraseOptions)).toThrow(type)
      expect(() => passphrase('p', options as PassphraseOptions)).toThrow(message)
    }
  })

  test('a slot says how it was made, so that other options open it too', async () => {
    const location = await newStore(passphrase('p', { N: 32_768, r: 9, p: 2, label: 'mine' }))
    const { slots } = JSON.parse(await readFile(join(location, 'keyring.json'), 'utf8'))
    expect(slots).toMatchObject([
      { kind: 'passphrase', label: 'mine', params: { kdf: 'scrypt', N: 32_768, r: 9, p: 2 } },
    ])
    expect(Object.keys(slots[0].params)).toEqual(['kdf', 'N', 'r', 'p', 'salt', 'commitment', 'wrapped'])
    const store = await openStore(location, { key: passphrase('p', { kdf: 'argon2id' }) })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })

  test('an Argon2id slot at the floor works from end to end', async () => {
    const location = await newStore(passphrase('p', { kdf: 'argon2id', m: 19_456, t: 2 }))
    const store = await openStore(location, { key: passphrase('p') })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
    await store.close()
    expect(await codeOf(() => openStore(location, { key: passphrase('q') }))).toBe('ERR_WRONG_KEY')
  })

  test('a stored cost out of bounds is ERR_CORRUPT before any work is done, and nothing is changed', async () => {
    const location = await newStore(passphrase('p', FLOOR))
    const costs: readonly Record<string, unknown>[] = [
      { N: 8192 },
      { N: 2 ** 21 },
      { N: 2 ** 30 },
      { N: 16_385 },
      { N: '16384' },
      { r: 1 },
      { r: 1000 },
      { N: 2 ** 20, r: 16 },
      { p: 0 },
      { p: 1000 },
      { kdf: 'argon2id' },
      { kdf: 'argon2id', m: 8, t: 1 },
      { kdf: 'argon2id', m: 2 ** 21, t: 2 },
      { kdf: 'argon2id', m: 19_456, t: 1000 },
      { kdf: 'argon2id', m: 19_456, t: 2, p: 4 },
      { kdf: 'none' },
      { kdf: 1 },
    ]
    for (const cost of costs) {
      const altered = await newLocation()
      await copyStore(location, altered)
      await rewriteSlot(altered, (params) => Object.assign(params, cost))
      const before = await directoryDigest(altered)
      vi.mocked(nativeScrypt).mockClear()
      vi.mocked(argon2idAsync).mockClear()
      expect([cost, await codeOf(() => openStore(altered, { key: passphrase('p') }))]).toEqual([cost, 'ERR_CORRUPT'])
      expect(nativeScrypt).not.toHaveBeenCalled()
      expect(argon2idAsync).not.toHaveBeenCalled()
      expect(await directoryDigest(altered)).toBe(before)
    }
    vi.mocked(nativeScrypt).mockClear()
    await openStore(location, { key: passphrase('p') })
    expect(nativeScrypt).toHaveBeenCalledTimes(1)
  })

  test('a slot with a part missing or of another length is ERR_CORRUPT', async () => {
    const location = await newStore(passphrase('p', FLOOR))
    for (const part of ['kdf', 'N', 'salt', 'commitment', 'wrapped']) {
      for (const value of [undefined, 'AAAA', 7]) {
        const altered = await newLocation()
        await copyStore(location, altered)
        await rewriteSlot(altered, (params) => {
          if (value === undefined) delete params[part]
          else params[part] = value
        })
        expect([part, await codeOf(() => openStore(altered, { key: passphrase('p') }))]).toEqual([part, 'ERR_CORRUPT'])
      }
    }
  })

  test('a cost that is within bounds but not the one of the slot is a wrong key, not a way in', async () => {
    const location = await newStore(passphrase('p', FLOOR))
    await rewriteSlot(location, (params) => Object.assign(params, { N: 32_768 }))
    expect(await codeOf(() => openStore(location, { key: passphrase('p') }))).toBe('ERR_WRONG_KEY')
  })

  test('a label that was altered under the right checksum is found by the MAC', async () => {
    const location = await newStore(testKey())
    await rewriteSlot(location, (params) => Object.assign(params, { extra: 1 }))
    expect(await codeOf(() => openStore(location))).toBe('ERR_CORRUPT')
  })
})

describe('raw key', () => {
  test('anything but 32 bytes is refused, and so are unknown options', () => {
    expect(() => rawKey('x'.repeat(32) as unknown as Uint8Array)).toThrow(
      new TypeError('raw key: expected a Uint8Array, got string'),
    )
    for (const length of [0, 16, 31, 33, 64]) {
      expect(() => rawKey(new Uint8Array(length))).toThrow(new RangeError(`raw key: expected 32 bytes, got ${length}`))
    }
    const key = new Uint8Array(32)
    expect(() => rawKey(key, { label: 1 } as unknown as object)).toThrow('label: expected a string, got a number')
    expect(() => rawKey(key, { Label: 'x' } as unknown as object)).toThrow(
      "raw key options: expected only label, got 'Label' (did you mean 'label'?)",
    )
    expect(() => rawKey(key, null as unknown as object)).toThrow('raw key options: expected an object, got null')
  })

  test('is copied, and its label is kept', async () => {
    const secret = new Uint8Array(32).fill(5)
    const key = rawKey(secret, { label: 'laptop' })
    secret.fill(0)
    const location = await newStore(key)
    const { slots } = JSON.parse(await readFile(join(location, 'keyring.json'), 'utf8'))
    expect(slots).toMatchObject([{ kind: 'raw-key', label: 'laptop' }])
    await openStore(location, { key: rawKey(new Uint8Array(32).fill(5)) })
  })

  test('a thousand wrong ones are ERR_WRONG_KEY each, and not a byte on disk changes', async () => {
    const location = await newStore(testKey())
    const before = await directoryDigest(location)
    for (let attempt = 0; attempt < 1000; attempt++) {
      // Random ones, and every one that is a single bit away.
      const secret = attempt < 256 ? new Uint8Array(32).fill(7) : systemRandom(32)
      if (attempt < 256) secret[attempt >> 3] = 7 ^ (1 << (attempt & 7))
      const code = await codeOf(() => SecretStore.open(location, { key: rawKey(secret) }))
      if (code !== 'ERR_WRONG_KEY') expect.unreachable(`attempt ${attempt}: ${code}`)
    }
    expect(await directoryDigest(location)).toBe(before)
    const store = await openStore(location)
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
  })
})

describe('key slots', () => {
  const secret = new Uint8Array(32).fill(9)

  test('unwrapping is the inverse of wrapping, for the same secret and the same place alone', () => {
    const params = wrapRootKey(secret, ROOT_KEY, CONTEXT, systemRandom)
    expect(unwrapRootKey(secret, params, CONTEXT)).toEqual(ROOT_KEY)
    expect(unwrapRootKey(new Uint8Array(32), params, CONTEXT)).toBeNull()
    for (const moved of [
      { ...CONTEXT, storeId: new Uint8Array(16).fill(4) },
      { ...CONTEXT, slotId: new Uint8Array(8).fill(4) },
      { ...CONTEXT, kind: 'raw-key' },
    ]) {
      expect(unwrapRootKey(secret, params, moved)).toBeNull()
    }
  })

  test('a commitment that is not the secret\u{2019}s is null, a wrapped key that is not the committed one is ERR_CORRUPT', async () => {
    const params = wrapRootKey(secret, ROOT_KEY, CONTEXT, systemRandom)
    const foreign = wrapRootKey(new Uint8Array(32), ROOT_KEY, CONTEXT, systemRandom)
    expect(unwrapRootKey(secret, { ...params, commitment: foreign.commitment }, CONTEXT)).toBeNull()
    expect(await codeOf(() => unwrapRootKey(secret, { ...params, wrapped: foreign.wrapped }, CONTEXT))).toBe(
      'ERR_CORRUPT',
    )
    const wrapped = Buffer.from(params.wrapped, 'base64url')
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      wrapped[bit >> 3] = (wrapped[bit >> 3] as number) ^ (1 << (bit & 7))
      const altered = { ...params, wrapped: wrapped.toString('base64url') }
      expect(await codeOf(() => unwrapRootKey(secret, altered, CONTEXT))).toBe('ERR_CORRUPT')
      wrapped[bit >> 3] = (wrapped[bit >> 3] as number) ^ (1 << (bit & 7))
    }
  })

  test('a wrapped key built to open under two secrets opens for neither but the committed one', () => {
    const other = new Uint8Array(32).fill(10)
    const bound = concat(CONTEXT.storeId, CONTEXT.slotId, utf8(CONTEXT.kind))
    const wrapKeys = [secret, other].map((one) => derive(one, LABEL.slotWrap, bound)) as [Uint8Array, Uint8Array]
    const forged = collide(wrapKeys, bound)
    // The attack is real: the AEAD alone takes it for genuine under both.
    for (const key of wrapKeys) expect(openSealed(key, forged, bound)).toHaveLength(32)
    const { commitment } = wrapRootKey(secret, ROOT_KEY, CONTEXT, systemRandom)
    const params = { commitment, wrapped: toBase64url(forged) }
    expect(unwrapRootKey(secret, params, CONTEXT)).toHaveLength(32)
    expect(unwrapRootKey(other, params, CONTEXT)).toBeNull()
  })

  test('a slot that was moved into another store does not open it', async () => {
    const [one, two] = [await newStore(testKey(1)), await newStore(testKey(2))]
    const read = async (location: string): Promise<Record<string, { params: object }[]>> =>
      JSON.parse(await readFile(join(location, 'keyring.json'), 'utf8'))
    const stolen = (await read(one))['slots']?.[0]?.params ?? {}
    await rewriteSlot(two, (params) => Object.assign(params, stolen))
    expect(await codeOf(() => openStore(two, { key: testKey(1) }))).toBe('ERR_WRONG_KEY')
    expect(await codeOf(() => openStore(two, { key: testKey(2) }))).toBe('ERR_WRONG_KEY')
  })

  test('slots of other kinds are passed over, and the first of its own that opens is taken', async () => {
    const storeId = CONTEXT.storeId
    const slotOf = (key: KeyProvider): Promise<KeySlot> => makeSlot(key, ROOT_KEY, storeId, 0, systemRandom)
    const unknown = { ...(await slotOf(testKey(1))), kind: 'from-the-future', params: { anything: 'at all' } }
    const slots = [unknown, await slotOf(passphrase('p', FLOOR)), await slotOf(testKey(1)), await slotOf(testKey(2))]
    const file = createKeyringFile(ROOT_KEY, { storeId, created: 0, names: 'plain', slots }, systemRandom)
    const unverified = readKeyringFile(sealKeyringFile(file, ROOT_KEY))
    for (const key of [testKey(1), testKey(2), passphrase('p')]) {
      expect(await unlock(unverified, key)).toEqual({ file, rootKey: ROOT_KEY })
    }
    await expect(unlock(unverified, testKey(3))).rejects.toThrow(
      'key: expected one that opens a slot of this store (from-the-future, passphrase, raw-key), got raw-key, which opens none',
    )
  })

  test('a slot that cannot be read does not stand before one that opens, and is reported if none does', async () => {
    const storeId = CONTEXT.storeId
    const good = await makeSlot(testKey(1), ROOT_KEY, storeId, 0, systemRandom)
    const damaged = { ...good, id: new Uint8Array(8), params: { commitment: 'x', wrapped: 'y' } }
    const file = createKeyringFile(
      ROOT_KEY,
      { storeId, created: 0, names: 'plain', slots: [damaged, good] },
      systemRandom,
    )
    const unverified = readKeyringFile(sealKeyringFile(file, ROOT_KEY))
    expect(await unlock(unverified, testKey(1))).toEqual({ file, rootKey: ROOT_KEY })
    expect(await codeOf(() => unlock(unverified, testKey(2)))).toBe('ERR_CORRUPT')
  })

  test('a root key that opens a slot but not the MAC is ERR_CORRUPT', async () => {
    const slot = await makeSlot(testKey(1), new Uint8Array(32).fill(8), CONTEXT.storeId, 0, systemRandom)
    const fields = { storeId: CONTEXT.storeId, created: 0, names: 'plain', slots: [slot] } as const
    const file = createKeyringFile(ROOT_KEY, fields, systemRandom)
    const unverified = readKeyringFile(sealKeyringFile(file, ROOT_KEY))
    expect(await codeOf(() => unlock(unverified, testKey(1)))).toBe('ERR_CORRUPT')
  })
})

describe('a key provider of one\u{2019}s own', () => {
  /** Keeps root keys in memory and writes the number of each into the slot. */
  function keychain(overrides: Partial<KeyProvider> = {}): KeyProvider {
    const kept: Uint8Array[] = []
    return {
      kind: 'my-keychain',
      label: 'test',
      wrap: async (rootKey) => ({ entry: kept.push(Uint8Array.from(rootKey)) - 1 }),
      unwrap: async ({ entry }) => kept[entry as number]?.slice() ?? null,
      ...overrides,
    }
  }

  test('works as the built-in ones do', async () => {
    const key = keychain()
    const location = await newStore(key)
    const { slots } = JSON.parse(await readFile(join(location, 'keyring.json'), 'utf8'))
    expect(slots).toMatchObject([{ kind: 'my-keychain', label: 'test', params: { entry: 0 } }])
    const store = await openStore(location, { key })
    expect(await store.get({ scope: account, name: 'n' })).toBe('p')
    await store.close()
    expect(await codeOf(() => openStore(location, { key: keychain() }))).toBe('ERR_WRONG_KEY')
    expect(await codeOf(() => openStore(location))).toBe('ERR_WRONG_KEY')
  })

  test('is told which store, slot and kind it is asked about, the same both times', async () => {
    const seen: SlotContext[] = []
    const key = keychain()
    const watched: KeyProvider = {
      ...key,
      wrap: async (rootKey, context) => {
        seen.push(context)
        return key.wrap(rootKey, context)
      },
      unwrap: async (params, context) => {
        seen.push(context)
        return key.unwrap(params, context)
      },
    }
    const location = await newStore(watched)
    await openStore(location, { key: watched })
    expect(seen.length).toBeGreaterThanOrEqual(2)
    for (const context of seen) expect(context).toEqual(seen[0])
    expect(seen[0]).toMatchObject({ kind: 'my-keychain' })
  })

  test('that returns a root key of another length is ERR_CORRUPT', async () => {
    const location = await newStore(keychain())
    for (const length of [0, 16, 33]) {
      const key = keychain({ unwrap: async () => new Uint8Array(length) })
      await expect(openStore(location, { key })).rejects.toThrow(`root key: expected 32 bytes, got ${length}`)
      expect(await codeOf(() => openStore(location, { key }))).toBe('ERR_CORRUPT')
    }
  })

  test('that fails, fails the opening with its own error, and nothing is left behind', async () => {
    const failure = new SecretStoreError('ERR_IO', 'keychain: locked')
    const fail = async (): Promise<never> => {
      throw failure
    }
    const location = await newLocation()
    await expect(openStore(location, { key: keychain({ wrap: fail }) })).rejects.toBe(failure)
    await expect(stat(location)).rejects.toThrow('ENOENT')
    const made = await newStore(keychain())
    await expect(openStore(made, { key: keychain({ unwrap: fail }) })).rejects.toBe(failure)
  })

  test.each<[string, Partial<KeyProvider>]>([
    ['a kind that keyring.json cannot hold', { kind: 'My Keychain' }],
    ['no kind', { kind: '' }],
    ['a label that is no text', { label: 1 as unknown as string }],
    ['bytes in its slot', { wrap: async () => ({ key: new Uint8Array(4) }) as unknown as SlotParams }],
    ['a fraction in its slot', { wrap: async () => ({ cost: 0.5 }) }],
    ['nothing for its slot', { wrap: async () => undefined as unknown as SlotParams }],
    ['more than keyring.json may hold', { wrap: async () => ({ blob: 'x'.repeat(300_000) }) }],
  ])('with %s is refused before it makes a store that could never be opened again', async (_, overrides) => {
    const location = await newLocation()
    expect(await codeOf(() => openStore(location, { key: keychain(overrides) }))).not.toBe('no error')
    await expect(stat(location)).rejects.toThrow('ENOENT')
  })

  test.each([
    undefined,
    null,
    'passphrase',
    new Uint8Array(32),
    {},
    { kind: 'x', wrap: async () => ({}) },
    { kind: 1, wrap: async () => ({}), unwrap: async () => null },
  ])('%j is no key provider', async (key) => {
    await expect(openStore(await newLocation(), { key: key as KeyProvider })).rejects.toThrow(
      new TypeError(
        'key: expected a key provider such as passphrase(\u{2026}) or rawKey(\u{2026}), got something else',
      ),
    )
  })
})

test('wrong key, damage, rollback, lock and closed are five different codes', async () => {
  const location = await newLocation()
  const store = await openStore(location)
  await store.set({ scope: account, name: 'n', payload: 'p' })
  const older = await newLocation()
  await copyStore(location, older)
  await store.set({ scope: account, name: 'n', payload: 'q' })
  const minimum = await store.checkpoint()
  const lock = await codeOf(() => openStore(location))
  await store.close()
  const closed = await codeOf(() => store.get({ scope: account, name: 'n' }))
  const wrongKey = await codeOf(() => openStore(location, { key: testKey(8) }))
  const rollback = await codeOf(() => openStore(older, { minimum }))
  const keyring = await readFile(join(older, 'keyring.json'))
  await writeFile(join(older, 'keyring.json'), keyring.fill(0x20, 100, 101))
  const damage = await codeOf(() => openStore(older))
  expect({ wrongKey, damage, rollback, lock, closed }).toEqual({
    wrongKey: 'ERR_WRONG_KEY',
    damage: 'ERR_CORRUPT',
    rollback: 'ERR_ROLLBACK',
    lock: 'ERR_LOCKED',
    closed: 'ERR_CLOSED',
  })
})
