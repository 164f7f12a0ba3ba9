import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Level } from 'level'
import { describe, expect, test } from 'vitest'
import { account, passphrase, rawKey, user } from '../src/index'
import { copyStore, newLocation, openStore, TestClock } from './support'

/**
 * test/independent-reader/read_store.py was written from docs/format.md alone. It reads what the library writes, so the
 * page is complete, and the library does what the page says.
 */
const PYTHON = '/usr/bin/python3'
const program = path('independent-reader/read_store.py')

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

/** Why it cannot run here, if it cannot. */
function obstacle(): string | undefined {
  const { error, status, stderr } = spawnSync(PYTHON, ['-c', 'import plyvel, nacl'], { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `exit code ${status}`)
}

const reason = obstacle()
if (reason !== undefined) {
  console.warn(
    `independent reader: skipped, ${PYTHON} cannot import plyvel and nacl (${reason}); `.concat(
      'on Debian: apt-get install python3-plyvel python3-nacl',
    ),
  )
}

interface Outcome {
  readonly exitCode: number | null
  readonly message: string
  readonly store: { readonly names: string; readonly sequence: number; readonly secrets: readonly object[] } | undefined
}

function readStore(location: string, keyFile: string, checkpoint?: string): Outcome {
  const kind = keyFile.endsWith('.raw-key') ? '--raw-key-file' : '--passphrase-file'
  const options = checkpoint === undefined ? [] : ['--checkpoint', checkpoint]
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-B', program, location, kind, keyFile, ...options], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return { exitCode: status, message: stderr.trim(), store: status === 0 ? JSON.parse(stdout) : undefined }
}

async function copyGolden(fixture: string): Promise<string> {
  const location = await newLocation()
  await copyStore(path(`fixtures/${fixture}/store`), location)
  await chmod(location, 0o700)
  return location
}

async function writePassphrase(location: string, text: string): Promise<string> {
  const file = `${location}.passphrase`
  await writeFile(file, text)
  return file
}

type Rows = Level<Uint8Array, Uint8Array>

/** The rows of a store that nobody has open, as LevelDB sees them. */
async function withRows<T>(location: string, work: (level: Rows) => Promise<T>): Promise<T> {
  const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false }
  const level = new Level<Uint8Array, Uint8Array>(join(location, 'data'), options)
  try {
    return await work(level)
  } finally {
    await level.close()
  }
}

function byPlace(secrets: readonly object[]): string[] {
  return secrets.map((secret) => JSON.stringify(Object.entries(secret).sort())).sort()
}

describe.skipIf(reason !== undefined)('a reader in another language', () => {
  test.each(['v1', 'v1-sealed'])('reads the golden store %s', async (fixture) => {
    const expected = JSON.parse(await readFile(path(`fixtures/${fixture}/expected.json`), 'utf8'))
    const passphraseFile = path(`fixtures/${fixture}/passphrase.txt`)
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
    const expected: object[] = []
    for (let i = 0; i < 60; i++) {
      const scope = i % 3 === 0 ? account : user(`usr|${i % 5}%`)
      const bytes = new Uint8Array(1 + ((i * 97) % 3000)).fill(i)
      const expires_at = i % 4 === 0 ? clock.seconds + 100 + i : null
      const view = store.view({ livemode: i % 2 === 0, ...(i % 7 === 0 ? { account: `acct|${i}` } : {}) })
      const params = { scope, name: `name|${i}\u{1f511}`, ...(expires_at === null ? {} : { expires_at }) }
      await view.set({ ...params, payload: 'first' })
      const { id, created, livemode, name } = await view.set({ ...params, payload: bytes })
      if (i % 10 === 9) {
        await view.delete({ scope, name })
        continue
      }
      const payload = Buffer.from(bytes).toString('base64')
      const partition = { account: i % 7 === 0 ? `acct|${i}` : null, livemode }
      expected.push({ ...partition, scope, name, id, created, expires_at, type: 'bytes', payload })
    }
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
    const page = await readFile(path('../docs/format.md'), 'utf8')
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

  describe('rejects', () => {
    const passphraseFile = path('fixtures/v1/passphrase.txt')

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
      const { checkpoint } = JSON.parse(await readFile(path('fixtures/v1/expected.json'), 'utf8'))
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
      ['a later version', '"version": 1', '"version": 2', 'wrong checksum'],
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
  })
})

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
