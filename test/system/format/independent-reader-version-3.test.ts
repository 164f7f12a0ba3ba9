import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Keyring, readKeyringFile, verifyKeyringFile } from '../../../src/crypto/keyring'
import { systemRandom } from '../../../src/crypto/random'
import { account, type NameMode, SecretStore } from '../../../src/index'
import { findSlot } from '../../../src/keys/unlock'
import { HEAD_ROW } from '../../../src/storage/keyspace'
import { formerToken } from '../../support/former-checkpoint'
import {
  byPlace,
  fill,
  type Keys,
  makeKeys,
  readStore,
  reason,
  rotateHalfway,
  withRows,
} from '../../support/independent-reader'
import { codeOf, copyStore, newLocation, openStore, TestClock } from '../../support/stores'

/** A store whose root key was replaced, as somebody reads it who knows docs/format.md alone. */

interface History {
  /** Begins with a store that `keys.raw` opens. Ends with one that `keys.raw` opens. */
  readonly change: (store: SecretStore, keys: Keys) => Promise<unknown>
  readonly roots: number
  readonly dataKeys: readonly number[]
}

async function replaceRoot(store: SecretStore, { raw }: Keys): Promise<unknown> {
  return store.rotate({ root: true, keys: [raw.key] })
}

const histories: Record<string, History> = {
  'the root key replaced once': { change: replaceRoot, roots: 2, dataKeys: [2] },
  'the root key replaced three times': {
    change: async (store, keys) => {
      for (let i = 0; i < 3; i++) await replaceRoot(store, keys)
    },
    roots: 4,
    dataKeys: [4],
  },
  'a replacement stopped half-way': {
    change: (store, { raw }) => rotateHalfway(store, { root: true, keys: [raw.key] }),
    roots: 2,
    dataKeys: [1, 2],
  },
  'a second replacement stopped half-way': {
    change: async (store, keys) => {
      await replaceRoot(store, keys)
      await rotateHalfway(store, { root: true, keys: [keys.raw.key] })
    },
    roots: 3,
    dataKeys: [2, 3],
  },
  'a replacement, and a rotation of the data key stopped half-way': {
    change: async (store, keys) => {
      await replaceRoot(store, keys)
      await rotateHalfway(store)
    },
    roots: 2,
    dataKeys: [2, 3],
  },
}

/** Has both readers hold a store against a token. @returns What the library said. */
async function judge(location: string, keys: Keys, token: string): Promise<{ reader: string; library: string }> {
  const { message } = readStore(location, keys.raw.file, token)
  const copy = await newLocation()
  await copyStore(location, copy)
  const library = await codeOf(async () => (await openStore(copy, { key: keys.raw.key, minimum: token })).close())
  return { reader: message, library }
}

/** A store whose root key was replaced, with tokens of before and after. Nobody has it open. */
async function replacedStore() {
  const keys = await makeKeys()
  const location = await newLocation()
  let store = await openStore(location, { key: keys.raw.key })
  for (const name of ['a', 'b', 'c']) await store.set({ scope: account, name, payload: name })
  const earlier = await store.checkpoint()
  await store.close()
  const before = await newLocation()
  await copyStore(location, before)
  store = await openStore(location, { key: keys.raw.key })
  await replaceRoot(store, keys)
  const token = await store.checkpoint()
  await store.close()
  return { keys, location, before, earlier, token }
}

/** Changes keyring.json as text, and makes its checksum right. The MAC stays as it was. */
async function rewriteKeyring(location: string, rewrite: (body: string) => string): Promise<void> {
  const file = join(location, 'keyring.json')
  const text = await readFile(file, 'utf8')
  const end = text.indexOf(',\n  "sha256": "')
  const body = rewrite(text.slice(0, end))
  expect(body).not.toBe(text.slice(0, end))
  const checksum = createHash('sha256').update(body).digest('base64url')
  await writeFile(file, body + text.slice(end).replace(/"sha256": "[^"]+"/, `"sha256": "${checksum}"`))
}

/** Adds fields to the head, sealed as the library seals it. */
async function lengthenHead(location: string, keys: Keys, fields: readonly number[]): Promise<void> {
  const unverified = readKeyringFile(await readFile(join(location, 'keyring.json')))
  const { rootKey } = await findSlot(unverified.file, keys.raw.key)
  const keyring = new Keyring(verifyKeyringFile(unverified, rootKey), rootKey, systemRandom)
  await withRows(location, async (level) => {
    const head = keyring.openRow(HEAD_ROW, (await level.get(HEAD_ROW)) as Uint8Array)
    await level.put(HEAD_ROW, keyring.sealRow(HEAD_ROW, Uint8Array.of(...head, ...fields)))
  })
}

describe.skipIf(reason !== undefined)('a reader in another language, and a store of version 3', () => {
  describe.each(['plain', 'sealed'] satisfies NameMode[])('%s names', (names) => {
    test.each(Object.entries(histories))('%s', async (_, { change, roots, dataKeys }) => {
      const keys = await makeKeys()
      const location = await newLocation()
      const clock = new TestClock()
      const store = await openStore(location, { key: keys.raw.key, names, now: clock.now })
      const before = await fill(store, clock, 300)
      const earlier = await store.checkpoint()
      await change(store, keys)
      const expected = byPlace([...before, ...(await fill(store, clock, 10, 'later'))])
      const token = await store.checkpoint()
      const [backup, restored] = [`${location}.backup`, `${location}-restored`]
      await store.backup(backup)
      await store.close()

      const found = readStore(location, keys.raw.file, earlier)
      expect(found.message).toBe('')
      expect(found.store).toMatchObject({ version: 3, names, roots, dataKeys })
      expect(byPlace(found.store?.secrets ?? [])).toEqual(expected)
      const ofBackup = readStore(backup, keys.raw.file, token)
      expect([ofBackup.message, ofBackup.store]).toEqual(['', found.store])
      await SecretStore.restore(backup, restored, { key: keys.raw.key })
      const ofRestored = readStore(restored, keys.raw.file, token)
      expect([ofRestored.message, ofRestored.store]).toEqual(['', found.store])
      expect(readStore(location, keys.words.file).exitCode).toBe(2)
    })
  })

  test('holds tokens against it as the library does, by each rule of §9', async () => {
    const { keys, location, before, earlier, token } = await replacedStore()
    const other = await replacedStore()
    const store = await openStore(location, { key: keys.raw.key })
    const same = await store.checkpoint()
    await store.close()
    const bytes = Buffer.from(token, 'base64url')
    const altered = (at: number): string => {
      const copy = Buffer.from(bytes)
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at)
      return copy.toString('base64url')
    }
    const storeId = new Uint8Array(bytes.subarray(1, 17))
    const former = formerToken({ storeId, sequence: 1, mac: new Uint8Array(32) })
    const whole = { reader: '', library: 'no error' }
    expect(await judge(location, keys, earlier)).toEqual(whole)
    expect(await judge(location, keys, token)).toEqual(whole)
    expect(same).toBe(token)
    expect(await judge(before, keys, earlier)).toEqual(whole)
    const refused: readonly (readonly [string, string, string])[] = [
      [location, other.token, 'checkpoint: of another store'],
      [location, altered(1), 'checkpoint: of another store'],
      [before, token, 'checkpoint: of a root key that is not in the lineage'],
      [location, altered(17), 'checkpoint: of a root key that is not in the lineage'],
      [location, altered(56), 'checkpoint: altered'],
      [location, altered(64), 'checkpoint: altered'],
      [location, altered(96), 'checkpoint: altered'],
      [location, altered(128), 'checkpoint: altered'],
      [location, former, 'checkpoint: of version 1, and the store of version 3'],
    ]
    for (const [at, refusedToken, reader] of refused) {
      expect(await judge(at, keys, refusedToken)).toEqual({ reader, library: 'ERR_ROLLBACK' })
    }
  })

  test('finds states of before a token: its keys, its writes, its contents', async () => {
    const { keys, location } = await replacedStore()
    const write = async (at: string, name: string): Promise<string> => {
      const store = await openStore(at, { key: keys.raw.key })
      await store.set({ scope: account, name, payload: name })
      const token = await store.checkpoint()
      await store.close()
      return token
    }
    const [older, branch, changed] = [await newLocation(), await newLocation(), await newLocation()]
    for (const at of [older, branch, changed]) await copyStore(location, at)
    const later = await write(location, 'one')
    await write(branch, 'another')
    // More writes than the store that has another key: its sequence is greater, its generation is not.
    const store = await openStore(changed, { key: keys.raw.key })
    await store.addKey(keys.words.key)
    const newKeys = await store.checkpoint()
    await store.close()
    for (const name of ['two', 'three', 'four']) await write(location, name)
    const library = 'ERR_ROLLBACK'
    expect(await judge(older, keys, later)).toEqual({ reader: 'checkpoint: the store is older', library })
    expect(await judge(branch, keys, later)).toEqual({ reader: 'checkpoint: other contents', library })
    const reader = 'checkpoint: the keys of the store are older'
    expect(await judge(location, keys, newKeys)).toEqual({ reader, library })
  })

  test.each([
    ['an unknown feature', '"features": ["lineage", "other"]', 'version: feature other is not known'],
    ['an unknown feature alone', '"features": ["other"]', 'version: feature other is not known'],
    ['no feature', '"features": []', 'keyring.json: features'],
    ['a feature twice', '"features": ["lineage", "lineage"]', 'keyring.json: features'],
    ['features that are no list', '"features": "lineage"', 'keyring.json: features'],
    ['a feature that is no name', '"features": ["Lineage 2"]', 'keyring.json: features'],
  ])('does not read on at %s', async (_, features, reader) => {
    const { keys, location } = await replacedStore()
    await rewriteKeyring(location, (body) => body.replace(/"features": \[\s*"lineage"\s*\]/, features))
    const { exitCode, message } = readStore(location, keys.raw.file)
    expect([exitCode, message]).toEqual([1, reader])
    const code = await codeOf(async () => (await openStore(location, { key: keys.raw.key })).close())
    expect(code).toBe(reader.startsWith('version') ? 'ERR_UNSUPPORTED_VERSION' : 'ERR_CORRUPT')
  })

  test.each([
    ['a list of another length', /"lineage": "[^"]{43}/, '"lineage": "', /^keyring\.json: lineage|^base64url/],
    ['ownSums of 1', /"ownSums": \d+/, '"ownSums": 1', /^keyring\.json: ownSums/],
    ['another list', /"lineage": "..../, '"lineage": "AAAA', /^keyring\.json: altered/],
    ['ownSums moved', /"ownSums": \d+/, '"ownSums": 3', /^keyring\.json: altered/],
  ])('rejects %s, as the library does', async (_, from, to, reader) => {
    const { keys, location } = await replacedStore()
    await rewriteKeyring(location, (body) => body.replace(from, to))
    const { exitCode, message } = readStore(location, keys.raw.file)
    expect([exitCode, message]).toEqual([1, expect.stringMatching(reader)])
    expect(await codeOf(async () => (await openStore(location, { key: keys.raw.key })).close())).toBe('ERR_CORRUPT')
  })

  test.each([
    ['fields it may pass over', [0x80, 0, 2, 1, 2, 0xff, 0, 0], '', 'no error'],
    ['a field it must know', [0x7f, 0, 1, 0], 'version: field 127 of the head is not known', 'ERR_UNSUPPORTED_VERSION'],
    ['fields in another order', [0x81, 0, 0, 0x80, 0, 0], 'head: its tags do not ascend', 'ERR_CORRUPT'],
    ['a field twice', [0x80, 0, 0, 0x80, 0, 0], 'head: its tags do not ascend', 'ERR_CORRUPT'],
    ['tag 0', [0, 0, 0], 'head: its tags do not ascend', 'ERR_CORRUPT'],
    ['a field that runs past the end', [0x80, 0, 2, 1], 'head: runs past its end', 'ERR_CORRUPT'],
  ])('a longer head: %s', async (_, fields, reader, library) => {
    const { keys, location, token } = await replacedStore()
    await lengthenHead(location, keys, fields)
    expect(await judge(location, keys, token)).toEqual({ reader, library })
  })

  test('passes over derived rows, which are stray in a store of another version', async () => {
    const { keys, location, before, token } = await replacedStore()
    const rows = [
      [0x64, 1],
      [0x64, 0xff, 7],
    ]
    for (const at of [location, before]) {
      await withRows(at, (level) =>
        level.batch(rows.map((key) => ({ type: 'put', key: Uint8Array.from(key), value: Uint8Array.of(1) }))),
      )
    }
    expect(await judge(location, keys, token)).toEqual({ reader: '', library: 'no error' })
    expect(readStore(before, keys.raw.file).message).toContain('stray')
    const verified = async (at: string) => {
      const store = await openStore(at, { key: keys.raw.key })
      return (await store.verify()).problems.map(({ kind }) => kind)
    }
    expect(await verified(location)).toEqual([])
    expect(await verified(before)).toEqual(['stray', 'stray'])
  })
})
