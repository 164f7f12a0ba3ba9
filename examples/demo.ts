/**
 * Every verb of the store, on the entries of examples/secrets/, and what they leave on disk. Run by `npm run demo`.
 *
 * The store is made anew in .demo-store/ each time and is still there afterwards.
 */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  account,
  generateRecoveryCode,
  passphrase,
  recoveryCode,
  type Scope,
  SecretStore,
  SecretStoreError,
  type SetParams,
  user,
} from '../src/index'

const PASSPHRASE = 'correct horse battery staple'
const root = fileURLToPath(new URL('..', import.meta.url))
const location = join(root, '.demo-store')
const input = new URL('secrets/secrets.json', import.meta.url)

/** The store's clock: the real one, until the demo moves it. */
let aheadMs = 0
const now = (): number => Date.now() + aheadMs
const nowSeconds = (): number => Math.floor(now() / 1000)
const options = { key: passphrase(PASSPHRASE), now, sweepIntervalMs: 0, compactIntervalMs: 0 }

interface Entry {
  readonly account?: string
  readonly livemode?: boolean
  readonly scope: Scope
  readonly name: string
  readonly payload?: string
  readonly payload_base64?: string
  readonly expires_in?: number
}

await rm(location, { recursive: true, force: true })
const work = await mkdtemp(join(tmpdir(), 'secret-store-demo-'))
try {
  await run()
} finally {
  await rm(work, { recursive: true, force: true })
}

async function run(): Promise<void> {
  const entries: readonly Entry[] = JSON.parse(await readFile(input, 'utf8'))

  section('open: an encrypted store in one directory, under a passphrase')
  let store = await timed('created (most of it is stretching the passphrase)', () =>
    SecretStore.open(location, options),
  )
  await expectCode('a second opener is refused', 'ERR_LOCKED', () => SecretStore.open(location, options))

  section(`set: ${entries.length} secrets, each on disk when its promise resolves`)
  const started = performance.now()
  let done = 0
  await Promise.all(
    entries.map(async (entry) => {
      await viewOf(store, entry).set(toSet(entry))
      done++
      if (done % 100 === 0 || done === entries.length) say(`${done} of ${entries.length} stored`)
    }),
  )
  say(`all at once, in ${milliseconds(started)}: concurrent sets share their syncs`)
  const lone = performance.now()
  const key = { scope: account, name: 'my-api-key' }
  const first = await store.find(key)
  const replaced = await store.set({ ...key, payload: 'example-api-key-rotated' })
  say(`one alone: ${milliseconds(lone)}; replacing kept its id: ${replaced.id === first?.id}`)

  section('find, get, getBytes, and the same without a promise')
  show('find', await store.find(key))
  show('find with its payload', (await store.find({ ...key, expand: ['payload'] }))?.payload)
  show('get', await store.get(key))
  show('getSync', store.getSync(key))
  show('findSync', store.findSync({ scope: user('usr_example_007'), name: 'oauth' })?.id)
  const pem = await store.getBytes({ scope: account, name: 'tls/api.example/key.pem' })
  show('getBytes', `${pem?.length} bytes, beginning ${JSON.stringify(Buffer.from(pem ?? []).toString('utf8', 0, 27))}`)
  show('get of nothing', await store.get({ scope: account, name: 'never set' }))
  await expectError('get of bytes', () => store.get({ scope: account, name: 'tls/api.example/key.pem' }))
  let matched = 0
  for (const entry of entries) {
    const bytes = await viewOf(store, entry).getBytes({ scope: entry.scope, name: entry.name })
    const expected = entry.name === key.name ? Buffer.from('example-api-key-rotated') : payloadOf(entry)
    if (bytes === undefined || Buffer.compare(bytes, expected) !== 0) throw new Error(`${entry.name}: payload differs`)
    matched++
  }
  say(`read back all ${matched}, names with emoji, bars and 200 characters too: every payload is what was set`)
  await expectError('a mistake is named', () => store.set({ ...key, payload: 'x', expires_at: Date.now() }))

  section('list: pages with cursors, in order of name')
  const page = await store.list({ scope: account, limit: 3 })
  const last = page.data.at(-1)?.id ?? ''
  const next = await store.list({ scope: account, limit: 3, starting_after: last })
  const back = await store.list({ scope: account, limit: 3, ending_before: next.data[0]?.id ?? '' })
  show('first page', names(page.data))
  show('starting_after its last', names(next.data))
  show('ending_before that', names(back.data))
  let walked = 0
  for await (const _ of store.list({ scope: account })) walked++
  say(`for await walks all of the scope: ${walked} secrets`)
  await expectCode('a cursor of nothing', 'ERR_CURSOR', () =>
    store.list({ scope: account, starting_after: 'appsecret_x' }),
  )

  section('delete and batch')
  const deleted = await store.delete({ scope: account, name: 'known hosts' })
  show('delete', { name: deleted?.name, deleted: deleted?.deleted })
  show('delete again', await store.delete({ scope: account, name: 'known hosts' }))
  const outcome = await store.batch([
    { type: 'set', scope: account, name: 'crm/production/api-key', payload: 'example-rotated-1' },
    { type: 'set', scope: account, name: 'crm/production/api-secret', payload: 'example-rotated-2' },
    { type: 'delete', scope: account, name: 'crm/test/api-key' },
  ])
  say(`a batch of ${outcome.length}, all or nothing, in one write`)

  section('view: connected accounts, live mode and single users never mix')
  const live = store.view({ account: 'acct_example_001', livemode: true })
  const test = store.view({ account: 'acct_example_001' })
  const oauth = { scope: account, name: 'oauth' }
  show(
    'its token differs between live and test mode',
    (await live.get(oauth))?.slice(0, 36) !== (await test.get(oauth))?.slice(0, 36),
  )
  show('the same name in the app itself', await store.get(oauth))
  const mine = store.view({ account: 'acct_example_001', livemode: true, user: 'usr_example_001' })
  show("a user's own secret", (await mine.find({ scope: user('usr_example_001'), name: 'oauth' }))?.name)
  await expectCode("another user's", 'ERR_ACCESS_DENIED', () =>
    mine.find({ scope: user('usr_example_002'), name: 'oauth' }),
  )

  section('expiry: gone from the very second on')
  const session = { scope: account, name: 'session/01' }
  show('before', (await store.find(session))?.name)
  aheadMs = 2 * 60 * 60 * 1000
  say('the clock moves two hours ahead')
  show('after', await store.find(session))
  show('sweep deletes what else is due', await store.sweep())

  section('on disk: no payload is readable; names are, unless the store is opened with names: sealed')
  const payloads = entries.map(payloadOf)
  let files = await filesOf(location)
  const bytes = [...files.values()].reduce((sum, file) => sum + file.length, 0)
  say(`searching ${files.size} files, ${bytes} bytes, for ${payloads.length} payloads`)
  const readable = payloads.filter((payload) => found(files, payload).length > 0).length
  if (readable > 0) throw new Error(`files: expected no payload in them, got ${readable}`)
  show('payloads found', readable)
  show('files with the name "service account 01.json"', found(files, Buffer.from('service account 01.json')))

  const sealedLocation = join(work, 'sealed')
  const sealed = await SecretStore.open(sealedLocation, { ...options, names: 'sealed' })
  await sealed.set({ scope: user('usr_example_001'), name: 'service account 01.json', payload: 'example' })
  await sealed.close()
  const sealedFiles = await filesOf(sealedLocation)
  show('in a second store, of sealed names', found(sealedFiles, Buffer.from('service account 01.json')))

  section('compact: deleted bytes leave the disk')
  const goneNames = ['known hosts', 'crm/test/api-key', 'session/01', 'one-time code 1']
  for (const name of goneNames) {
    const where = found(files, Buffer.from(name))
    if (where.length === 0) throw new Error(`${name}: expected in some file before compact`)
    show(`before: "${name}"`, where)
  }
  await timed('compacted', () => store.compact())
  files = await filesOf(location)
  for (const name of goneNames) {
    // "one-time code 1" is also how the names of codes 10 to 12 begin: they expired together.
    const where = found(files, Buffer.from(name))
    if (where.length > 0) throw new Error(`${name}: expected in no file after compact`)
    show(`after:  "${name}"`, where)
  }

  section('verify: everything read and authenticated')
  const report = await store.verify()
  show('verify', { ok: report.ok, records: report.records, problems: report.problems.length })

  section('close, and what is refused')
  await store.close()
  await expectCode('a closed store', 'ERR_CLOSED', () => store.get(key))
  const before = await fingerprint(location)
  await expectCode('a wrong passphrase', 'ERR_WRONG_KEY', () =>
    SecretStore.open(location, { ...options, key: passphrase('incorrect horse') }),
  )
  show('the directory is unchanged', (await fingerprint(location)) === before)

  const altered = join(work, 'altered')
  await copy(location, altered)
  const target = 'translations/production/api-key'
  const where = await flipSealedByte(altered, target)
  say(`in a copy, one bit of the sealed "${target}" is flipped: ${where}`)
  const damaged = await SecretStore.open(altered, options)
  await expectCode('get of it', 'ERR_CORRUPT', () => damaged.get({ scope: account, name: target }))
  show(
    'its neighbour still answers',
    (await damaged.get({ scope: account, name: 'translations/test/api-key' }))?.slice(0, 12),
  )
  const problems = (await damaged.verify()).problems
  if (problems.length === 0) throw new Error('verify: expected to report the altered record')
  for (const { kind, what, message } of problems) say(`verify reports ${kind} ${what}: ${message}`)
  await damaged.close()

  const keyring = join(work, 'keyring')
  await copy(location, keyring)
  await flipByte(join(keyring, 'keyring.json'), 200)
  await expectCode('one bit of keyring.json', 'ERR_CORRUPT', () => SecretStore.open(keyring, options))

  section('checkpoint: an older copy is refused')
  const old = join(work, 'old')
  await copy(location, old)
  store = await SecretStore.open(location, options)
  await store.set({ ...key, payload: 'example-api-key-rotated-again' })
  const minimum = await store.checkpoint()
  show('checkpoint, to be kept elsewhere', minimum)
  await store.close()
  await expectCode('yesterday’s copy', 'ERR_ROLLBACK', () => SecretStore.open(old, { ...options, minimum }))
  store = await SecretStore.open(location, { ...options, minimum })
  say('the store itself opens')

  section('keys: a recovery code, another passphrase, and a rotation of everything')
  const code = generateRecoveryCode()
  await store.addKey(recoveryCode(code, { label: 'on paper' }))
  const slotOf = (kind: string): string => store.keys().find((slot) => slot.kind === kind)?.id ?? ''
  await timed('passphrase replaced', () => store.replaceKey(slotOf('passphrase'), passphrase('a new passphrase')))
  show(
    'keys',
    store.keys().map(({ kind, label }) => [kind, label].filter(Boolean).join(' ')),
  )
  const rotation = await timed('rotated: everything is under a new data key', () => store.rotate())
  show('rotate', rotation)

  section('backup and restore: one sealed file')
  const backup = join(work, 'backup')
  const saved = await timed('backed up', () => store.backup(backup))
  show('backup', saved)
  await store.close()
  await expectCode('the old passphrase', 'ERR_WRONG_KEY', () => SecretStore.open(location, options))
  const restored = join(work, 'restored')
  const cutOff = join(work, 'cut-off')
  await writeFile(cutOff, (await readFile(backup)).subarray(0, -1))
  await expectCode('a backup that lacks its last byte', 'ERR_CORRUPT', () =>
    SecretStore.restore(cutOff, restored, { key: recoveryCode(code) }),
  )
  await timed('restored', () => SecretStore.restore(backup, restored, { key: recoveryCode(code) }))
  store = await SecretStore.open(restored, { ...options, key: recoveryCode(code), minimum })
  const again = await store.verify()
  show('opened with the recovery code', { ok: again.ok, records: again.records })
  await store.close()
  if (!again.ok || again.records !== saved.records) throw new Error('restore: expected what was backed up')

  store = await SecretStore.open(location, { ...options, key: recoveryCode(code) })
  await store.replaceKey(slotOf('passphrase'), options.key)
  say('and the first passphrase is put back')
  const final = await store.verify()
  await store.close()
  if (!report.ok || !final.ok) throw new Error('verify: expected no problems')

  section('the store is still there')
  const path = relative(process.cwd(), location) || '.'
  process.stdout.write(`  ${final.records} secrets in ${path}/. To open it, save this in the repository's own directory as
  look.ts and run \`npx tsx look.ts\`:

    import { account, passphrase, SecretStore } from './src/index'

    const store = await SecretStore.open('.demo-store', { key: passphrase('${PASSPHRASE}') })
    for await (const secret of store.list({ scope: account })) console.log(secret.name)
    console.log(await store.get({ scope: account, name: 'my-api-key' }))
    await store.close()
`)
}

function viewOf(store: SecretStore, { account, livemode }: Entry): ReturnType<SecretStore['view']> {
  return store.view({ ...(account === undefined ? {} : { account }), ...(livemode === undefined ? {} : { livemode }) })
}

function toSet(entry: Entry): SetParams {
  const { scope, name, expires_in } = entry
  return {
    scope,
    name,
    payload: entry.payload ?? Uint8Array.from(payloadOf(entry)),
    ...(expires_in === undefined ? {} : { expires_at: nowSeconds() + expires_in }),
  }
}

function payloadOf({ payload, payload_base64 }: Entry): Buffer {
  return payload === undefined ? Buffer.from(payload_base64 ?? '', 'base64') : Buffer.from(payload)
}

/** Every file below a directory, but LOCK: a process that opens its own store's LOCK loses the lock. */
async function filesOf(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK') continue
    const path = join(entry.parentPath, entry.name)
    files.set(relative(directory, path), await readFile(path))
  }
  return files
}

function found(files: ReadonlyMap<string, Buffer>, wanted: Buffer): string[] {
  return [...files].filter(([, content]) => content.includes(wanted)).map(([path]) => path)
}

/** Contents and times of change of all files. */
async function fingerprint(directory: string): Promise<string> {
  const parts: string[] = []
  for (const [path, content] of await filesOf(directory)) {
    const { mtimeMs } = await stat(join(directory, path))
    parts.push(`${path} ${mtimeMs} ${content.toString('base64')}`)
  }
  return parts.sort().join('\n')
}

async function copy(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
}

/** Flips a bit inside the sealed record of a name. @returns Where. */
async function flipSealedByte(directory: string, name: string): Promise<string> {
  const wanted = Buffer.from(name)
  for (const [path, content] of await filesOf(directory)) {
    if (!path.endsWith('.ldb')) continue
    for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + 1)) {
      // In a table a row's key ends in 8 bytes of LevelDB's own. The envelope follows: version, key id, 24 bytes of
      // nonce, ciphertext.
      const envelope = at + wanted.length + 8
      if (content.subarray(envelope, envelope + 5).toString('hex') !== '0100000001') continue
      await flipByte(join(directory, path), envelope + 40)
      return `${path}, offset ${envelope + 40}`
    }
  }
  throw new Error(`${name}: expected its row in a table`)
}

async function flipByte(path: string, offset: number): Promise<void> {
  const content = await readFile(path)
  content.writeUInt8(content.readUInt8(offset) ^ 1, offset)
  await writeFile(path, content)
}

function section(title: string): void {
  process.stdout.write(`\n${title}\n`)
}

function say(line: string): void {
  process.stdout.write(`  ${line}\n`)
}

function show(label: string, value: unknown): void {
  say(`${label}: ${value === undefined ? 'undefined' : JSON.stringify(value)}`)
}

function names(secrets: readonly { readonly name: string }[]): string[] {
  return secrets.map((secret) => secret.name)
}

function milliseconds(startedMs: number): string {
  return `${(performance.now() - startedMs).toFixed(1)} ms`
}

async function timed<T>(label: string, act: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const value = await act()
  say(`${label} in ${milliseconds(started)}`)
  return value
}

/** Shows that `act` fails in the way it should. */
async function expectCode(label: string, code: string, act: () => PromiseLike<unknown>): Promise<void> {
  const error = await failureOf(act)
  if (!(error instanceof SecretStoreError) || error.code !== code) throw new Error(`${label}: expected ${code}`)
  say(`${label}: ${error.code} (${error.message})`)
}

async function expectError(label: string, act: () => PromiseLike<unknown>): Promise<void> {
  const error = await failureOf(act)
  if (!(error instanceof TypeError || error instanceof RangeError)) throw new Error(`${label}: expected an error`)
  say(`${label}: ${error.name} (${error.message})`)
}

async function failureOf(act: () => PromiseLike<unknown>): Promise<unknown> {
  try {
    await act()
  } catch (error) {
    return error
  }
  return undefined
}
