import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { xchacha20 } from '@noble/ciphers/chacha.js'
import { expect } from 'vitest'
import { concat, fromBase64url, toBase64url, utf8 } from '../../src/base/bytes'
import { derive, mac, sha256 } from '../../src/crypto/derive'
import { LABEL } from '../../src/format/constants'
import { account, type KeyProvider, rawKey, type Scope, SecretStore } from '../../src/index'
import { codeOf, directoryDigest, openStore } from './stores'
import { HANGS_MS } from './waiting'

/** keyring.json as a forger sees it: text and numbers that can be moved about. */
export interface KeyringJson {
  format: string
  version: unknown
  store: string
  created: number
  names: string
  generation?: number
  sequence?: number
  slots: SlotJson[]
  keys: DataKeyJson[]
  indexKey: string
  [more: string]: unknown
}

export interface SlotJson {
  id: string
  kind: string
  label: string | null
  created: number
  params: Record<string, unknown>
}

export interface DataKeyJson {
  id: number
  created: number
  wrapped: string
}

export function readJson(keyring: Uint8Array): KeyringJson & { readonly sha256: string; readonly mac: string } {
  return JSON.parse(Buffer.from(keyring).toString('utf8'))
}

type Change = (json: KeyringJson) => void

function bodyOf(keyring: Uint8Array, change: Change): { body: string; sha256: string; mac: string } {
  const { sha256, mac, ...json } = readJson(keyring)
  change(json)
  return { body: JSON.stringify(json, null, 2).replace(/\n\}$/, ''), sha256, mac }
}

function closed(body: string, checksum: string, mac: string): Uint8Array {
  return utf8(`${body},\n  "sha256": "${checksum}",\n  "mac": "${mac}"\n}\n`)
}

/** What an editor makes of it. */
export function naive(keyring: Uint8Array, change: Change): Uint8Array {
  const { body, sha256, mac } = bodyOf(keyring, change)
  return closed(body, sha256, mac)
}

/** What anybody can make of it who has read the format: the checksum is right, the MAC cannot be. */
export function resummed(keyring: Uint8Array, change: Change): Uint8Array {
  const { body, mac } = bodyOf(keyring, change)
  return closed(body, toBase64url(sha256(utf8(body))), mac)
}

/** The text of a whole file with its checksum made right, whatever else is in it. */
export function resummedText(text: string): Uint8Array {
  const body = text.slice(0, text.indexOf(',\n  "sha256": "'))
  return closed(body, toBase64url(sha256(utf8(body))), JSON.parse(text).mac)
}

/** What the holder of a root key can make of it. */
export function signed(keyring: Uint8Array, change: Change, rootKey: Uint8Array): Uint8Array {
  const { body } = bodyOf(keyring, change)
  const { store } = readJson(utf8(`${body}}`))
  const checksum = toBase64url(sha256(utf8(body)))
  const macKey = derive(rootKey, LABEL.keyringMac, fromBase64url(store) as Uint8Array)
  return closed(body, checksum, toBase64url(mac(macKey, utf8(`${body},\n  "sha256": "${checksum}"`))))
}

/** The same bytes with one bit the other way. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

export const SECRET: { readonly scope: Scope; readonly name: string } = { scope: account, name: 'the name' }
export const PAYLOAD = 'the payload'

/** A closed store with one secret in it, as it was before anybody laid hands on it. */
export interface Victim {
  readonly location: string
  readonly keyring: Uint8Array
  readonly dataDigest: string
}

/** @param location - Of a store that holds `SECRET` and is closed. */
export async function victimAt(location: string): Promise<Victim> {
  const keyring = Uint8Array.from(await readFile(keyringPath(location)))
  return { location, keyring, dataDigest: await directoryDigest(join(location, 'data')) }
}

export function keyringPath(location: string): string {
  return join(location, 'keyring.json')
}

/** Opens a store whose keyring.json was replaced. @returns The code it is refused with. */
export async function attack({ location }: Victim, keyring: Uint8Array, key: KeyProvider): Promise<string> {
  await writeFile(keyringPath(location), keyring)
  return refusal(location, key)
}

/** A store that opens after all is closed, and what it gives away is said. */
export async function refusal(location: string, key: KeyProvider): Promise<string> {
  return codeOf(async () => {
    const store = await SecretStore.open(location, { key, sweepIntervalMs: 0, compactIntervalMs: 0 })
    const payload = await store.get(SECRET).catch((error) => `nothing: ${error}`)
    await store.close()
    throw new Error(`it opened, and gave ${payload}`)
  })
}

/** Nothing in data/ has changed, and with its own keyring.json the store is what it was. */
export async function expectUnharmed(victim: Victim, key: KeyProvider): Promise<void> {
  expect(await directoryDigest(join(victim.location, 'data'))).toBe(victim.dataDigest)
  await expectOpens(victim, key)
}

/** With its own keyring.json the store is what it was, though its files may have been opened meanwhile. */
export async function expectOpens(victim: Victim, key: KeyProvider): Promise<void> {
  await writeFile(keyringPath(victim.location), victim.keyring)
  const store = await openStore(victim.location, { key })
  expect(await store.get(SECRET)).toBe(PAYLOAD)
  expect((await store.verify()).problems).toEqual([])
  await store.close()
}

/** A raw key whose provider remembers every root key that goes through its hands, as a leaky one would. */
export function leakyKey(fill: number): KeyProvider & { readonly rootKeys: readonly Uint8Array[] } {
  const key = rawKey(new Uint8Array(32).fill(fill))
  const rootKeys: Uint8Array[] = []
  return {
    kind: key.kind,
    rootKeys,
    async wrap(rootKey, context) {
      rootKeys.push(rootKey.slice())
      return key.wrap(rootKey, context)
    },
    async unwrap(params, context) {
      const rootKey = await key.unwrap(params, context)
      if (rootKey !== null) rootKeys.push(rootKey.slice())
      return rootKey
    },
  }
}

/** What becomes of `work`, as `codeOf` says it; a promise that hangs is `'still waiting'`. */
export async function outcomeOf(work: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('still waiting'), HANGS_MS)
  })
  try {
    return await Promise.race([codeOf(() => work), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs `work` on every item, a few at a time. */
export async function forEachOf<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  const lane = async (first: number): Promise<void> => {
    for (let i = first; i < items.length; i += lanes) await work(items[i] as T, first)
  }
  await Promise.all(Array.from({ length: lanes }, (_, first) => lane(first)))
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}

/**
 * One nonce ‖ ciphertext ‖ tag of 32 bytes that XChaCha20-Poly1305 opens under two keys (Len, Grubbs and Ristenpart,
 * USENIX Security 2021, §3): the tag is linear in the last block of ciphertext, which is solved for.
 */
export function collide(keys: readonly [Uint8Array, Uint8Array], context: Uint8Array): Uint8Array {
  const p = 2n ** 130n - 5n
  const mod = (value: bigint): bigint => ((value % p) + p) % p
  const power = (base: bigint, exponent: bigint): bigint =>
    exponent === 0n ? 1n : mod((exponent & 1n ? base : 1n) * power(mod(base * base), exponent >> 1n))
  const toNumber = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`)
  const toBytes = (value: bigint): Uint8Array =>
    Uint8Array.from(Buffer.from(value.toString(16).padStart(32, '0').slice(-32), 'hex').reverse())
  const nonce = new Uint8Array(24).fill(6)
  const [a, b] = keys.map((key) => {
    const stream = xchacha20(key, nonce, new Uint8Array(32))
    const r = toNumber(stream.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
    return { r, s: toNumber(stream.subarray(16)) }
  }) as [{ r: bigint; s: bigint }, { r: bigint; s: bigint }]
  const padded = concat(context, new Uint8Array((16 - (context.length % 16)) % 16))
  const head = range(padded.length / 16).map((block) => toNumber(padded.subarray(block * 16, block * 16 + 16)))
  const lengths = BigInt(context.length) + (32n << 64n)
  const sum = (r: bigint, blocks: readonly bigint[]): bigint =>
    blocks.reduce((h, block) => mod((h + block + 2n ** 128n) * r), 0n)
  const tagOf = ({ r, s }: { r: bigint; s: bigint }, blocks: readonly bigint[]): bigint =>
    BigInt.asUintN(128, sum(r, blocks) + s)
  const inverse = power(mod(a.r * a.r - b.r * b.r), p - 2n)
  for (let first = 0n; ; first++) {
    // With the free block at 0, its contribution to either sum is r² times itself.
    const rest = mod(sum(a.r, [...head, first, 0n, lengths]) - sum(b.r, [...head, first, 0n, lengths]))
    for (let carry = -4n; carry <= 4n; carry++) {
      const free = mod((b.s - a.s + carry * 2n ** 128n - rest) * inverse)
      if (free >= 2n ** 128n) continue
      const blocks = [...head, first, free, lengths]
      const tag = tagOf(a, blocks)
      if (tag === tagOf(b, blocks)) return concat(nonce, toBytes(first), toBytes(free), toBytes(tag))
    }
  }
}
