import { once } from 'node:events'
import { chmod, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keyringProcess } from '../../../src/cli/keyring-process'
import type { SystemKeyringEntry } from '../../../src/os-keyring/index'
import { checkSelects } from '../../../src/os-keyring/library'
import { type Outcome, run, start } from '../../support/cli-program'
import { FakeKeyring } from '../../support/fake-keyring'
import { KeyringSession, NO_SESSION } from '../../support/keyring-session'
import { fromRoot } from '../../support/paths'
import { builtProgram, programsDirectory } from '../../support/programs'
import { directoryDigest, temporaryDirectory } from '../../support/stores'

/** Exit code and stderr of a command that fails. */
async function failure(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await run(args, { env })
  expect(stdout.toString()).toBe('')
  return `${code} ${stderr}`
}

async function done(args: readonly string[], env: Readonly<Record<string, string>>, stdin = ''): Promise<string> {
  const outcome: Outcome = await run(args, { env, stdin })
  expect(outcome).toMatchObject({ code: 0 })
  return outcome.stdout.toString()
}

/** A session with a store in it that the keyring and a key file open. */
async function startWithStore(
  options: { readonly hasPrompt?: boolean } = {},
): Promise<{ session: KeyringSession; env: Record<string, string>; location: string; keyFile: string }> {
  const session = await KeyringSession.start('unlocked', options)
  const directory = await temporaryDirectory()
  const [location, keyFile] = [join(directory, 'store'), join(directory, 'key')]
  const env = { ...session.env, SECRET_STORE: location }
  await done(['init', '--keyring'], env)
  await done(['set', 'token', '--keyring'], env, 'sk_1')
  await done(['keys', 'add', '--keyring', '--generate-key-file', keyFile], env)
  return { session, env, location, keyFile }
}

const USE_ANOTHER =
  'hint: use another key, such as --recovery; with it, `secret-store keys replace SLOT --new-keyring` makes a new entry\n'
const NAME = "keyring entry 'secret-store/default'"

describe.skipIf(NO_SESSION !== undefined)('--keyring', () => {
  test('makes a store and opens it in other processes, with a key that nobody sees', async () => {
    const { env, keyFile, session } = await startWithStore()
    expect(await done(['get', 'token', '--keyring'], env)).toBe('sk_1')
    expect(await done(['keys', 'list', '--keyring'], env)).toMatch(/ os-keyring +secret-service +/)
    const user = session.process()
    expect(await user.tell({ do: 'read entry', entry: 'secret-store/default' })).toMatch(/^secret-store:1:/)
    expect(await done(['get', 'token', '--key-file', keyFile], env)).toBe('sk_1')
    // The library opens it too.
    const location = env['SECRET_STORE'] ?? ''
    expect(await user.tell({ do: 'open', location, key: { entry: 'secret-store/default' } })).toBe('opened')
  })

  test('takes the entry that is named, also for a new key', async () => {
    const { env, keyFile } = await startWithStore()
    const entry = ['--keyring-entry', 'my/app/laptop']
    expect(
      await done(['keys', 'add', '--key-file', keyFile, '--new-keyring', ...entry, '--label', 'mine'], env),
    ).toMatch(/^added slot [\w-]{11}, a os-keyring \(mine\)\n$/)
    expect(await done(['get', 'token', '--keyring', ...entry], env)).toBe('sk_1')
    expect(await failure(['get', 'token', '--keyring', '--keyring-entry', 'other/one'], env)).toMatch(
      /^3 error: key: expected one that opens a slot of this store .*\nhint: try another key; nothing was changed\n$/,
    )
  })

  test('is asked unbidden where a store has no passphrase, for the entry that its slot names', async () => {
    const { env, keyFile } = await startWithStore()
    expect(await done(['get', 'token'], env)).toBe('sk_1')
    const entry = ['--keyring-entry', 'my/app/laptop']
    await done(['keys', 'add', '--new-keyring', ...entry], env)
    const slots = JSON.parse(await done(['keys', 'list', '--json'], env))
    const [first] = slots.filter(({ kind }: { kind: string }) => kind === 'os-keyring')
    await done(['keys', 'remove', first.id], env)
    // The entry of the slot that is left is not the default one.
    expect(await failure(['get', 'token', '--keyring'], env)).toMatch(/^3 error: key/)
    expect(await done(['get', 'token'], env)).toBe('sk_1')
    await done(['rotate', '--root'], env)
    expect(await done(['get', 'token', '--keyring', ...entry], env)).toBe('sk_1')
    expect(await failure(['get', 'token', '--key-file', keyFile], env)).toMatch(/^3 error: key/)
    // With a passphrase, a person may mean that.
    await done(['keys', 'add', '--new-passphrase-fd', '0'], env, 'gibbon')
    expect(await failure(['get', 'token'], env)).toMatch(/^2 error: no key was given/)
  })

  test('without its entry tells so, changes nothing, and is healed with another key', async () => {
    const { session, env, location, keyFile } = await startWithStore()
    const user = session.process()
    await user.tell({ do: 'delete entry', entry: 'secret-store/default' })
    const digest = await directoryDigest(location)
    expect(await failure(['get', 'token', '--keyring'], env)).toBe(
      `3 error: ${NAME}: expected it in the secret-service, got none\n${USE_ANOTHER}`,
    )
    expect(await failure(['get', 'token', '--keyring', '--json'], env)).toContain('"code": "ERR_NO_KEYRING_ENTRY"')
    expect(await directoryDigest(location)).toBe(digest)
    const listed = JSON.parse(await done(['keys', 'list', '--key-file', keyFile, '--json'], env))
    const { id } = listed.find(({ kind }: { kind: string }) => kind === 'os-keyring')
    await done(['keys', 'replace', id, '--key-file', keyFile, '--new-keyring'], env)
    expect(await done(['get', 'token', '--keyring'], env)).toBe('sk_1')
  })

  test('with a foreign entry tells so', async () => {
    const { session, env } = await startWithStore()
    await session.process().tell({ do: 'put entry', entry: 'secret-store/default', text: 'hunter2' })
    expect(await failure(['list', '--keyring'], env)).toBe(
      `3 error: ${NAME}: expected an entry of this library, got another (it was left as it is)\n` +
        'hint: name another with --keyring-entry, or use another key, such as --recovery\n',
    )
  })

  test('with a locked keyring tells so', async () => {
    const { session, env } = await startWithStore()
    await session.lock()
    expect(await failure(['list', '--keyring'], env)).toBe(
      `4 error: ${NAME}: expected the system keyring to be unlocked, got a locked one\n` +
        'hint: unlock the system keyring and try again, or use another key: the one in it is still there\n',
    )
  })

  test('without a keyring tells so, and makes no store', async () => {
    const { session, env } = await startWithStore()
    await session.end()
    const told =
      `1 error: ${NAME}: expected a Secret Service that answers on the session bus, got none\n` +
      'hint: start the system keyring, or use another key, such as --recovery\n'
    expect(await failure(['list', '--keyring'], env)).toBe(told)
    const elsewhere = { ...env, SECRET_STORE: `${env['SECRET_STORE']}-2` }
    expect(await failure(['init', '--keyring'], elsewhere)).toBe(told)
    expect(await failure(['list', '--keyring'], elsewhere)).toContain('there is no store at')
  })

  test('ends by Ctrl-C while it waits at a prompt', async () => {
    const { session, env } = await startWithStore({ hasPrompt: true })
    await session.lock()
    const running = start(['list', '--keyring'], { env })
    await session.prompted()
    running.child.kill('SIGINT')
    expect(await running.outcome).toMatchObject({ code: 130, stderr: 'error: interrupted; the store is sound\n' })
  })

  test('ends by Ctrl-C while a bus that has taken the call does not answer', async () => {
    const { env } = await startWithStore()
    const socket = join(await temporaryDirectory(), 'bus')
    const server = createServer(() => {}).listen(socket)
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const running = start(['list', '--keyring'], { env: { ...env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${socket}` } })
    await once(server, 'connection')
    running.child.kill('SIGINT')
    expect(await running.outcome).toMatchObject({ code: 130, stderr: 'error: interrupted; the store is sound\n' })
  })

  test('is no key of `rotate --root` that is lost', async () => {
    const { env } = await startWithStore()
    await done(['rotate', '--root', '--keyring'], env)
    expect(await done(['get', 'token', '--keyring'], env)).toBe('sk_1')
  })
})

if (NO_SESSION !== undefined) {
  test('--keyring', (context) => context.skip(`no real keyring to test with: ${NO_SESSION}`))
}

describe('the process that asks', () => {
  const SELECTION = { linux: { store: 'secret-service' } } as const

  /** An entry by a library of this text. */
  async function entryBy(
    text: string,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<SystemKeyringEntry> {
    const path = join(await temporaryDirectory(), 'library.cjs')
    await writeFile(path, text)
    const { AsyncEntry } = keyringProcess(new FakeKeyring().library, path, signal)
    return new AsyncEntry('app', 'main', SELECTION)
  }

  const library = (method: string, body: string): string =>
    `exports.AsyncEntry = class { constructor(...given) { this.given = given } async ${method}(secret) { ${body} } }`

  test('hands on what it is asked, and what it is told', async () => {
    const echo = library('getSecret', 'return [...Buffer.from(JSON.stringify(this.given))]')
    const told = await (await entryBy(echo)).getSecret()
    expect(JSON.parse(Buffer.from(told as number[]).toString())).toEqual(['app', 'main', SELECTION])
    expect(await (await entryBy(library('getSecret', 'return null'))).getSecret()).toBeNull()
    const check = library(
      'setSecret',
      "if (!(secret instanceof Uint8Array) || secret.join() !== '1,2') throw new Error()",
    )
    await (await entryBy(check)).setSecret(Uint8Array.of(1, 2))
  })

  test('hands on what the library fails with', async () => {
    const failing = await entryBy(library('getSecret', "throw new Error('its words')"))
    await expect(failing.getSecret()).rejects.toThrow('its words')
  })

  test('that ends without an answer has failed', async () => {
    const crashing = await entryBy('process.exit(7)')
    await expect(crashing.getSecret()).rejects.toThrow('keyring process: expected an answer, got its end (7)')
  })

  test('ends when the time is over, and when the program is to end', async () => {
    const waiting = library('getSecret', 'return new Promise((resolve) => setTimeout(resolve, 600_000))')
    const expired = new AbortController()
    const asked = (await entryBy(waiting)).getSecret(expired.signal)
    expired.abort()
    await expect(asked).rejects.toThrow('got its end (null)')
    const ended = new AbortController()
    const entry = await entryBy(waiting, ended.signal)
    const second = entry.getSecret()
    ended.abort(new Error('interrupted'))
    await expect(second).rejects.toThrow('got its end (null)')
    await expect(entry.getSecret()).rejects.toThrow('interrupted')
  })

  test('leaves it to the library to say that it takes a choice of the back end', () => {
    const keyring = new FakeKeyring()
    const { AsyncEntry } = keyringProcess(keyring.library, '/nowhere', new AbortController().signal)
    expect(() => checkSelects(AsyncEntry)).not.toThrow()
    keyring.isOld = true
    expect(() => checkSelects(AsyncEntry)).toThrow('an older one')
  })
})

test('where the library is not installed, --keyring says what to install', async () => {
  const directory = await temporaryDirectory()
  await cp(programsDirectory(), join(directory, 'programs'), { recursive: true })
  await mkdir(join(directory, 'node_modules'))
  for (const name of await readdir(fromRoot('node_modules'))) {
    if (name !== '@napi-rs') await symlink(fromRoot(`node_modules/${name}`), join(directory, 'node_modules', name))
  }
  const key = join(directory, 'key')
  await writeFile(key, new Uint8Array(32).fill(7))
  await chmod(key, 0o600)
  const env = { SECRET_STORE: join(directory, 'store') }
  const program = { program: join(directory, 'programs', basename(builtProgram('secret-store'))) }
  expect(await run(['init', '--key-file', key], { env, ...program })).toMatchObject({ code: 0 })
  expect(await run(['list', '--key-file', key, '--quiet'], { env, ...program })).toMatchObject({ code: 0, stderr: '' })
  const { code, stderr } = await run(['init', '--keyring', '--store', join(directory, 'second')], { env, ...program })
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'error: keyring: expected @napi-rs/keyring to be installed, got none that loads (npm install @napi-rs/keyring)\n' +
      'hint: start the system keyring, or use another key, such as --recovery\n',
  })
})
