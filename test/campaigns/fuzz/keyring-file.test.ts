import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { concat, equal, fromBase64url, toBase64url, utf8 } from '../../../src/base/bytes'
import { createKeyringFile } from '../../../src/crypto/data-keys'
import { derive, mac, sha256 } from '../../../src/crypto/derive'
import { Keyring, readKeyringFile, sealKeyringFile } from '../../../src/crypto/keyring'
import { systemRandom } from '../../../src/crypto/random'
import { LABEL, MAX_UNLOCK_WORK } from '../../../src/format/constants'
import { encodeKeyringFile, type KeyringFile, type KeySlot } from '../../../src/format/keyring-file'
import { generateRecoveryCode, type KeyProvider, passphrase, rawKey, recoveryCode } from '../../../src/index'
import { checkReadable, unlock } from '../../../src/keys/unlock'
import { makeSlot } from '../../../src/keys/wrap'
import { campaign, type Draws, times } from '../../support/campaign'
import { readJson } from '../../support/tamper'
import { tell } from './figures'
import { type Decoder, expectThat, fuzz, isCoded, isUsage } from './fuzz'
import { buried, changedJson, JSON_WORDS, nextInput } from './inputs'

const FILE = 'campaigns/fuzz/keyring-file.test.ts'

/** What was asked of the machine, in default passphrases. The work itself would take minutes. */
let work = 0
const stretched = (password: Uint8Array, salt: Uint8Array): Uint8Array =>
  createHash('sha256').update(password).update(salt).digest()

vi.mock('../../../src/platform/scrypt', () => ({
  nativeScrypt: async (password: Uint8Array, salt: Uint8Array, { N, r, p }: Record<'N' | 'r' | 'p', number>) => {
    work += (N * r * p) / (131_072 * 8)
    return stretched(password, salt)
  },
}))
vi.mock('@noble/hashes/argon2.js', () => ({
  argon2idAsync: async (password: Uint8Array, salt: Uint8Array, { m, t }: Record<'m' | 't', number>) => {
    work += (m * t) / (65_536 * 3)
    return stretched(password, salt)
  },
}))

const ROOT_KEY = new Uint8Array(32).fill(7)
const STORE_ID = new Uint8Array(16).fill(3)
const CODE = generateRecoveryCode()
const PROVIDERS: readonly KeyProvider[] = [
  rawKey(new Uint8Array(32).fill(1), { label: 'raw' }),
  recoveryCode(CODE),
  passphrase('a', { N: 16_384 }),
  passphrase('a', { kdf: 'argon2id', m: 19_456, t: 2 }),
  passphrase('another'),
]

async function slotsOf(providers: readonly KeyProvider[]): Promise<KeySlot[]> {
  return Promise.all(providers.map((provider) => makeSlot(provider, ROOT_KEY, STORE_ID, 5, systemRandom)))
}

/** Of either version, and with as many keys as a rotation leaves for a while. */
async function someFiles(): Promise<Uint8Array[]> {
  const create = (slots: readonly KeySlot[]): KeyringFile =>
    createKeyringFile(ROOT_KEY, { storeId: STORE_ID, created: 1, names: 'plain', slots }, systemRandom)
  const plain = create(await slotsOf(PROVIDERS.slice(0, 1)))
  const full = create(await slotsOf(PROVIDERS))
  const changed = { ...full, names: 'sealed', change: { generation: 3, sequence: 2 ** 53 - 1 } } as const
  const files = [plain, full, changed, { ...create(await slotsOf(PROVIDERS.slice(2, 4))), change: changed.change }]
  return files.map((file) => sealKeyringFile(file, ROOT_KEY))
}

const files = await someFiles()
const WORDS = [
  ...JSON_WORDS,
  ...['"slots": [', '"params": {', '"kdf": "scrypt"', '"N": -16384', '"version": 3', ',\n  "sha256": "'].map(utf8),
  ...[',\n  "mac": "', '"\n}\n', '"\r\n}\r\n', '\ufeff', '"format": "secret-store",'].map(utf8),
]

/** A body, whatever it is, closed as the holder of the root key would close it. */
function signed(body: Uint8Array): Uint8Array {
  const checked = concat(body, utf8(`,\n  "sha256": "${toBase64url(sha256(body))}"`))
  const macKey = derive(ROOT_KEY, LABEL.keyringMac, storeIdIn(body))
  return concat(checked, utf8(`,\n  "mac": "${toBase64url(mac(macKey, checked))}"\n}\n`))
}

function storeIdIn(body: Uint8Array): Uint8Array {
  const [, text = ''] = /"store": "([\w-]*)"/.exec(Buffer.from(body).toString('latin1')) ?? []
  return fromBase64url(text) ?? STORE_ID
}

function bodyOf(file: Uint8Array): Uint8Array {
  return file.subarray(0, Buffer.from(file).indexOf(',\n  "sha256": "'))
}

/** A body with something done to its values, or to its text. */
function changedBody(draws: Draws): Uint8Array {
  const file = draws.pick(files)
  if (draws.below(4) === 0) return nextInput([bodyOf(file)], WORDS, draws)
  const { sha256: _, mac: __, ...json } = readJson(file)
  const changed = changedJson(json as never, draws)
  const text = JSON.stringify(changed, null, 2)?.replace(/\n\}$/, '') ?? ''
  return utf8(draws.below(50) === 0 ? buried(text, draws) : text)
}

/** What is read can be written, and then reads as the same for ever. */
function checkRewritten(file: KeyringFile): void {
  checkParts(file)
  const first = encoded(file)
  if (first === undefined) return
  const second = encoded(checkReadable(first).file)
  expectThat(second !== undefined && equal(first, second), 'expected it to be written as it was read, got another file')
}

function checkParts({ storeId, slots, keys, indexKey, change }: KeyringFile): void {
  const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  expectThat(storeId.length === 16 && indexKey.length === 72, 'expected keys of their lengths, got others')
  expectThat(slots.length > 0 && slots.length <= 32 && keys.length > 0, 'expected slots and keys, got none')
  for (const { id, created, params } of slots) {
    expectThat(id.length === 8 && isWhole(created), 'expected an id and a time of each slot, got others')
    const areParams = Object.values(params).every((value) => typeof value === 'string' || Number.isSafeInteger(value))
    expectThat(areParams, 'expected text and integers in a slot, got others')
  }
  for (const [index, { id, wrapped }] of keys.entries()) {
    expectThat(id > (keys[index - 1]?.id ?? 0) && id <= 0xffff_ffff, 'expected ascending ids of keys, got others')
    expectThat(wrapped.length === 72, 'expected wrapped keys of 72 bytes, got others')
  }
  const isChange = change === undefined || (isWhole(change.sequence) && isWhole(change.generation - 1))
  expectThat(isChange, 'expected a generation and a sequence, got others')
}

/** `undefined` if, laid out as it is written, it is longer than a file may be. */
function encoded(file: KeyringFile): Uint8Array | undefined {
  try {
    return encodeKeyringFile(file, sha256, (bytes) => mac(ROOT_KEY, bytes))
  } catch (error) {
    if (isUsage(error)) return undefined
    throw error
  }
}

const isRefusal = (error: unknown): boolean => isCoded(error, 'ERR_CORRUPT', 'ERR_UNSUPPORTED_VERSION')

const DECODERS: readonly Decoder[] = [
  {
    name: 'keyring.json',
    seeds: files,
    words: WORDS,
    refuses: isRefusal,
    decode: (input) => checkRewritten(readKeyringFile(input).file),
  },
  {
    name: 'keyring.json with its checksum made right',
    seeds: files.map(bodyOf),
    words: WORDS,
    make: changedBody,
    refuses: isRefusal,
    decode: (input) => checkRewritten(readKeyringFile(signed(input)).file),
  },
  {
    name: 'slots and keys with checksum and MAC made right',
    seeds: files.map(bodyOf),
    words: WORDS,
    make: changedBody,
    refuses: (error) => isRefusal(error) || isCoded(error, 'ERR_WRONG_KEY'),
    decode: async (input) => {
      const unverified = readKeyringFile(signed(input))
      const reached = await Promise.allSettled(PROVIDERS.map((provider) => open(unverified, provider)))
      const refused = reached.find((outcome) => outcome.status === 'rejected')
      if (refused !== undefined) throw refused.reason
    },
  },
]

async function open(unverified: ReturnType<typeof readKeyringFile>, provider: KeyProvider): Promise<void> {
  const { file, rootKey } = await unlock(unverified, provider)
  expectThat(equal(rootKey, ROOT_KEY), 'expected the root key, got another')
  new Keyring(file, rootKey, systemRandom).wipe()
}

describe('whatever keyring.json is, it is read or refused', () => {
  test.each(DECODERS)('$name', async (decoder) => {
    const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(2500, 200_000)))
    tell(decoder.name, figures)
    expect(figures.accepted).toBeGreaterThan(figures.inputs / 1000)
    expect(figures.refused).toBeGreaterThan(0)
  })
})

/** Anybody can put slots into a keyring.json and make its checksum right: what it asks for is seen to before any of it. */
test('whatever the slots ask for, opening them is no more work than is allowed', async () => {
  const asked = { most: 0 }
  const decoder: Decoder = {
    name: 'work that slots ask for',
    seeds: files.map(bodyOf),
    make: costlyBody,
    refuses: (error) => isRefusal(error) || isCoded(error, 'ERR_WRONG_KEY'),
    decode: async (input) => {
      work = 0
      try {
        await unlock(readKeyringFile(signed(input)), passphrase('a wrong one'))
      } finally {
        asked.most = Math.max(asked.most, work)
        expectThat(work <= MAX_UNLOCK_WORK, `expected the work of ${MAX_UNLOCK_WORK} passphrases at most, got ${work}`)
      }
    },
  }
  const figures = await campaign(FILE, (draws) => fuzz(decoder, draws, times(1000, 50_000)))
  tell(decoder.name, figures)
  expect(asked.most).toBeGreaterThan(MAX_UNLOCK_WORK / 8)
})

const COSTS: readonly object[] = [
  ...[-(2 ** 53 - 1), -(2 ** 20), 0, 1, 16_384, 2 ** 17, 2 ** 20, 2 ** 53 - 1].map((N) => ({ kdf: 'scrypt', N })),
  ...[-16, 8, 16].flatMap((r) => [1, -1, 16].map((p) => ({ r, p }))),
  ...[-(2 ** 53 - 1), 19_456, 2 ** 20].flatMap((m) => [2, -16, 16].map((t) => ({ kdf: 'argon2id', m, t, p: 1 }))),
]

test('a slot that asks for less than nothing does not pay for others', async () => {
  const most = { kdf: 'argon2id', m: 2 ** 20, t: 16, p: 1 }
  const body = bodyWithSlots(files[1] as Uint8Array, [most, most, { ...most, m: -(2 ** 20) }])
  await unlock(readKeyringFile(signed(body)), passphrase('a wrong one')).catch((error) => {
    if (!isRefusal(error)) throw error
  })
  expect(work).toBeLessThanOrEqual(MAX_UNLOCK_WORK)
})

/** @param costs - Of each slot, in place of those of a slot that is there. */
function bodyWithSlots(file: Uint8Array, costs: readonly object[]): Uint8Array {
  const { sha256: _, mac: __, ...json } = readJson(file)
  const passphrases = json.slots.filter(({ kind }) => kind === 'passphrase')
  const slots = costs.map((cost, n) => {
    const slot = passphrases[n % passphrases.length]
    return { ...slot, id: toBase64url(new Uint8Array(8).fill(n)), params: { ...slot?.params, ...cost } }
  })
  return utf8(JSON.stringify({ ...json, slots }, null, 2).replace(/\n\}$/, ''))
}

function costlyBody(draws: Draws): Uint8Array {
  const cost = (): object => Object.assign({}, ...Array.from({ length: draws.below(3) }, () => draws.pick(COSTS)))
  return bodyWithSlots(draws.pick(files.slice(1)), Array.from({ length: 1 + draws.below(32) }, cost))
}

beforeEach(() => {
  work = 0
})
