import { createHash, randomBytes } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { account, generateRecoveryCode, passphrase, rawKey, recoveryCode, SecretStore, user } from '../../../src/index'
import {
  byPlace,
  copyGolden,
  fill,
  type Keys,
  makeKeys,
  type Outcome,
  type Rows,
  readStore,
  reason,
  rotateHalfway,
  slotOf,
  withRows,
  writePassphrase,
} from '../../support/independent-reader'
import { fromRoot } from '../../support/paths'
import { codeOf, copyStore, newLocation, openStore, TestClock } from '../../support/stores'

/** A sealed chunk of a backup that others follow. */
const CHUNK = 65_552

/** How many bytes of a backup are in the clear. */
async function headerLength(backup: string): Promise<number> {
  return 65 + (await readFile(backup)).readUInt32BE(21)
}

/** Bytes 57 to 64 of the token (docs/format.md §9). */
function sequenceOf(checkpoint: string): number {
  return Number(Buffer.from(checkpoint, 'base64url').readBigUInt64BE(57))
}

interface Change {
  /** Begins with a store that `keys.raw` opens. */
  readonly change: (store: SecretStore, keys: Keys) => Promise<unknown>
  readonly generation: number
  readonly dataKeys: readonly number[]
  readonly opens: readonly (keyof Keys)[]
}

const changes: Record<string, Change> = {
  'no change': { change: async () => {}, generation: 0, dataKeys: [1], opens: ['raw'] },
  'keys of all sorts added': {
    change: async (store, { words, argon, code }) => {
      for (const { key } of [words, argon, code]) await store.addKey(key)
    },
    generation: 3,
    dataKeys: [1],
    opens: ['raw', 'words', 'argon', 'code'],
  },
  'a key removed': {
    change: async (store, { code }) => {
      await store.addKey(code.key)
      await store.removeKey(slotOf(store, 'raw-key'))
    },
    generation: 2,
    dataKeys: [1],
    opens: ['code'],
  },
  'a key replaced with a passphrase': {
    change: (store, { words }) => store.replaceKey(slotOf(store, 'raw-key'), words.key),
    generation: 1,
    dataKeys: [1],
    opens: ['words'],
  },
  'the data key rotated': {
    change: (store) => store.rotate(),
    generation: 2,
    dataKeys: [2],
    opens: ['raw'],
  },
  'a rotation stopped half-way': {
    change: (store) => rotateHalfway(store),
    generation: 1,
    dataKeys: [1, 2],
    opens: ['raw'],
  },
  'a rotation stopped half-way, and taken up again with a new key': {
    change: async (store, { code }) => {
      await rotateHalfway(store)
      await store.addKey(code.key)
      await store.rotate()
    },
    generation: 3,
    dataKeys: [2],
    opens: ['raw', 'code'],
  },
  'the root key rotated': {
    change: async (store, { words, code }) => {
      await store.addKey(words.key)
      await store.addKey(code.key)
      await store.rotate({ root: true, keys: [code.key, words.key] })
    },
    generation: 4,
    dataKeys: [2],
    opens: ['words', 'code'],
  },
}

describe.skipIf(reason !== undefined)('a reader in another language', () => {
  test.each(['v1', 'v1-sealed', 'v2', 'v3'])('reads the golden store %s', async (fixture) => {
    const expected = JSON.parse(await readFile(fromRoot(`test/fixtures/${fixture}/expected.json`), 'utf8'))
    const passphraseFile = fromRoot(`test/fixtures/${fixture}/passphrase.txt`)
    const { message, store } = readStore(await copyGolden(fixture), passphraseFile, expected.checkpoint)
    expect(message).toBe('')
    expect(store).toMatchObject({ names: expected.names, sequence: expected.sequence })
    expect(byPlace(store?.secrets ?? [])).toEqual(byPlace(expected.secrets))
  })

  test.each(['plain', 'sealed'] as const)('reads what is written today, with %s names', async (names) => {
    const location = await newLocation()
    const rawBytes = new Uint8Array(32).fill(9)
    const keyFile = `${location}.${names === 'plain' ? 'passphrase' : 'raw-key'}`
    await writeFile(keyFile, names === 'plain' ? 'today' : rawBytes)
    const clock = new TestClock()
    const options = {
      key: names === 'plain' ? passphrase('today', { N: 16_384 }) : rawKey(rawBytes),
      names,
      now: clock.now,
    }
    const store = await openStore(location, options)
    const expected = await fill(store, clock, 60)
    const checkpoint = await store.checkpoint()
    await store.close()
    const found = readStore(location, keyFile, checkpoint)
    expect(found.message).toBe('')
    expect(byPlace(found.store?.secrets ?? [])).toEqual(byPlace(expected))

    const again = await openStore(location, options)
    await again.compact()
    const later = await again.checkpoint()
    await again.close()
    expect(byPlace(readStore(location, keyFile, checkpoint).store?.secrets ?? [])).toEqual(byPlace(expected))
    expect(readStore(location, keyFile, later).exitCode).toBe(0)
    const whole = await openStore(location, options)
    expect(await whole.verify()).toMatchObject({ ok: true, records: expected.length })
  })

  test('reads the store of docs/format.md §13, put together from the page; so does the library', async () => {
    const page = await readFile(fromRoot('docs/format.md'), 'utf8')
    const block = (name: string): string => {
      const found = new RegExp(`^\`\`\`\\w+ ${name.replaceAll('.', '\\.')}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)
      if (found === null) throw new Error(`docs/format.md: expected a block '${name}', got none`)
      return found[1] as string
    }
    const bytes = (name: string): Uint8Array => new Uint8Array(Buffer.from(block(name).replace(/\s/g, ''), 'hex'))
    const location = await newLocation()
    await mkdir(location, { mode: 0o700 })
    await writeFile(join(location, 'keyring.json'), block('keyring.json'))
    const rows = [
      ['small-row-key', 'small-envelope'],
      ['small-id-row-key', 'small-row-key'],
      ['small-expiry-row-key', 'small-row-key'],
      ['large-row-key', 'large-envelope'],
      ['large-payload-row-key', 'large-payload-envelope'],
      ['large-id-row-key', 'large-row-key'],
      ['head-row-key', 'head-envelope'],
    ] as const
    await withRows(location, (level) =>
      level.batch(rows.map(([key, value]) => ({ type: 'put', key: bytes(key), value: bytes(value) }))),
    )
    const checkpoint = block('checkpoint-token').trim()
    const passphraseFile = await writePassphrase(location, 'correct horse battery staple')
    const { message, store } = readStore(location, passphraseFile, checkpoint)
    expect(message).toBe('')
    expect(store?.secrets).toMatchObject([
      { account: 'acct_1', livemode: true, scope: user('100%|a'), name: 'tls|key', type: 'bytes' },
      { account: null, livemode: false, scope: account, name: 'api-key', expires_at: 4_102_444_800, type: 'text' },
    ])

    const opened = await openStore(location, {
      key: passphrase('correct horse battery staple'),
      minimum: checkpoint,
      now: () => 1_767_225_600_000,
    })
    expect(await opened.verify()).toEqual({ ok: true, records: 2, problems: [] })
    expect(await opened.get({ scope: account, name: 'api-key' })).toBe('sk_123')
    const large = opened.view({ account: 'acct_1', livemode: true })
    expect(await large.getBytes({ scope: user('100%|a'), name: 'tls|key' })).toEqual(new Uint8Array(1025).fill(0x61))
  })

  describe.each(['plain', 'sealed'] as const)('reads stores with changed keys and their backups, %s names', (names) => {
    test.each(Object.entries(changes))('%s', async (_, { change, generation, dataKeys, opens }) => {
      const keys = await makeKeys()
      const location = await newLocation()
      const clock = new TestClock()
      const store = await openStore(location, { key: keys.raw.key, names, now: clock.now })
      const before = await fill(store, clock, 400)
      const earlier = await store.checkpoint()
      await change(store, keys)
      const expected = byPlace([...before, ...(await fill(store, clock, 20, 'later'))])
      const checkpoint = await store.checkpoint()
      const backup = `${location}.backup`
      const restored = `${location}-restored`
      await store.backup(backup)
      expect((await store.status()).dataKeys.filter(({ records }) => records > 0).map(({ id }) => id)).toEqual(dataKeys)
      await store.close()

      const first = keys[opens[0] as keyof Keys]
      const whole = readStore(location, first.file, earlier)
      expect(whole.message).toBe('')
      expect(whole.store).toMatchObject({ names, generation, dataKeys })
      expect(byPlace(whole.store?.secrets ?? [])).toEqual(expected)
      for (const [name, { file }] of Object.entries(keys)) {
        const exitCode = opens.includes(name as keyof Keys) ? 0 : 2
        const outcomes = [readStore(location, file, checkpoint), readStore(backup, file, checkpoint)]
        for (const outcome of outcomes) {
          expect([name, outcome.exitCode, outcome.message]).toEqual([name, exitCode, expect.any(String)])
          if (exitCode === 0) expect(outcome.store).toEqual(whole.store)
        }
      }
      await SecretStore.restore(backup, restored, { key: first.key })
      expect(readStore(restored, first.file, checkpoint).store).toEqual(whole.store)
    })
  })

  test('reads the recovery code of docs/format.md §3.5, and no mistyped one', async () => {
    const page = await readFile(fromRoot('docs/format.md'), 'utf8')
    const code = /^code +([A-Z0-9-]{47})$/m.exec(page)?.[1] ?? ''
    const location = await newLocation()
    const store = await openStore(location, { key: recoveryCode(code) })
    await store.set({ scope: account, name: 'a', payload: 'b' })
    await store.close()
    const typed = async (text: string): Promise<Outcome> => {
      const file = `${location}.recovery-code`
      await writeFile(file, text)
      return readStore(location, file)
    }
    expect((await typed(code)).store?.secrets).toMatchObject([{ name: 'a' }])
    expect((await typed(code.toLowerCase().replace('8', 'b').replaceAll('-', ' '))).exitCode).toBe(0)
    for (const wrong of [code.replace('Q', 'P'), code.slice(0, -1), `${code}Q`, '']) {
      expect(await typed(wrong)).toMatchObject({ exitCode: 2, message: 'the recovery code was mistyped' })
    }
    const other = await typed(generateRecoveryCode())
    expect(other).toMatchObject({ exitCode: 2, message: 'no slot opens with this recovery-code' })
  })

  describe('reads backups', () => {
    test.each(['plain', 'sealed'] as const)(
      'made while others write and the data key changes, %s names',
      async (names) => {
        const { raw } = await makeKeys()
        const location = await newLocation()
        const store = await openStore(location, { key: raw.key, names })
        const name = (i: number) => `secret ${String(i).padStart(4, '0')}`
        await store.batch(
          Array.from({ length: 700 }, (_, i) => ({
            type: 'set' as const,
            scope: account,
            name: name(i),
            payload: 'x'.repeat(1 + i * 3),
          })),
        )
        let writing = true
        const write = async (first: number): Promise<void> => {
          for (let i = first; writing; i = (i + 71) % 700) {
            await store.set({ scope: account, name: name(i), payload: `small ${i}` })
            await store.delete({ scope: account, name: name((i + 13) % 700) })
            await store.set({ scope: account, name: name((i + 29) % 700), payload: `large ${'y'.repeat(1500)}` })
            await store.set({
              scope: user(`usr_${i % 9}`),
              name: name(i),
              payload: 'another',
              expires_at: 4_102_444_800,
            })
          }
        }
        const sequenceBefore = sequenceOf(await store.checkpoint())
        const backups = [`${location}.first`, `${location}.second`]
        const work = [write(0), write(1), write(350), write(690)]
        await store.backup(backups[0] as string)
        // While a backup is written keyring.json does not change: this one begins when the rotation has changed it.
        let second: Promise<unknown> | undefined
        const onProgress = () => {
          second ??= store.backup(backups[1] as string)
        }
        await store.rotate({ onProgress })
        await second
        writing = false
        await Promise.all(work)
        const sequenceAfter = sequenceOf(await store.checkpoint())
        await store.close()

        for (const [i, backup] of backups.entries()) {
          const found = readStore(backup, raw.file)
          expect(found.message).toBe('')
          expect(found.store?.sequence).toBeGreaterThan(sequenceBefore)
          expect(found.store?.sequence).toBeLessThanOrEqual(sequenceAfter)
          const location = await newLocation()
          await SecretStore.restore(backup, location, { key: raw.key })
          expect(readStore(location, raw.file).store).toEqual(found.store)
          expect(found.store?.dataKeys).toContain(i + 1)
          const restored = await openStore(location, { key: raw.key })
          expect(await restored.verify()).toMatchObject({ ok: true, records: found.store?.secrets.length })
          for await (const { id, scope, name } of restored.list({ scope: account })) {
            const payload = Buffer.from((await restored.getBytes({ scope, name })) ?? []).toString('base64')
            expect(found.store?.secrets.find((secret) => 'id' in secret && secret.id === id)).toMatchObject({
              name,
              payload,
            })
          }
        }
      },
    )

    test('of an empty store', async () => {
      const { raw } = await makeKeys()
      const location = await newLocation()
      const store = await openStore(location, { key: raw.key })
      await store.backup(`${location}.backup`)
      expect(readStore(`${location}.backup`, raw.file).store).toMatchObject({ sequence: 0, secrets: [] })
    })

    test('with a payload of several chunks', async () => {
      const { code } = await makeKeys()
      const location = await newLocation()
      const backup = `${location}.backup`
      const store = await openStore(location, { key: code.key })
      const payload = randomBytes(200_000)
      await store.set({ scope: account, name: 'large', payload })
      const { bytes } = await store.backup(backup)
      expect(bytes).toBeGreaterThan(3 * CHUNK)
      const found = readStore(backup, code.file, await store.checkpoint())
      expect(found.message).toBe('')
      expect(found.store?.secrets).toMatchObject([{ name: 'large', payload: payload.toString('base64') }])
      await SecretStore.restore(backup, `${location}-restored`, { key: code.key })
      expect(readStore(`${location}-restored`, code.file).store).toEqual(found.store)
    })

    test('that end with a whole chunk', async () => {
      const { raw } = await makeKeys()
      const location = await newLocation()
      const backup = `${location}.backup`
      const store = await openStore(location, { key: raw.key })
      // Found by trying; what is expected next says so if it changes.
      await store.set({ scope: account, name: 'n'.repeat(1892), payload: new Uint8Array(61_000) })
      await store.backup(backup)
      expect((await readFile(backup)).subarray(await headerLength(backup)).length % CHUNK).toBe(0)
      const found = readStore(backup, raw.file)
      expect([found.message, found.store?.secrets.length]).toEqual(['', 1])
    })
  })

  describe('rejects', () => {
    const passphraseFile = fromRoot('test/fixtures/v1/passphrase.txt')

    test('another passphrase', async () => {
      const location = await copyGolden('v1')
      const { exitCode } = readStore(location, await writePassphrase(location, 'another'))
      expect(exitCode).toBe(2)
    })

    test('a lost log', async () => {
      const location = await copyGolden('v1')
      for (const name of await readdir(join(location, 'data'))) {
        if (name.endsWith('.log')) await rm(join(location, 'data', name))
      }
      const { checkpoint } = JSON.parse(await readFile(fromRoot('test/fixtures/v1/expected.json'), 'utf8'))
      const outcome = readStore(location, passphraseFile, checkpoint)
      expect([outcome.exitCode, outcome.message]).toEqual([1, 'checkpoint: the store is older'])
    })

    test.each([
      [
        'a damaged keyring.json',
        '"created": 1767225600,\n  "names"',
        '"created": 1767225601,\n  "names"',
        'wrong checksum',
      ],
      ['a version changed by hand', '"version": 1', '"version": 2', 'wrong checksum'],
      ['an altered MAC', '"mac": "', '"mac": "A', 'another ending'],
    ])('%s', async (_, from, to, message) => {
      const location = await copyGolden('v1')
      const file = join(location, 'keyring.json')
      const text = await readFile(file, 'utf8')
      expect(text).toContain(from)
      await writeFile(file, text.replace(from, to))
      const outcome = readStore(location, passphraseFile)
      expect(outcome.exitCode).toBe(1)
      expect(outcome.message).toContain(message)
    })

    test.each([
      ['a later version', '"version": 1', '"version": 4', 'version: 4 is not known', 'ERR_UNSUPPORTED_VERSION'],
      ['version 2 without its fields', '"version": 1', '"version": 2', 'expected the fields', 'ERR_CORRUPT'],
      ['version 1 with a field', '"slots"', '"generation": 1,\n  "slots"', 'expected the fields', 'ERR_CORRUPT'],
      ['generation 0', '"slots"', '"generation": 0,\n  "sequence": 0,\n  "slots"', 'generation', 'ERR_CORRUPT'],
      ['an added field', '"slots"', '"generation": 1,\n  "sequence": 0,\n  "slots"', 'altered', 'ERR_CORRUPT'],
    ])('%s, with a right checksum', async (what, from, to, message, code) => {
      const location = await copyGolden('v1')
      const file = join(location, 'keyring.json')
      const version = /^(gen|an)/.test(what) ? 2 : 1
      const text = (await readFile(file, 'utf8')).replace('"version": 1', `"version": ${version}`).replace(from, to)
      const [body, , rest] = text.split(/,\n {2}"sha256": "(.{43})"/) as [string, string, string]
      const sha256 = createHash('sha256').update(body).digest('base64url')
      await writeFile(file, `${body},\n  "sha256": "${sha256}"${rest}`)
      const outcome = readStore(location, passphraseFile)
      expect([outcome.exitCode, outcome.message]).toEqual([1, expect.stringContaining(message)])
      const key = passphrase(await readFile(passphraseFile, 'utf8'))
      expect(await codeOf(() => openStore(location, { key }))).toBe(code)
    })

    test('an older version of one record, put back', async () => {
      const location = await copyGolden('v1')
      const rowKey = utf8('rt|account|api-key')
      const before = await withRows(location, (level) => level.get(rowKey))
      const store = await openStore(location, { key: passphrase(await readFile(passphraseFile, 'utf8')) })
      await store.set({ scope: account, name: 'api-key', payload: 'sk_newer' })
      await store.close()
      expect(readStore(location, passphraseFile).exitCode).toBe(0)
      await withRows(location, (level) => level.put(rowKey, before as Uint8Array))
      const outcome = readStore(location, passphraseFile)
      expect([outcome.exitCode, outcome.message]).toEqual([1, 'head: another set hash'])
    })

    test('a record deleted, a stray row, a value moved, a hint led astray', async () => {
      const alterations: Record<string, (level: Rows) => Promise<void>> = {
        'head: expected 14 records, got 13': async (level) => {
          await level.del(utf8('rt|account|replaced'))
        },
        stray: (level) => level.put(utf8('z'), new Uint8Array()),
        'envelope: does not open': async (level) => {
          await level.put(utf8('rt|account|moved'), (await level.get(utf8('rt|account|api-key'))) as Uint8Array)
        },
        'head: missing': (level) => level.del(utf8('h')),
        'payload: its row is missing': (level) => level.del(utf8('pt|account|large')),
        'rows missing': async (level) => {
          for await (const key of level.keys({ gte: utf8('i'), lt: utf8('j'), limit: 1 })) await level.del(key)
        },
        'leads elsewhere': async (level) => {
          for await (const key of level.keys({ gte: utf8('x'), lt: utf8('y'), limit: 1 })) {
            await level.put(key, utf8('rt|account|api-key'))
          }
        },
      }
      for (const [message, alter] of Object.entries(alterations)) {
        const location = await copyGolden('v1')
        await withRows(location, alter)
        const outcome = readStore(location, passphraseFile)
        expect([outcome.exitCode, outcome.message]).toEqual([1, expect.stringContaining(message)])
      }
    })

    test('keyring.json and data of different times; not what a crash leaves between them', async () => {
      const { raw, code, words } = await makeKeys()
      const location = await newLocation()
      const states: string[] = []
      const steps: ((store: SecretStore) => Promise<unknown>)[] = [
        (store) => store.set({ scope: account, name: 'a', payload: 'first' }),
        (store) => store.addKey(code.key),
        (store) => store.addKey(words.key),
        (store) => store.set({ scope: account, name: 'a', payload: 'second' }),
        (store) => store.removeKey(slotOf(store, 'passphrase')),
        (store) => store.rotate(),
        (store) => store.rotate({ root: true, keys: [raw.key] }),
      ]
      for (const step of steps) {
        const store = await openStore(location, { key: raw.key })
        await step(store)
        await store.close()
        states.push(`${location}-${states.length}`)
        await copyStore(location, states.at(-1) as string)
      }
      // Down: keyring.json as it was after each step. Across: the data. W: whole, C: as after a crash, which the library
      // completes; R: rollback, K: the data key is not there.
      const expected = ['WRRRRKK', 'CWRRRKK', 'RCWWRKK', 'RCWWRKK', 'RRRCWKK', 'KKKKKWK', 'KKKKKKW']
      const outcomes: Record<string, readonly [number, RegExp, RegExp]> = {
        W: [0, /^$/, /^no error$/],
        C: [0, /^$/, /^no error$/],
        R: [1, /^rollback: /, /^ERR_ROLLBACK$/],
        K: [1, /^envelope: no key/, /^ERR_(CORRUPT|ROLLBACK)$/],
      }
      for (const file of states.keys()) {
        for (const data of states.keys()) {
          const mixed = `${location}-mixed-${file}-${data}`
          await mkdir(mixed, { mode: 0o700 })
          await cp(join(states[file] as string, 'keyring.json'), join(mixed, 'keyring.json'))
          await cp(join(states[data] as string, 'data'), join(mixed, 'data'), { recursive: true })
          const { exitCode, message, store } = readStore(mixed, raw.file)
          const library = await codeOf(async () => (await openStore(mixed, { key: raw.key })).close())
          const outcome = expected[file]?.[data] ?? ''
          const [code, reader, opener] = outcomes[outcome] as [number, RegExp, RegExp]
          expect([file, data, exitCode, message, library]).toEqual([
            file,
            data,
            code,
            expect.stringMatching(reader),
            expect.stringMatching(opener),
          ])
          if (store === undefined) continue
          const sequence = store.sequence + (outcome === 'C' ? 1 : 0)
          expect(readStore(mixed, raw.file).store).toEqual({ ...store, sequence })
        }
      }
    })

    test('damaged backups, as the library does', async () => {
      const { raw, stranger, words } = await makeKeys()
      const location = await newLocation()
      const store = await openStore(location, { key: raw.key })
      await store.addKey(words.key)
      await store.set({ scope: account, name: 'large', payload: randomBytes(200_000) })
      await store.backup(`${location}.backup`)
      const whole = await readFile(`${location}.backup`)
      const header = await headerLength(`${location}.backup`)
      expect(readStore(`${location}.backup`, raw.file).exitCode).toBe(0)
      expect(readStore(`${location}.backup`, stranger.file).exitCode).toBe(2)

      const chunk = (i: number) => whole.subarray(header + i * CHUNK, header + (i + 1) * CHUNK)
      const damaged: Record<string, Uint8Array> = {
        'nothing at all': new Uint8Array(),
        'another chunk first': Buffer.concat([whole.subarray(0, header), chunk(1), chunk(0), chunk(2), chunk(3)]),
        'a chunk twice': Buffer.concat([whole.subarray(0, header), chunk(0), whole.subarray(header)]),
        'the first chunk missing': Buffer.concat([whole.subarray(0, header), whole.subarray(header + CHUNK)]),
        'a byte more': Buffer.concat([whole, Buffer.of(0)]),
        'itself twice': Buffer.concat([whole, whole]),
      }
      const ends = [10, 20, 24, 25, header - 33, header - 1, header, header + 1, header + 16, header + 17]
      for (let i = 1; i <= 3; i++) ends.push(header + i * CHUNK - 1, header + i * CHUNK, header + i * CHUNK + 16)
      for (const end of [...ends, whole.length - 16, whole.length - 1]) {
        damaged[`cut after ${end} of ${whole.length} bytes`] = whole.subarray(0, end)
      }
      const bits = [0, 19, 20, 21, 24, 25, header - 200, header - 42, header - 40, header - 33, header - 32, header - 1]
      for (const at of [
        ...bits,
        header,
        header + CHUNK - 1,
        header + CHUNK,
        header + 2 * CHUNK + 9,
        whole.length - 1,
      ]) {
        const flipped = Buffer.from(whole)
        flipped.writeUInt8(whole.readUInt8(at) ^ 1, at)
        damaged[`byte ${at} of ${whole.length} flipped`] = flipped
      }
      for (const [what, bytes] of Object.entries(damaged)) {
        const file = `${location}.damaged`
        await writeFile(file, bytes)
        const { exitCode, message } = readStore(file, raw.file)
        expect([what, exitCode, message]).toEqual([what, 1, expect.stringMatching(/^(backup|version|keyring\.json)/)])
        const code = await codeOf(() => SecretStore.restore(file, `${location}-restored`, { key: raw.key }))
        expect([what, code]).toEqual([what, expect.stringMatching(/^ERR_(CORRUPT|NOT_A_STORE|UNSUPPORTED_VERSION)$/)])
      }
    })
  })
})

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
