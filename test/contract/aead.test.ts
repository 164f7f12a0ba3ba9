import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { concat, equal, utf8 } from '../../src/base/bytes'
import type { Aead } from '../../src/crypto/aead/aead'
import { chooseAead, givesKnownAnswers } from '../../src/crypto/aead/choose'
import { nobleAead } from '../../src/crypto/aead/noble'
import { nodeAead } from '../../src/crypto/aead/node'
import { sodiumAead } from '../../src/crypto/aead/sodium'
import { systemRandom } from '../../src/crypto/random'
import { open as openWith, seal as sealWith } from '../../src/crypto/seal'
import { NONCE_BYTES, TAG_BYTES } from '../../src/format/constants'
import { platformChaCha } from '../../src/platform/chacha20-poly1305'
import { findPeer } from '../../src/platform/optional-peer'
import { loadSodium, type Sodium } from '../../src/platform/sodium'
import { temporaryDirectory } from '../support/stores'
import { hex, toHex, type Verdict, vectors } from '../support/vectors'

type AeadCase = Verdict & Readonly<Record<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>>

/** Asked for from where the packages really are, which may be behind a link, as in a sandbox. */
const sodium = loadSodium(createRequire(import.meta.url).resolve('vitest/package.json'))

/** Every library there is here, by its name; what is missing is said, and is none of the tests. */
const libraries = Object.entries({
  '@noble/ciphers': nobleAead,
  'node:crypto': platformChaCha && nodeAead(platformChaCha),
  'sodium-native': sodium && sodiumAead(sodium),
  'the fastest': chooseAead({ sodium: true }),
}).flatMap(([name, aead]) => {
  if (aead === undefined) console.warn(`skipped: ${name} is not on this machine`)
  return aead === undefined ? [] : [[name, aead] as const]
})

describe.each(libraries)('XChaCha20-Poly1305 by %s', (_, aead) => {
  const open = (key: Uint8Array, sealed: Uint8Array, context: Uint8Array) => openWith(key, sealed, context, aead)
  const seal = (key: Uint8Array, plaintext: Uint8Array, context: Uint8Array, random: typeof systemRandom) =>
    sealWith(key, plaintext, context, random, aead)

  const file = vectors<AeadCase>('xchacha20_poly1305_test.json')

  test.skipIf(file === undefined)('agrees with Project Wycheproof: opens what is valid, and nothing else', () => {
    const seen = { valid: 0, invalid: 0 }
    for (const { ivSize, tests } of file?.testGroups ?? []) {
      for (const { tcId, key, iv, aad, msg, ct, tag, result } of tests) {
        const opened = open(hex(key), concat(hex(iv), hex(ct), hex(tag)), hex(aad))
        expect([tcId, opened && toHex(opened)]).toEqual([tcId, result === 'valid' ? msg : undefined])
        if (result === 'valid') {
          expect(ivSize).toBe(NONCE_BYTES * 8)
          expect(toHex(seal(hex(key), hex(msg), hex(aad), () => hex(iv)))).toBe(iv + ct + tag)
        }
        seen[result]++
      }
    }
    expect(seen.valid + seen.invalid).toBe(file?.numberOfTests)
    expect(seen).toEqual({ valid: 246, invalid: 69 })
  })

  const bytes = fc.uint8Array({ maxLength: 200 })
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

  test('opening is the inverse of sealing', () => {
    fc.assert(
      fc.property(key, bytes, bytes, (secret, plaintext, context) => {
        const sealed = seal(secret, plaintext, context, systemRandom)
        expect(sealed.length).toBe(NONCE_BYTES + plaintext.length + TAG_BYTES)
        expect(open(secret, sealed, context)).toEqual(plaintext)
      }),
    )
  })

  test('no bit, no end, no key and no context can be another one', () => {
    const secret = new Uint8Array(32).fill(1)
    const context = utf8('context')
    const sealed = seal(secret, utf8('plaintext'), context, systemRandom)
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = sealed.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(open(secret, flipped, context)).toBeUndefined()
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(open(secret, sealed.subarray(0, length), context)).toBeUndefined()
    }
    expect(open(secret, Uint8Array.of(...sealed, 0), context)).toBeUndefined()
    expect(open(new Uint8Array(32), sealed, context)).toBeUndefined()
    expect(open(secret, sealed, utf8('contexT'))).toBeUndefined()
    expect(open(secret, sealed, new Uint8Array())).toBeUndefined()
  })

  test('a key that is not 32 bytes is a RangeError', () => {
    for (const length of [0, 16, 31, 33]) {
      const sealed = new Uint8Array(60)
      expect(() => seal(new Uint8Array(length), utf8('p'), utf8('c'), systemRandom)).toThrow(RangeError)
      expect(() => open(new Uint8Array(length), sealed, utf8('c'))).toThrow(RangeError)
    }
  })

  test('two seals of the same differ', () => {
    const once = (): string => toHex(seal(new Uint8Array(32), utf8('p'), utf8('c'), systemRandom))
    expect(new Set(Array.from({ length: 100 }, once)).size).toBe(100)
  })
})

/** Around every block, vector and buffer that an implementation may have, and where one takes over from another. */
const LENGTHS = [
  ...Array.from({ length: 600 }, (_, length) => length),
  ...[
    1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537, 1_048_577,
  ],
]

describe('all libraries', () => {
  const random = systemRandom
  const encrypt = (aead: Aead, key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, context: Uint8Array) => {
    const out = new Uint8Array(plaintext.length + TAG_BYTES)
    aead.encrypt(key, nonce, plaintext, context, out)
    return out
  }

  test.skipIf(sodium === undefined)('there are three of them here', () => {
    expect(libraries.map(([name]) => name)).toEqual(['@noble/ciphers', 'node:crypto', 'sodium-native', 'the fastest'])
  })

  test('give the same bytes at every boundary, and open what each of the others has sealed', () => {
    for (const length of LENGTHS) {
      const [key, nonce, context] = [random(32), random(NONCE_BYTES), random(length % 70)]
      const plaintext = new Uint8Array(length).map((_, index) => index * 31 + length)
      const expected = encrypt(nobleAead, key, nonce, plaintext, context)
      for (const [name, aead] of libraries) {
        const sealed = encrypt(aead, key, nonce, plaintext, context)
        if (!equal(sealed, expected)) throw new Error(`${name} seals ${length} bytes in another way`)
        const opened = aead.decrypt(key, nonce, expected, context)
        if (opened === undefined || !equal(opened, plaintext)) throw new Error(`${name} does not open ${length} bytes`)
      }
    }
  })

  test('refuse the same altered bytes: first, last and middle of ciphertext, tag, nonce, context and key', () => {
    for (const length of LENGTHS.filter((length) => length % 7 === 0 || length > 600)) {
      const [key, nonce, context] = [random(32), random(NONCE_BYTES), random(33)]
      const sealed = encrypt(nobleAead, key, nonce, random(Math.min(length, 65_536)), context)
      for (const part of [sealed, nonce, context, key]) {
        for (const position of [0, part.length >> 1, part.length - 1]) {
          part[position] = (part[position] as number) ^ 0x80
          for (const [name, aead] of libraries) {
            const opened = aead.decrypt(key, nonce, sealed, context)
            if (opened !== undefined) throw new Error(`${name} opens ${length} altered bytes`)
          }
          part[position] = (part[position] as number) ^ 0x80
        }
      }
    }
  })

  test('take views of larger buffers, at any offset, and write nothing outside of what they are given', () => {
    for (const [name, aead] of libraries) {
      for (let offset = 0; offset < 20; offset++) {
        const view = (bytes: Uint8Array): Uint8Array =>
          concat(new Uint8Array(offset), bytes, bytes).subarray(offset, offset + bytes.length)
        const [key, nonce, context, plaintext] = [random(32), random(NONCE_BYTES), random(21), random(100 + offset)]
        const expected = encrypt(nobleAead, key, nonce, plaintext, context)
        const whole = new Uint8Array(offset + expected.length + 9).fill(7)
        aead.encrypt(
          view(key),
          view(nonce),
          view(plaintext),
          view(context),
          whole.subarray(offset, offset + expected.length),
        )
        expect([name, toHex(whole)]).toEqual([
          name,
          toHex(concat(new Uint8Array(offset).fill(7), expected, new Uint8Array(9).fill(7))),
        ])
        const opened = aead.decrypt(view(key), view(nonce), view(expected), view(context))
        expect([name, opened && toHex(opened)]).toEqual([name, toHex(plaintext)])
      }
    }
  })

  test('leave what they were given as it was, and hand out memory of its own', () => {
    for (const [, aead] of libraries) {
      const given = [random(32), random(NONCE_BYTES), random(50), random(10)] as const
      const before = given.map(toHex)
      const sealed = encrypt(aead, ...given)
      const [key, nonce, plaintext, context] = given
      const opened = aead.decrypt(key, nonce, sealed, context) as Uint8Array
      expect(given.map(toHex)).toEqual(before)
      sealed.fill(0)
      expect(toHex(opened)).toBe(toHex(plaintext))
      expect(Buffer.isBuffer(opened)).toBe(false)
    }
  })
})

describe('what is used', () => {
  test.skipIf(loadSodium() === undefined)(
    'is told by length: sodium-native, if it may, and node:crypto where that is faster',
    () => {
      expect(chooseAead({ sodium: true }).uses).toEqual([
        { library: 'sodium-native', fromBytes: 0 },
        { library: 'node:crypto', fromBytes: 8192 },
      ])
      expect(chooseAead({ sodium: false }).uses).toEqual([{ library: 'node:crypto', fromBytes: 0 }])
    },
  )

  /** Chosen in a process of its own, where these are all that there is; with what was sealed and opened by sodium-native. */
  async function chosenAmong(there: { readonly sodium: boolean; readonly node: boolean }) {
    const calls: string[] = []
    const lookUps = { sodium: 0 }
    const stand: Sodium = {
      crypto_aead_xchacha20poly1305_ietf_encrypt(out, plaintext, context, _, nonce, key) {
        calls.push(`seal ${plaintext.length}`)
        nobleAead.encrypt(key, nonce, plaintext, context, out)
      },
      crypto_aead_xchacha20poly1305_ietf_decrypt(out, _, sealed, context, nonce, key) {
        calls.push(`open ${out.length}`)
        const plaintext = nobleAead.decrypt(key, nonce, sealed, context)
        if (plaintext === undefined) throw new Error('could not verify data')
        out.set(plaintext)
      },
    }
    vi.resetModules()
    vi.doMock('../../src/platform/sodium', () => ({
      loadSodium() {
        lookUps.sodium++
        return there.sodium ? stand : undefined
      },
    }))
    vi.doMock('../../src/platform/chacha20-poly1305', () => ({
      platformChaCha: there.node ? platformChaCha : undefined,
    }))
    onTestFinished(() => {
      vi.doUnmock('../../src/platform/sodium')
      vi.doUnmock('../../src/platform/chacha20-poly1305')
      vi.resetModules()
    })
    const { chooseAead: choose } = await import('../../src/crypto/aead/choose')
    const aead = choose({ sodium: true })
    calls.length = 0
    return { aead, calls, lookUps, choose }
  }

  test('is sodium-native below 8 KiB of plaintext, and node:crypto from there on', async () => {
    const { aead, calls } = await chosenAmong({ sodium: true, node: true })
    const [key, nonce, context] = [systemRandom(32), systemRandom(NONCE_BYTES), systemRandom(9)]
    for (const length of [0, 8191, 8192, 8193]) {
      const plaintext = systemRandom(length)
      const sealed = new Uint8Array(length + TAG_BYTES)
      aead.encrypt(key, nonce, plaintext, context, sealed)
      const opened = aead.decrypt(key, nonce, sealed, context) as Uint8Array
      expect(equal(opened, plaintext)).toBe(true)
      expect(equal(nobleAead.decrypt(key, nonce, sealed, context) as Uint8Array, plaintext)).toBe(true)
    }
    expect(calls).toEqual(['seal 0', 'open 0', 'seal 8191', 'open 8191'])
  })

  test.each([
    [{ sodium: true, node: true }, ['sodium-native', 'node:crypto']],
    [{ sodium: true, node: false }, ['sodium-native']],
    [{ sodium: false, node: true }, ['node:crypto']],
    [{ sodium: false, node: false }, ['@noble/ciphers']],
  ])('where there is %j is %j, looked for once', async (there, names) => {
    const warnings = spyOnWarnings()
    const { aead, choose, lookUps } = await chosenAmong(there)
    for (const chosen of [aead, choose({ sodium: true })]) {
      expect(chosen.uses.map(({ library }) => library)).toEqual(names)
      expect(chosen.uses[0]?.fromBytes).toBe(0)
    }
    expect(lookUps.sodium).toBe(1)
    expect(choose({ sodium: false }).uses[0]?.library).toBe(there.node ? 'node:crypto' : '@noble/ciphers')
    expect(warnings).toEqual([])
  })

  test('is never sodium-native if that may not be loaded, which is then not looked for', async () => {
    const { choose, lookUps } = await chosenAmong({ sodium: true, node: true })
    vi.resetModules()
    const { chooseAead: first } = await import('../../src/crypto/aead/choose')
    lookUps.sodium = 0
    expect(first({ sodium: false }).uses).toEqual([{ library: 'node:crypto', fromBytes: 0 }])
    expect(lookUps.sodium).toBe(0)
    expect(choose({ sodium: true }).uses).toHaveLength(2)
  })

  test.each(libraries.filter(([name]) => name !== 'the fastest'))('%s says its name, for any length', (name, aead) => {
    expect(aead.uses).toEqual([{ library: name, fromBytes: 0 }])
  })

  test.each(libraries)('%s gives the known answers', (_, aead) => {
    expect(givesKnownAnswers(aead)).toBe(true)
  })

  const faulty: Readonly<Record<string, Partial<Aead>>> = {
    'opens what was altered': {
      decrypt: (key, nonce, sealed, context) =>
        nobleAead.decrypt(key, nonce, sealed, context) ?? new Uint8Array(sealed.length - TAG_BYTES),
    },
    'opens what was altered at its beginning': {
      decrypt: (key, nonce, sealed, context) =>
        nobleAead.decrypt(key, nonce, sealed, context) ??
        nobleAead.decrypt(key, nonce, sealed.with(0, (sealed[0] as number) ^ 1), context),
    },
    'opens what was altered at its end': {
      decrypt: (key, nonce, sealed, context) =>
        nobleAead.decrypt(key, nonce, sealed, context) ??
        nobleAead.decrypt(key, nonce, sealed.with(-1, (sealed.at(-1) as number) ^ 1), context),
    },
    'opens no more than 4 KiB': {
      decrypt: (key, nonce, sealed, context) =>
        sealed.length > 4096 ? undefined : nobleAead.decrypt(key, nonce, sealed, context),
    },
    'opens nothing': { decrypt: () => undefined },
    'leaves the context out': {
      encrypt: (key, nonce, plaintext, _, out) => nobleAead.encrypt(key, nonce, plaintext, new Uint8Array(), out),
    },
    'leaves the context out, both ways': {
      encrypt: (key, nonce, plaintext, _, out) => nobleAead.encrypt(key, nonce, plaintext, new Uint8Array(), out),
      decrypt: (key, nonce, sealed) => nobleAead.decrypt(key, nonce, sealed, new Uint8Array()),
    },
    'leaves out the tail behind 4 KiB': {
      encrypt(key, nonce, plaintext, context, out) {
        nobleAead.encrypt(key, nonce, plaintext, context, out)
        if (plaintext.length > 4096) out.set(plaintext.subarray(4096), 4096)
        if (plaintext.length > 4096) out.fill(0, plaintext.length)
      },
    },
    'is ChaCha20-Poly1305 without the X': {
      encrypt: (key, nonce, plaintext, context, out) =>
        platformChaCha?.encrypt(key, nonce.subarray(12), plaintext, context, out),
    },
    'opens to other bytes': {
      decrypt: (key, nonce, sealed, context) => nobleAead.decrypt(key, nonce, sealed, context)?.fill(0),
    },
    throws: {
      encrypt() {
        throw new Error('no')
      },
    },
  }

  test.each(Object.entries(faulty))('one that %s does not pass', (_, fault) => {
    expect(givesKnownAnswers({ ...nobleAead, ...fault })).toBe(false)
  })
})

/** What is said to whoever runs the process, from now on. */
function spyOnWarnings(): string[] {
  const warnings: string[] = []
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
  onTestFinished(() => spy.mockRestore())
  return warnings
}

describe('sodium-native', () => {
  test.skipIf(sodium === undefined)('opens into the memory it is given, if that is long enough', () => {
    const aead = sodiumAead(sodium as Sodium)
    const [key, nonce, context, plaintext] = [
      systemRandom(32),
      systemRandom(NONCE_BYTES),
      systemRandom(3),
      utf8('plain'),
    ]
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
    aead.encrypt(key, nonce, plaintext, context, sealed)
    for (const [room, inPlace] of [
      [4, false],
      [5, true],
      [6, true],
    ] as const) {
      const out = new Uint8Array(room)
      const opened = aead.decrypt(key, nonce, sealed, context, out) as Uint8Array
      expect(opened).toEqual(plaintext)
      expect(opened.buffer === out.buffer).toBe(inPlace)
      expect(out.subarray(0, 5)).toEqual(inPlace ? plaintext : new Uint8Array(room))
      expect(out.subarray(5)).toEqual(new Uint8Array(Math.max(0, room - 5)))
    }
  })
})

describe('sodium-native is taken', () => {
  async function tree(...files: readonly string[]): Promise<string> {
    const root = await realpath(await temporaryDirectory())
    for (const file of files) {
      await mkdir(dirname(join(root, file)), { recursive: true })
      await writeFile(join(root, file), file.endsWith('.json') ? '{"name":"sodium-native","main":"index.js"}' : '')
    }
    return root
  }
  const PLANTED = ['node_modules/sodium-native/package.json', 'node_modules/sodium-native/index.js'] as const
  const inApp = (folder: string): readonly string[] => PLANTED.map((file) => join(folder, file))

  test.each([
    ['beside the library', 'app/node_modules/app-secret-store/dist/index.js', 'app'],
    ['below the library', 'app/node_modules/app-secret-store/dist/index.js', 'app/node_modules/app-secret-store'],
    [
      'where pnpm links it',
      'app/node_modules/.pnpm/a/node_modules/app-secret-store/index.js',
      'app/node_modules/.pnpm/a',
    ],
    ['by a bundle, from its app', 'app/dist/main.js', 'app'],
  ])('%s', async (_, here, folder) => {
    const root = await tree('app/package.json', here, ...inApp(folder))
    expect(findPeer('sodium-native', join(root, here))).toBe(join(root, folder, PLANTED[1]))
  })

  test('and left out with a warning if it does not load', async () => {
    const [root, warnings] = [await tree('app/package.json', 'app/main.js', ...inApp('app')), spyOnWarnings()]
    expect(loadSodium(join(root, 'app/main.js'))).toEqual({})
    expect(warnings).toEqual([])
    const again = await tree('app/package.json', 'app/main.js', ...inApp('app'))
    await writeFile(join(again, 'app', PLANTED[1]), 'throw new Error("another machine")')
    expect(loadSodium(join(again, 'app/main.js'))).toBeUndefined()
    expect(warnings).toEqual([
      'sodium-native: expected it to load, as it is installed, got an error; encryption goes on without it',
    ])
  })

  test('and left out with a warning if its answers are not the known ones', async () => {
    const warnings = spyOnWarnings()
    vi.resetModules()
    vi.doMock('../../src/platform/sodium', () => ({
      loadSodium: () => ({
        crypto_aead_xchacha20poly1305_ietf_encrypt: () => {},
        crypto_aead_xchacha20poly1305_ietf_decrypt: () => {},
      }),
    }))
    onTestFinished(() => {
      vi.doUnmock('../../src/platform/sodium')
      vi.resetModules()
    })
    const fresh = await import('../../src/crypto/aead/choose')
    for (let time = 0; time < 2; time++) {
      expect(fresh.chooseAead({ sodium: true }).uses).toEqual([{ library: 'node:crypto', fromBytes: 0 }])
    }
    expect(warnings).toEqual([
      'sodium-native: expected the known answers of XChaCha20-Poly1305, got others; encryption goes on without it',
    ])
  })

  test.each([
    ['app/node_modules/app-secret-store/dist/index.js', ['app/package.json']],
    ['app/dist/main.js', ['app/package.json']],
    ['app/dist/main.js', []],
  ])('from no folder above the app of %s', async (here, more) => {
    const root = await tree(here, ...more, ...PLANTED)
    expect(findPeer('sodium-native', join(root, here))).toBeUndefined()
  })
})
