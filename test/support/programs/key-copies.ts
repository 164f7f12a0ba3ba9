/**
 * Opens and closes a store as often as it is told, each time with a key provider of its own, and sends how many copies of
 * each of its keys are then in the memory of the process.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { unmoved } from '../../../src/base/bytes'
import { unwrapKey } from '../../../src/crypto/data-keys'
import { derive } from '../../../src/crypto/derive'
import { readKeyringFile } from '../../../src/crypto/keyring'
import { unwrapRootKey } from '../../../src/crypto/slot'
import { LABEL } from '../../../src/format/constants'
import { account, rawKey, SecretStore } from '../../../src/index'

const [location = '', openings = '1'] = process.argv.slice(2)
const BLOCK_BYTES: number = 1 << 20
const MASK = 0x5a

/** Made anew each time, so that it is nowhere while memory is looked through: Node's own hashes keep their results. */
function withRawKey<T>(work: (key: Uint8Array) => T): T {
  const key = new Uint8Array(new ArrayBuffer(32))
  for (let i = 0; i < key.length; i++) key[i] = ((i + 3) ** 4 * 41) & 0xff
  try {
    return work(key)
  } finally {
    key.fill(0)
  }
}

/** So that what is looked for is not itself found. */
function masked(key: Uint8Array): Uint8Array {
  const mask = unmoved(key.map((byte) => byte ^ MASK))
  key.fill(0)
  return mask
}

function keysOfStore(): Record<string, Uint8Array> {
  const { storeId, slots, keys } = readKeyringFile(readFileSync(join(location, 'keyring.json'))).file
  const [slot, dataKeys] = [slots[0], keys[0]]
  if (slot === undefined || dataKeys === undefined) throw new Error('keyring.json: expected a slot and a key')
  const root = withRawKey((key) => unwrapRootKey(key, slot.params, { storeId, slotId: slot.id, kind: slot.kind }))
  if (root === null) throw new Error('slot: expected it to open')
  const data = unwrapKey(root, storeId, dataKeys.id, dataKeys.wrapped)
  const master = derive(data, LABEL.master, storeId)
  return { root: masked(root), data: masked(data), master: masked(master), slot: withRawKey(masked) }
}

function copiesOf(wanted: Uint8Array): number {
  const memory = openSync('/proc/self/mem', 'r')
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  // Two bytes are no key, and are found fast.
  const beginning = Buffer.from(wanted.subarray(0, 2)).map((byte) => byte ^ MASK) as Buffer
  let count = 0
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
    if (start === undefined || end === undefined) continue
    const last = Number.parseInt(end, 16)
    for (let at = Number.parseInt(start, 16); at < last; at += BLOCK_BYTES - wanted.length + 1) {
      const length = readBlock(memory, block, at, last)
      for (let i = block.indexOf(beginning); i !== -1; i = block.indexOf(beginning, i + 1)) {
        let same = 0
        while (same < wanted.length && ((block[i + same] as number) ^ MASK) === wanted[same]) same++
        if (same === wanted.length && i + same <= length) count++
      }
      block.fill(0)
    }
  }
  closeSync(memory)
  return count
}

function readBlock(memory: number, block: Buffer, at: number, end: number): number {
  try {
    return readSync(memory, block, 0, Math.min(BLOCK_BYTES, end - at), at)
  } catch {
    return 0 // of the kernel's
  }
}

for (let opening = 0; opening < Number(openings); opening++) {
  const key = withRawKey((bytes) => rawKey(bytes))
  const store = await SecretStore.open(location, { key, sweepIntervalMs: 0, compactIntervalMs: 0 })
  if (opening === 0) await store.set({ scope: account, name: 'a', payload: 'b' })
  await store.get({ scope: account, name: 'a' })
  await store.close()
}
for (let time = 0; time < 5; time++) {
  globalThis.gc?.()
  await wait(20)
}
const wanted = keysOfStore()
process.send?.(Object.fromEntries(Object.entries(wanted).map(([name, key]) => [name, copiesOf(key)])))
