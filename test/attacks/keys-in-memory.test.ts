import { hchacha } from '@noble/ciphers/chacha.js'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { concat, utf8 } from '../../src/base/bytes'
import { nodeAead } from '../../src/crypto/aead/node'
import { createKeyringFile, unwrapKey } from '../../src/crypto/data-keys'
import { derive } from '../../src/crypto/derive'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import { withActiveDataKeyAlone, withNewDataKey, withRootKey } from '../../src/crypto/next-keyring'
import { systemRandom } from '../../src/crypto/random'
import { unwrapRootKey, wrapRootKey } from '../../src/crypto/slot'
import { INDEX_KEY_ID, LABEL } from '../../src/format/constants'
import type { KeyringFile } from '../../src/format/keyring-file'
import { codeOf } from '../support/stores'
import { toHex } from '../support/vectors'

// The copy out of V8's heap is what is held, and what is held must be told from what is overwritten (memory.test.ts has it).
vi.mock('../../src/base/bytes', async (original) => ({
  ...(await original<typeof import('../../src/base/bytes')>()),
  unmoved: (bytes: Uint8Array) => bytes,
}))

/** What byte arrays held when they were filled with zeros, from now on. */
function watchOverwriting(): Set<string> {
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array
  const overwritten = new Set<string>()
  const { fill } = typedArray
  const spy = vi.spyOn(typedArray, 'fill').mockImplementation(function (this: Uint8Array, value, ...rest) {
    if (value === 0 && rest.length === 0) {
      overwritten.add(toHex(new Uint8Array(this.buffer, this.byteOffset, this.byteLength)))
    }
    return fill.call(this, value, ...rest) as Uint8Array
  })
  onTestFinished(() => spy.mockRestore())
  return overwritten
}

const rootKey: Uint8Array = new Uint8Array(32).fill(1)
const storeId: Uint8Array = new Uint8Array(16).fill(2)
const context = { storeId, slotId: new Uint8Array(8).fill(3), kind: 'raw-key' }
const slots = [{ id: new Uint8Array(8).fill(3), kind: 'raw-key', label: null, created: 0, params: {} }]

const newFile = (): KeyringFile =>
  createKeyringFile(rootKey, { storeId, created: 0, names: 'plain', slots }, systemRandom)
const wrappingKey = (root: Uint8Array): Uint8Array => derive(root, LABEL.keyWrap, storeId)
const dataKeys = (file: KeyringFile, root = rootKey): Uint8Array[] =>
  file.keys.map(({ id, wrapped }) => unwrapKey(root, storeId, id, wrapped))
const masterKeys = (file: KeyringFile): Uint8Array[] => dataKeys(file).map((key) => derive(key, LABEL.master, storeId))
const indexKey = (file: KeyringFile, root = rootKey): Uint8Array =>
  unwrapKey(root, storeId, INDEX_KEY_ID, file.indexKey)

/** Which of `keys`, in the order of their names, were overwritten while `work` ran. */
async function overwrittenBy(
  keys: Readonly<Record<string, Uint8Array>>,
  work: () => unknown,
): Promise<readonly string[]> {
  const overwritten = watchOverwriting()
  await work()
  vi.restoreAllMocks()
  return Object.keys(keys).filter((name) => overwritten.has(toHex(keys[name] as Uint8Array)))
}

describe('what is overwritten', () => {
  test('by making data keys: the keys themselves, and what wraps them', async () => {
    const drawn: Uint8Array[] = []
    const random = (length: number): Uint8Array => {
      const bytes = systemRandom(length)
      if (length === 32) drawn.push(bytes)
      return bytes
    }
    const file = newFile()
    for (const make of [
      () => createKeyringFile(rootKey, { storeId, created: 0, names: 'plain', slots }, random),
      () => withNewDataKey(file, rootKey, 0, random),
    ]) {
      expect(await overwrittenBy({ wrapping: wrappingKey(rootKey) }, make)).toEqual(['wrapping'])
    }
    expect(drawn.map(toHex)).toEqual(new Array(3).fill('00'.repeat(32)))
  })

  test('by a change of the root key: what was unwrapped, and what wrapped it before and after', async () => {
    const newRootKey = new Uint8Array(32).fill(9)
    const file = withNewDataKey(newFile(), rootKey, 0, systemRandom)
    const [first, second] = dataKeys(file) as [Uint8Array, Uint8Array]
    const keys = {
      first,
      second,
      index: indexKey(file),
      wrapping: wrappingKey(rootKey),
      wrappingAnew: wrappingKey(newRootKey),
    }
    let changed: KeyringFile | undefined
    const overwritten = await overwrittenBy({ ...keys, rootKey, newRootKey }, () => {
      changed = withRootKey(file, rootKey, newRootKey, slots, systemRandom)
    })
    expect(overwritten).toEqual(Object.keys(keys))
    expect(dataKeys(changed as KeyringFile, newRootKey)).toEqual([first, second])
    expect(indexKey(changed as KeyringFile, newRootKey)).toEqual(keys.index)
  })

  test('by wrapping a root key and unwrapping it: what wraps it, and nothing of the caller’s', async () => {
    const secret = new Uint8Array(32).fill(5)
    const bound = concat(storeId, context.slotId, utf8(context.kind))
    const keys = { wrapping: derive(secret, LABEL.slotWrap, bound), secret, rootKey }
    let params = {}
    expect(
      await overwrittenBy(keys, () => {
        params = wrapRootKey(secret, rootKey, context, systemRandom)
      }),
    ).toEqual(['wrapping'])
    expect(await overwrittenBy(keys, () => unwrapRootKey(secret, params, context))).toEqual(['wrapping'])
  })

  test('by sealing keyring.json and vouching for it: the key of its MAC, also when it is too large', async () => {
    const keys = { mac: derive(rootKey, LABEL.keyringMac, storeId), rootKey }
    const file = newFile()
    const bytes = sealKeyringFile(file, rootKey)
    expect(await overwrittenBy(keys, () => sealKeyringFile(file, rootKey))).toEqual(['mac'])
    expect(await overwrittenBy(keys, () => verifyKeyringFile(readKeyringFile(bytes), rootKey))).toEqual(['mac'])
    const large = { ...file, slots: slots.map((slot) => ({ ...slot, label: 'x'.repeat(300_000) })) }
    const sealing = overwrittenBy(keys, async () => {
      await expect(async () => sealKeyringFile(large, rootKey)).rejects.toThrow(RangeError)
    })
    expect(await sealing).toEqual(['mac'])
  })

  test('by XChaCha20-Poly1305 on node:crypto: the subkey, and the key’s words', () => {
    const [key, nonce] = [new Uint8Array(32).fill(7), new Uint8Array(24).fill(8)]
    const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer)
    const expected = new Uint32Array(8)
    hchacha(words(utf8('expand 32-byte k')), words(key), words(nonce.subarray(0, 16)), expected)
    const subkeys: Uint8Array[] = []
    const look = (subkey: Uint8Array): void => {
      expect(toHex(subkey)).toBe(toHex(new Uint8Array(expected.buffer)))
      subkeys.push(subkey)
    }
    const aead = nodeAead({
      encrypt: look,
      decrypt: (subkey) => {
        look(subkey)
        return undefined
      },
    })
    const none = new Uint8Array()
    const overwritten = watchOverwriting()
    aead.encrypt(key, nonce, none, none, new Uint8Array(16))
    expect(aead.decrypt(key, nonce, new Uint8Array(16), none)).toBeUndefined()
    expect(subkeys.map(toHex)).toEqual(new Array(2).fill('00'.repeat(32)))
    expect(overwritten.has(toHex(key))).toBe(true)
    expect(key).toEqual(new Uint8Array(32).fill(7))
  })
})

test('of any number of data keys the last is the one that is kept alone', () => {
  let file = newFile()
  for (let more = 0; more < 3; more++) {
    expect(withActiveDataKeyAlone(file)).toEqual({ ...file, keys: [file.keys.at(-1)] })
    file = withNewDataKey(file, rootKey, more, systemRandom)
    expect(file.keys.map(({ id }) => id)).toEqual(Array.from({ length: more + 2 }, (_, place) => place + 1))
  }
})

describe('a keyring', () => {
  /** Every key that it holds while the store is open. */
  function heldKeys(file: KeyringFile): Record<string, Uint8Array> {
    const index = indexKey(file)
    const masters = masterKeys(file).map((key, place) => [`master ${place + 1}`, key] as const)
    return {
      rootKey,
      ...Object.fromEntries(masters),
      setHash: derive(index, LABEL.setHash, storeId),
      checkpoint: derive(index, LABEL.checkpoint, storeId),
      names: derive(index, LABEL.names, storeId),
      request: derive(index, LABEL.request, storeId),
    }
  }

  test('overwrites what it made its keys of, and leaves the root key to the caller', async () => {
    const file = withNewDataKey(newFile(), rootKey, 0, systemRandom)
    const [first, second] = dataKeys(file) as [Uint8Array, Uint8Array]
    const made = { first, second, index: indexKey(file), wrapping: wrappingKey(rootKey) }
    const overwritten = await overwrittenBy({ ...made, ...heldKeys(file) }, () => {
      new Keyring(file, rootKey, systemRandom)
    })
    expect(overwritten).toEqual(Object.keys(made))
  })

  test('overwrites every key when it is wiped', async () => {
    const file = withNewDataKey(newFile(), rootKey, 0, systemRandom)
    const keyring = new Keyring(file, rootKey, systemRandom)
    const keys = heldKeys(file)
    expect(await overwrittenBy(keys, () => keyring.wipe())).toEqual(Object.keys(keys))
    expect(rootKey).toEqual(new Uint8Array(32).fill(1))
  })

  test('that takes over another file overwrites the keys it had, and those alone', async () => {
    const file = withNewDataKey(newFile(), rootKey, 0, systemRandom)
    const keyring = new Keyring(file, rootKey, systemRandom)
    const newRootKey = new Uint8Array(32).fill(9)
    const [first, second] = masterKeys(file) as [Uint8Array, Uint8Array]
    const { setHash, checkpoint, names, request } = heldKeys(file) as Record<string, Uint8Array>
    const kept = { setHash, checkpoint, names, request, newRootKey } as Record<string, Uint8Array>
    const changed = withRootKey(withActiveDataKeyAlone(file), rootKey, newRootKey, slots, systemRandom)
    expect(changed.keys.map(({ id }) => id)).toEqual([2])
    const value = keyring.sealRow(utf8('row'), utf8('sealed before'))
    const overwritten = await overwrittenBy({ rootKey, first, second, ...kept }, () =>
      keyring.adopt(changed, newRootKey),
    )
    expect(overwritten).toEqual(['rootKey', 'first', 'second'])
    expect(newRootKey).toEqual(new Uint8Array(32).fill(9))
    expect(keyring.file).toBe(changed)
    expect(keyring.activeKeyId).toBe(2)
    expect(keyring.openRow(utf8('row'), value)).toEqual(utf8('sealed before'))
  })

  test('lends a copy of its root key, which is overwritten when the work is done or has failed', async () => {
    const keyring = new Keyring(newFile(), rootKey, systemRandom)
    let lent = new Uint8Array()
    const borrow = async (key: Uint8Array): Promise<string> => {
      lent = key as Uint8Array<ArrayBuffer>
      const before = toHex(key)
      await Promise.resolve()
      expect(toHex(key)).toBe(before)
      return before
    }
    expect(await keyring.lendRootKey(borrow)).toBe(toHex(rootKey))
    expect(lent).toEqual(new Uint8Array(32))
    const failing = keyring.lendRootKey(async (key) => {
      await borrow(key)
      throw new RangeError('no')
    })
    await expect(failing).rejects.toThrow(RangeError)
    expect(lent).toEqual(new Uint8Array(32))
    expect(await keyring.lendRootKey(borrow)).toBe(toHex(rootKey))
  })

  test('of its own copy of the root key: the caller may overwrite what was passed', async () => {
    const passed = rootKey.slice()
    const keyring = new Keyring(newFile(), passed, systemRandom)
    passed.fill(0)
    expect(await keyring.lendRootKey(toHex)).toBe(toHex(rootKey))
    const again = rootKey.slice()
    keyring.adopt(keyring.file, again)
    again.fill(0)
    expect(await keyring.lendRootKey(toHex)).toBe(toHex(rootKey))
  })

  test('that is wiped does nothing more for anybody', async () => {
    const keyring = new Keyring(newFile(), rootKey, systemRandom)
    const { file } = keyring
    keyring.wipe()
    for (const work of [
      () => keyring.lendRootKey(toHex),
      () => keyring.adopt(file, rootKey),
      () => keyring.requestHash(utf8('request')),
      () => keyring.sealRow(utf8('r'), utf8('row')),
    ]) {
      expect(await codeOf(work)).toBe('ERR_CLOSED')
    }
  })
})
