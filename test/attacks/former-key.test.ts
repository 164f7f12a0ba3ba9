import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  account,
  type NameMode,
  SecretStore,
  SecretStoreError,
  type SecretStoreErrorCode,
  user,
} from 'app-secret-store'
import { describe, expect, test } from 'vitest'
import { createKeyringFile } from '../../src/crypto/data-keys'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import { Lineage } from '../../src/crypto/lineage'
import { systemRandom } from '../../src/crypto/random'
import { decodeCheckpoint, encodeCheckpoint, type RootedCheckpoint } from '../../src/format/checkpoint'
import { encodeHead, type Head } from '../../src/format/head'
import type { KeyringFile } from '../../src/format/keyring-file'
import { findSlot } from '../../src/keys/unlock'
import { checkpointToken } from '../../src/storage/checkpoint'
import { openHead } from '../../src/storage/head'
import { HEAD_ROW } from '../../src/storage/keyspace'
import { LevelEngine } from '../../src/storage/level/engine'
import { Place } from '../support/behaviour/checkpoints'
import { Draws } from '../support/campaign'
import { writeTo } from '../support/engine-writes'
import { formerToken } from '../support/former-checkpoint'
import { atLength } from '../support/lengths'
import {
  codeOf,
  copyStore,
  directoryDigest,
  newLocation,
  openStore,
  temporaryDirectory,
  testKey,
} from '../support/stores'

/**
 * Somebody who once had a key, and with it the root, the data keys, the index key and the files of every day, and who can
 * write to the owner's directory: against an owner who replaced the root key, kept their own key, and has a checkpoint of
 * after that.
 */

const OWNER = testKey(1)
const ADMIN = testKey(2)
const NEW_OWNER = testKey(3)
const SECRET = { scope: account, name: 'api-key' }
const TRUTH = 'what the owner has set'
const FORGED = 'what the administrator has set'

interface Case {
  /** Copies of the directory, of the days before the replacement. */
  readonly former: readonly string[]
  /** The directory as the owner left it. */
  readonly genuine: string
  /** Of the state the owner left. */
  readonly token: string
  readonly backups: { readonly former: string; readonly genuine: string }
}

/** @param stops - Whether a rotation stopped halfway before the replacement. */
async function replaced(names: NameMode, keys = [OWNER] as Parameters<typeof rootOf>[1]): Promise<Case> {
  const [location, files] = [await newLocation(), await temporaryDirectory()]
  const former: string[] = []
  const keep = async (): Promise<void> => {
    const to = await newLocation()
    await copyStore(location, to)
    former.push(to)
  }
  let store = await openStore(location, { key: OWNER, names })
  await store.set({ ...SECRET, payload: 'the first' })
  await store.close()
  await keep()
  store = await openStore(location, { key: OWNER })
  await store.addKey(ADMIN)
  for (let n = 0; n < 20; n++) await store.set({ scope: user(`usr_${n % 3}`), name: `n${n}`, payload: `p${n}` })
  await store.backup(join(files, 'former'))
  await store.close()
  await keep()
  const place = new Place()
  store = await openStore(location, { key: OWNER, ...place.options })
  const report = await rootOf(store, keys)
  expect(report.checkpointSaved).toBe(true)
  await store.set({ ...SECRET, payload: TRUTH })
  const token = await store.checkpoint()
  await store.backup(join(files, 'genuine'))
  await store.close()
  expect(place.last).toBe(token)
  return {
    former,
    genuine: location,
    token,
    backups: { former: join(files, 'former'), genuine: join(files, 'genuine') },
  }
}

function rootOf(store: SecretStore, keys: NonNullable<Parameters<SecretStore['rotate']>[0]>['keys'] = [OWNER]) {
  return store.rotate({ root: true, keys })
}

async function copied(from: string): Promise<string> {
  const to = await newLocation()
  await copyStore(from, to)
  return to
}

/** What the owner's program does with whatever stands in its directory. */
async function ownerReads(location: string, token: string, key = OWNER): Promise<string | SecretStoreErrorCode> {
  const place = new Place(token)
  for (const options of [{ minimum: token }, { checkpoints: place, onError: () => {} }]) {
    try {
      const store = await openStore(location, { key, verify: true, createIfMissing: false, ...options })
      const payload = (await store.get(SECRET)) ?? 'nothing'
      await store.close()
      if (payload !== TRUTH) return payload
    } catch (error) {
      const { code } = error as { code?: SecretStoreErrorCode }
      if (code === undefined) throw error
      // A refused state must not leave its mark where checkpoints are kept.
      expect(place.saved).toEqual([token])
      return code
    }
  }
  return TRUTH
}

/** The keys of a copy of keyring.json that the administrator's key opens. */
async function formerRoot(location: string): Promise<{ rootKey: Uint8Array; file: KeyringFile }> {
  const unverified = readKeyringFile(await readFile(join(location, 'keyring.json')))
  const { rootKey } = await findSlot(unverified.file, ADMIN)
  return { rootKey, file: verifyKeyringFile(unverified, rootKey) }
}

/** Sets what the administrator likes, through the public API, over a token that is made up. */
async function advance(location: string, minimum: string, sets = 1): Promise<void> {
  const store = await openStore(location, { key: ADMIN, minimum, acceptRollback: true })
  for (let n = 0; n < sets; n++) await store.set({ ...SECRET, payload: FORGED })
  await store.close()
}

function madeUp(storeId: Uint8Array, sequence: number): string {
  return formerToken({ storeId, sequence, mac: new Uint8Array(32) })
}

/** A keyring.json of the old root that claims to descend from the new one, with the lineage keys that can be guessed. */
async function claimDescent(location: string, token: RootedCheckpoint, draws: Draws): Promise<void> {
  const { rootKey, file } = await formerRoot(location)
  const guess = draws.below(3) === 0 ? token.rootId : systemRandom(32)
  const forged = new Lineage({ storeId: file.storeId }, guess)
  const change = file.change ?? { generation: 1, sequence: 0 }
  const lineage = { ownSums: 2 + draws.below(3), sealed: forged.sealUnder(rootKey, systemRandom) }
  const generation = token.generation + draws.below(3)
  const next = { ...file, change: { ...change, generation }, lineage }
  const bytes = sealKeyringFile(next, rootKey)
  await writeFile(join(location, 'keyring.json'), bytes)
  await sealOver(location, new Keyring(next, rootKey, systemRandom), (head) => ({
    ...head,
    sequence: Math.max(head.sequence, token.sequence) + 1 + draws.below(100),
    keyring: { generation, mac: readKeyringFile(bytes).mac },
  }))
}

/** A head of one's own over the rows as they are, under any key that one has. */
async function sealOver(location: string, keyring: Keyring, change: (head: Head) => Head): Promise<void> {
  const engine = await LevelEngine.open(join(location, 'data'))
  try {
    const value = (await engine.get(HEAD_ROW)) as Uint8Array
    const head = change(openHead(keyring, value))
    await writeTo(engine, [{ type: 'put', key: HEAD_ROW, value: keyring.sealRow(HEAD_ROW, encodeHead(head)) }], value)
  } finally {
    await engine.close()
  }
}

async function swap(into: string, from: string, what: 'keyring.json' | 'data'): Promise<void> {
  await rm(join(into, what), { recursive: true })
  await cp(join(from, what), join(into, what), { recursive: true })
}

describe.each(['plain', 'sealed'] as const)('after the root key was replaced, with %s names', (names) => {
  test('the state that the owner left opens', async () => {
    const { genuine, token } = await replaced(names)
    expect(await ownerReads(await copied(genuine), token)).toBe(TRUTH)
  })

  test('an old copy, and one that was written to since, however often, is refused', async () => {
    const { former, token } = await replaced(names)
    expect(await ownerReads(await copied(former[0] as string), token)).toBe('ERR_ROLLBACK')
    const { storeId } = decodeCheckpoint(token) as RootedCheckpoint
    for (const [sequence, sets] of [
      [10 ** 6, 1],
      [1, 60],
      [2 ** 52, 1],
    ] as const) {
      const location = await copied(former[1] as string)
      await advance(location, madeUp(storeId, sequence), sets)
      expect(await ownerReads(location, token)).toBe('ERR_ROLLBACK')
    }
  })

  test('so is one whose keys the administrator has changed and rotated on the way', async () => {
    const { former, token } = await replaced(names)
    const location = await copied(former[1] as string)
    const { storeId } = decodeCheckpoint(token) as RootedCheckpoint
    const store = await openStore(location, { key: ADMIN, minimum: madeUp(storeId, 10 ** 6), acceptRollback: true })
    for (let n = 0; n < 5; n++) await store.removeKey((await store.addKey(testKey(9))).id)
    await store.rotate()
    await store.set({ ...SECRET, payload: FORGED })
    await store.close()
    expect(await ownerReads(location, token)).toBe('ERR_ROLLBACK')
  })

  test('so is one that the token of that day is said to accept, or a token that was altered', async () => {
    const { former, genuine, token } = await replaced(names)
    const checkpoint = decodeCheckpoint(token) as RootedCheckpoint
    const bytes = Buffer.from(token, 'base64url')
    for (let at = 0; at < bytes.length; at += 7) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] as number) ^ 1
      const code = await ownerReads(await copied(genuine), altered.toString('base64url')).catch((error) => error.name)
      expect(['ERR_ROLLBACK', 'TypeError']).toContain(code)
    }
    const { file, rootKey } = await formerRoot(former[1] as string)
    const own = new Keyring(file, rootKey, systemRandom)
    const { sequence } = checkpoint
    const tokenOfFormer = checkpointToken(own, { sequence, count: 21, superseded: 0, setHash: 0n })
    expect(await ownerReads(await copied(former[1] as string), tokenOfFormer)).toBe('ERR_ROLLBACK')
    const mixed = encodeCheckpoint(checkpoint.macInput, (decodeCheckpoint(tokenOfFormer) as RootedCheckpoint).mac)
    expect(await ownerReads(await copied(genuine), mixed)).toBe('ERR_ROLLBACK')
  })

  test('files of two days are refused, either way round', async () => {
    const { former, genuine, token } = await replaced(names)
    for (const what of ['keyring.json', 'data'] as const) {
      const old = await copied(genuine)
      await swap(old, former[1] as string, what)
      expect(await ownerReads(old, token)).toMatch(/^ERR_(ROLLBACK|CORRUPT)$/)
    }
  })

  test('a backup of that day, or of a copy that was written to since, is refused by restore', async () => {
    const { former, token, backups } = await replaced(names)
    const { storeId } = decodeCheckpoint(token) as RootedCheckpoint
    const location = await copied(former[1] as string)
    const advanced = join(await temporaryDirectory(), 'advanced')
    const store = await openStore(location, { key: ADMIN, minimum: madeUp(storeId, 10 ** 6), acceptRollback: true })
    await store.set({ ...SECRET, payload: FORGED })
    await store.backup(advanced)
    await store.close()
    for (const source of [backups.former, advanced]) {
      const to = await newLocation()
      const restoring = (): Promise<unknown> => SecretStore.restore(source, to, { key: OWNER, minimum: token })
      expect(await codeOf(restoring)).toBe('ERR_ROLLBACK')
      await mkdir(to) // nothing is there
    }
    const to = await newLocation()
    await SecretStore.restore(backups.genuine, to, { key: OWNER, minimum: token })
    expect(await ownerReads(to, token)).toBe(TRUTH)
  })

  test('a head under a data key that is not the greatest is refused', async () => {
    const location = await newLocation()
    const store = await openStore(location, { key: OWNER, names })
    await store.addKey(ADMIN)
    for (let n = 0; n < 300; n++) void store.set({ scope: account, name: `n${n}`, payload: 'p' })
    await store.set({ ...SECRET, payload: TRUTH })
    const stopped = new AbortController()
    const halfway = store.rotate({
      root: true,
      keys: [OWNER, ADMIN],
      signal: stopped.signal,
      onProgress: () => stopped.abort(new Error('stopped')),
    })
    await expect(halfway).rejects.toThrow('stopped')
    await store.close()
    const { file, rootKey } = await formerRoot(location)
    expect(file.keys).toHaveLength(2)
    const lesser = new Keyring({ ...file, keys: file.keys.slice(0, 1) }, rootKey, systemRandom)
    const both = new Keyring(file, rootKey, systemRandom)
    const engine = await LevelEngine.open(join(location, 'data'))
    const value = (await engine.get(HEAD_ROW)) as Uint8Array
    const head = openHead(both, value)
    const forged = lesser.sealRow(HEAD_ROW, encodeHead({ ...head, sequence: head.sequence + 1 }))
    await writeTo(engine, [{ type: 'put', key: HEAD_ROW, value: forged }], value)
    await engine.close()
    expect(await codeOf(() => openStore(location, { key: OWNER }))).toBe('ERR_ROLLBACK')
  })

  test('each way to forge a newer state does what it is to do, and is refused', async () => {
    const { former, genuine, token } = await replaced(names)
    const ways = waysToForge(genuine, decodeCheckpoint(token) as RootedCheckpoint, new Draws(1))
    for (const [way, forge] of Object.entries(ways)) {
      const location = await copied(former[1] as string)
      const before = await directoryDigest(location)
      await forge(location)
      expect([way, await directoryDigest(location)]).not.toEqual([way, before])
      expect([way, await ownerReads(location, token)]).toEqual([way, expect.stringMatching(/^ERR_(ROLLBACK|CORRUPT)$/)])
    }
  })

  test('random sequences of them are refused, every one', async () => {
    const { former, genuine, token } = await replaced(names)
    const draws = new Draws(names === 'plain' ? 1 : 2)
    const ways = Object.values(waysToForge(genuine, decodeCheckpoint(token) as RootedCheckpoint, draws))
    let whole = 0
    for (let trial = atLength(8, 500); trial > 0; trial--) {
      const location = await copied(former[1] as string)
      try {
        for (let step = 1 + draws.below(3); step > 0; step--) await draws.pick(ways)(location)
        whole++
      } catch (error) {
        // One way may have left nothing that another can be done to.
        if (!(error instanceof SecretStoreError)) throw error
      }
      // The genuine files may have been put back both: that is no forgery.
      expect([TRUTH, 'ERR_ROLLBACK', 'ERR_CORRUPT', 'ERR_WRONG_KEY']).toContain(await ownerReads(location, token))
    }
    expect(whole).toBeGreaterThan(0)
  })
})

/** What can be done to an old copy with everything old. */
function waysToForge(
  genuine: string,
  checkpoint: RootedCheckpoint,
  draws: Draws,
): Readonly<Record<string, (location: string) => Promise<void>>> {
  return {
    'sets over a token that is made up': (location) =>
      advance(location, madeUp(checkpoint.storeId, draws.below(10 ** 6)), 1 + draws.below(3)),
    'a keyring that claims to descend': (location) => claimDescent(location, checkpoint, draws),
    'a head of a later write': async (location) => {
      const { file, rootKey } = await formerRoot(location)
      await sealOver(location, new Keyring(file, rootKey, systemRandom), (head) => ({
        ...head,
        sequence: head.sequence + 1 + draws.below(10 ** 6),
      }))
    },
    'keys of one’s own making in the old slots': async (location) => {
      const { file, rootKey } = await formerRoot(location)
      const { storeId, names, slots, change } = file
      const own = createKeyringFile(rootKey, { storeId, created: 0, names, slots }, systemRandom)
      const bytes = sealKeyringFile(change === undefined ? own : { ...own, change }, rootKey)
      await writeFile(join(location, 'keyring.json'), bytes)
    },
    'the genuine keyring.json': (location) => swap(location, genuine, 'keyring.json'),
    'the genuine data': (location) => swap(location, genuine, 'data'),
  }
}

describe('the owner', () => {
  test('can exchange a kept key for a new one in the same step: then nothing old opens with it', async () => {
    const { former, genuine, token } = await replaced('plain', [{ from: OWNER, to: NEW_OWNER }])
    expect(await ownerReads(await copied(genuine), token, NEW_OWNER)).toBe(TRUTH)
    expect(await ownerReads(await copied(genuine), token)).toBe('ERR_WRONG_KEY')
    for (const copy of former) {
      expect(await codeOf(async () => openStore(await copied(copy), { key: NEW_OWNER }))).toBe('ERR_WRONG_KEY')
    }
  })

  test('opens with checkpoints of before the replacement, which the new root descends from', async () => {
    const location = await newLocation()
    let store = await openStore(location, { key: OWNER })
    await store.set({ ...SECRET, payload: 'before' })
    const tokens = [await store.checkpoint()]
    for (let n = 0; n < 3; n++) {
      await store.rotate({ root: true, keys: [OWNER] })
      tokens.push(await store.checkpoint())
    }
    await store.set({ ...SECRET, payload: TRUTH })
    await store.close()
    for (const token of tokens) expect(await ownerReads(location, token)).toBe(TRUTH)
    store = await openStore(location, { key: OWNER })
    expect(await store.verify()).toMatchObject({ ok: true, records: 1 })
  })

  test('is told that a token of version 1 counts no more, and can go on', async () => {
    const location = await newLocation()
    let store = await openStore(location, { key: OWNER })
    await store.set({ ...SECRET, payload: 'before' })
    const { storeId } = decodeCheckpoint(await store.checkpoint()) as RootedCheckpoint
    await store.close()
    const minimum = madeUp(storeId, 0)
    store = await openStore(location, { key: OWNER, minimum })
    expect((await store.rotate({ root: true, keys: [OWNER] })).checkpointSaved).toBe(false)
    await store.close()
    await expect(openStore(location, { key: OWNER, minimum })).rejects.toMatchObject({
      code: 'ERR_ROLLBACK',
      message: expect.stringContaining('before the root key was replaced'),
    })
    store = await openStore(location, { key: OWNER, minimum, acceptRollback: true })
    const token = await store.checkpoint()
    await store.close()
    await openStore(location, { key: OWNER, minimum: token })
  })

  test('who accepts an old copy on purpose has it, and its checkpoints', async () => {
    const { former, token } = await replaced('plain')
    const location = await copied(former[1] as string)
    const place = new Place(token)
    let store = await openStore(location, { key: OWNER, acceptRollback: true, ...place.options })
    expect(await store.get(SECRET)).toBe('the first')
    await store.close()
    store = await openStore(location, { key: OWNER, ...place.options })
    expect(await store.verify()).toMatchObject({ ok: true })
  })
})
