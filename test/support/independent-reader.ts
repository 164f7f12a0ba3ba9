import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { expect } from 'vitest'
import {
  account,
  generateRecoveryCode,
  type KeyProvider,
  passphrase,
  type RotateOptions,
  rawKey,
  recoveryCode,
  type SecretStore,
  user,
} from '../../src/index'
import { fromRoot } from './paths'
import { copyStore, newLocation, type TestClock, temporaryDirectory } from './stores'

/**
 * test/format/read_store.py was written from docs/format.md alone. It reads what the library writes, so the
 * page is complete, and the library does what the page says.
 */
const PYTHON = '/usr/bin/python3'
const program = fromRoot('test/format/read_store.py')

/** Why it cannot run here, if it cannot. */
function obstacle(): string | undefined {
  const { error, status, stderr } = spawnSync(PYTHON, ['-c', 'import plyvel, nacl'], { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `exit code ${status}`)
}

export const reason: string | undefined = obstacle()
if (reason !== undefined) {
  console.warn(
    `independent reader: skipped, ${PYTHON} cannot import plyvel and nacl (${reason}); `.concat(
      'on Debian: apt-get install python3-plyvel python3-nacl',
    ),
  )
}

export interface Outcome {
  readonly exitCode: number | null
  readonly message: string
  readonly store: Contents | undefined
}

export interface Contents {
  readonly version: number
  readonly names: string
  /** How many root keys it knows of, with the present one. */
  readonly roots: number
  readonly generation: number
  readonly sequence: number
  /** Ids of the data keys under which records are sealed. */
  readonly dataKeys: readonly number[]
  readonly secrets: readonly object[]
}

/** Has the program read a store, or a backup. The ending of the key's file says what sort of key it is. */
export function readStore(location: string, keyFile: string, checkpoint?: string): Outcome {
  const kind = /\.(raw-key|recovery-code)$/.exec(keyFile)?.[1] ?? 'passphrase'
  const options = checkpoint === undefined ? [] : ['--checkpoint', checkpoint]
  const args = ['-B', program, location, `--${kind}-file`, keyFile, ...options]
  const { status, stdout, stderr } = spawnSync(PYTHON, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return { exitCode: status, message: stderr.trim(), store: status === 0 ? JSON.parse(stdout) : undefined }
}

export async function copyGolden(fixture: string): Promise<string> {
  const location = await newLocation()
  await copyStore(fromRoot(`test/fixtures/${fixture}/store`), location)
  await chmod(location, 0o700)
  return location
}

export async function writePassphrase(location: string, text: string): Promise<string> {
  const file = `${location}.passphrase`
  await writeFile(file, text)
  return file
}

export type Rows = Level<Uint8Array, Uint8Array>

/** The rows of a store that nobody has open, as LevelDB sees them. */
export async function withRows<T>(location: string, work: (level: Rows) => Promise<T>): Promise<T> {
  const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false }
  const level = new Level<Uint8Array, Uint8Array>(join(location, 'data'), options)
  try {
    return await work(level)
  } finally {
    await level.close()
  }
}

/** Sets secrets of many kinds, each twice, and deletes some. Returns what the program should say of the others. */
export async function fill(store: SecretStore, clock: TestClock, count: number, prefix = 'name'): Promise<object[]> {
  const one = async (i: number): Promise<object[]> => {
    const scope = i % 3 === 0 ? account : user(`usr|${i % 5}%`)
    const bytes = new Uint8Array(1 + ((i * 97) % 3000)).fill(i)
    const expires_at = i % 4 === 0 ? clock.seconds + 100 + i : null
    const view = store.view({ livemode: i % 2 === 0, ...(i % 7 === 0 ? { account: `acct|${i}` } : {}) })
    const params = { scope, name: `${prefix}|${i}\u{1f511}`, ...(expires_at === null ? {} : { expires_at }) }
    await view.set({ ...params, payload: 'first' })
    const { id, created, livemode, name } = await view.set({ ...params, payload: bytes })
    if (i % 10 === 9) {
      await view.delete({ scope, name })
      return []
    }
    const payload = Buffer.from(bytes).toString('base64')
    const partition = { account: i % 7 === 0 ? `acct|${i}` : null, livemode }
    return [{ ...partition, scope, name, id, created, expires_at, type: 'bytes', payload }]
  }
  return (await Promise.all(Array.from({ length: count }, (_, i) => one(i)))).flat()
}

/** Keys of each sort, and the files that give them to the program. */
export async function makeKeys(): Promise<Keys> {
  const directory = await temporaryDirectory()
  const file = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(directory, name), content)
    return join(directory, name)
  }
  const bytes = randomBytes(32)
  const code = generateRecoveryCode()
  const typed = ` ${code.toLowerCase().replaceAll('-', ' ').replaceAll('l', '1').replaceAll('0', 'O')}\n`
  return {
    raw: { key: rawKey(bytes), file: await file('first.raw-key', bytes) },
    words: { key: passphrase('wo\u0308rter', { N: 16_384 }), file: await file('words', 'w\u00f6rter') },
    argon: {
      key: passphrase('argon words', { kdf: 'argon2id', m: 19_456, t: 2 }),
      file: await file('argon', 'argon words'),
    },
    code: { key: recoveryCode(code), file: await file('typed.recovery-code', typed) },
    stranger: { key: rawKey(new Uint8Array(32).fill(1)), file: await file('stranger.raw-key', new Uint8Array(32)) },
  }
}

/** A key, and the file that gives it to the program. */
interface KeyInFile {
  readonly key: KeyProvider
  readonly file: string
}

export type Keys = Readonly<Record<'raw' | 'words' | 'argon' | 'code' | 'stranger', KeyInFile>>

/** Starts a rotation and stops it when some of the records are under the new key. */
export async function rotateHalfway(store: SecretStore, options: RotateOptions = {}): Promise<void> {
  const controller = new AbortController()
  const stop = () => controller.abort(new Error('half-way'))
  const message = await store
    .rotate({ ...options, signal: controller.signal, onProgress: stop })
    .catch((error) => error.message)
  expect(message).toBe('half-way')
}

export function slotOf(store: SecretStore, kind: string): string {
  return store.keys().find((slot) => slot.kind === kind)?.id ?? ''
}

export function byPlace(secrets: readonly object[]): string[] {
  return secrets.map((secret) => JSON.stringify(Object.entries(secret).sort())).sort()
}
