import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { run, shell, start } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

const PASSPHRASE = 'a passphrase that nobody may see'
const PAYLOAD = 'payload-that-nobody-may-see'

let directory: string
let env: Record<string, string>
const key = Uint8Array.from({ length: 32 }, (_, index) => index)

/** A store of so many secrets, and a key file. */
async function fill(secrets: Record<string, string | Uint8Array>): Promise<void> {
  await writeFile(join(directory, 'key'), Buffer.from(key).toString('hex'), { mode: 0o600 })
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
  await store.batch(Object.entries(secrets).map(([name, payload]) => ({ type: 'set', scope: account, name, payload })))
  await store.close()
}

const keyed = (command: string, ...args: string[]): string[] => [command, '--key-file', join(directory, 'key'), ...args]

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory, TMPDIR: join(directory, 'tmp') }
  await mkdir(join(directory, 'tmp'))
})

describe('bytes', () => {
  test('come out as they went in, through stdin and files', async () => {
    await fill({ first: 'x' })
    for (const payload of [
      randomBytes(100_000),
      Buffer.from([0]),
      Buffer.from('text\r\n\n'),
      Buffer.from('\ufeffbom'),
    ]) {
      expect((await run(keyed('set', 'p'), { env, stdin: payload })).code).toBe(0)
      expect((await run(keyed('get', 'p'), { env })).stdout.equals(payload)).toBe(true)
    }
    await writeFile(join(directory, 'input'), Buffer.from([0xff, 0x0a]))
    await run(keyed('set', 'p', '--from-file', join(directory, 'input')), { env })
    expect([...(await run(keyed('get', 'p'), { env })).stdout]).toEqual([0xff, 0x0a])
  })

  test('go through a pipe from one secret to another of the same store', async () => {
    await fill({ a: PAYLOAD })
    const at = `--key-file ${directory}/key`
    const { code, stderr } = await shell(
      `set -o pipefail; secret-store get a ${at} | secret-store set b --quiet ${at}`,
      env,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect((await run(keyed('get', 'b'), { env })).stdout.toString()).toBe(PAYLOAD)
  })

  test('go through a pipe from a backup to a store', async () => {
    await fill({ a: PAYLOAD })
    const at = `--key-file ${directory}/key`
    const { code, stderr } = await shell(
      `set -o pipefail; secret-store backup - ${at} | secret-store restore - --store ${directory}/second ${at} --quiet`,
      env,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const found = await run(keyed('get', 'a', '--store', join(directory, 'second')), { env })
    expect(found.stdout.toString()).toBe(PAYLOAD)
  })
})

describe('a secret', () => {
  test('is in no list of processes, no message and no file while it is set', async () => {
    await writeFile(join(directory, 'passphrase'), `${PASSPHRASE}\n`)
    const made = await shell(`secret-store init --passphrase-fd 3 3<${directory}/passphrase`, env)
    expect(made).toMatchObject({ code: 0 })
    const setting = start(['set', 'token'], { env: { ...env, SECRET_STORE_PASSPHRASE: PASSPHRASE }, stdin: null })
    setting.child.stdin?.write(PAYLOAD)
    const seen: string[] = []
    // The payload is there from the start; the store is opened when it has ended.
    const look = async (): Promise<void> => {
      seen.push(
        await readFile(`/proc/${setting.child.pid}/cmdline`, 'latin1'),
        await readFile(`/proc/${setting.child.pid}/comm`, 'latin1'),
      )
    }
    const isLinux = process.platform === 'linux'
    for (let n = 0; n < 20 && isLinux; n++) await look()
    setting.child.stdin?.end()
    while (isLinux && setting.child.exitCode === null) await look().catch(() => {})
    const { code, stdout, stderr } = await setting.outcome
    expect(code).toBe(0)
    if (isLinux) expect(seen.join(' ')).toContain('set')
    const got = await shell(`secret-store get token --passphrase-fd 3 3<${directory}/passphrase`, env)
    expect(got.stdout.toString()).toBe(PAYLOAD)
    await shell(
      `secret-store verify --passphrase-fd 3 3<${directory}/passphrase; secret-store list --passphrase-fd 4 4<${directory}/passphrase`,
      env,
    )
    const written = [seen.join(' '), stdout.toString(), stderr, got.stderr, made.stderr].join(' ')
    for (const secret of [PAYLOAD, PASSPHRASE]) {
      expect(written).not.toContain(secret)
      for (const path of await filesBelow(directory)) {
        if (path.endsWith('/passphrase')) continue
        expect((await readFile(path)).includes(secret), path).toBe(false)
      }
    }
    expect(await readdir(join(directory, 'tmp'))).toEqual([])
  })

  test('is in no message about a file that cannot be read as secrets', async () => {
    await fill({ a: 'x' })
    for (const [format, text] of [
      ['json', `{"a": "${PAYLOAD}`],
      ['json', `{"data": [{"name": 1, "payload": "${PAYLOAD}"}]}`],
    ] as const) {
      const { code, stderr } = await run(keyed('import', '-', '--format', format), { env, stdin: text })
      expect(code).toBe(2)
      expect(stderr).not.toContain(PAYLOAD)
    }
  })
})

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

describe('run', () => {
  test('gives the command what is in the scope, and nothing that opens the store', async () => {
    await fill({ 'stripe.api-key': PAYLOAD, '2fa': 'two', ünicode: 'ü' })
    const { stdout, code, stderr } = await run(keyed('run', '--', 'env'), {
      env: { ...env, SECRET_STORE_PASSPHRASE: 'kept', SECRET_STORE_NEW_PASSPHRASE: 'kept' },
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.toString().split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([`STRIPE_API_KEY=${PAYLOAD}`, '_2FA=two', '_NICODE=ü', `HOME=${directory}`]),
    )
    expect(stdout.toString()).not.toContain('kept')
  })

  test('refuses names that would be one variable, and what is there already', async () => {
    await fill({ 'a-b': '1', 'a.b': '2' })
    const clash = await run(keyed('run', '--', 'env'), { env })
    expect(clash).toMatchObject({ code: 1 })
    expect(clash.stderr).toBe(
      "error: 'a-b' and 'a.b' would both be A_B\nhint: choose with --only or --except, or name one of them otherwise\n",
    )
    const only = keyed('run', '--only', 'a.b', '--prefix', 'MY_')
    expect((await run([...only, '--', 'sh', '-c', 'echo $MY_A_B'], { env })).stdout.toString()).toBe('2\n')
    const there = await run([...only, '--', 'env'], { env: { ...env, MY_A_B: 'there' } })
    expect(there).toMatchObject({ code: 1 })
    expect(there.stderr).toContain('MY_A_B is in the environment already')
    const replaced = await run([...only, '--override', '--', 'sh', '-c', 'echo $MY_A_B'], {
      env: { ...env, MY_A_B: 'there' },
    })
    expect(replaced.stdout.toString()).toBe('2\n')
  })

  test('refuses what no variable can hold', async () => {
    await fill({ bytes: Uint8Array.of(0xff), nul: 'a\0b', text: 't' })
    expect((await run(keyed('run', '--', 'true'), { env })).stderr).toContain(
      "'bytes' cannot be an environment variable",
    )
    expect((await run(keyed('run', '--only', 'nul', '--', 'true'), { env })).stderr).toContain('it holds a NUL')
    expect((await run(keyed('run', '--only', 'text', '--', 'true'), { env })).code).toBe(0)
  })

  test('ends as the command does, passes signals on, and leaves the store open to it', async () => {
    await fill({ a: 'x' })
    expect((await run(keyed('run', '--', 'sh', '-c', 'exit 7'), { env })).code).toBe(7)
    const killed = await shell(`secret-store run --key-file ${directory}/key -- sh -c 'kill -KILL $$'; exit $?`, env)
    expect(killed.code).toBe(137)
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
      ['SIGHUP', 129],
    ] as const) {
      const plain = start(keyed('run', '--', 'sh', '-c', 'echo ready; exec sleep 60'), { env })
      if (plain.child.stdout) await once(plain.child.stdout, 'data')
      plain.child.kill(signal)
      await plain.outcome
      // Where it is the command itself, the signal ends it, which a shell says by that number.
      const { exitCode, signalCode } = plain.child
      expect(exitCode ?? 128 + constants.signals[signalCode as NodeJS.Signals], signal).toBe(code)
    }
    const trapping = start(
      keyed('run', '--', 'sh', '-c', 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.05; done'),
      { env },
    )
    if (trapping.child.stdout) await once(trapping.child.stdout, 'data')
    trapping.child.kill('SIGTERM')
    const { code, stdout } = await trapping.outcome
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 3, stdout: 'ready\ncaught\n' })
    const inside = await shell(
      `secret-store run --key-file ${directory}/key -- true && secret-store get a --key-file ${directory}/key`,
      env,
    )
    expect(inside.stdout.toString()).toBe('x')
  })
})

describe('exit codes', () => {
  test('127 and 126: the command of `run` is not there, or cannot be run', async () => {
    await fill({ a: 'x' })
    const only = ['--only', 'a']
    expect((await run(keyed('run', ...only, '--', 'no-such-command'), { env })).code).toBe(127)
    await writeFile(join(directory, 'plain'), 'no program')
    expect((await run(keyed('run', ...only, '--', join(directory, 'plain')), { env })).code).toBe(126)
    const tooLong = await run(keyed('run', ...only, '--', 'true', 'x'.repeat(100_000)), { env })
    expect(tooLong).toMatchObject({ code: 0, stderr: '' })
  })

  test.skipIf(process.platform !== 'linux')('1: the output cannot be written', async () => {
    await fill({ a: 'x' })
    const { code, stderr } = await shell(`secret-store get a --key-file ${directory}/key >/dev/full`, env)
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'error: the output cannot be written (ENOSPC)\n' })
  })

  test('4: something else has the store open', async () => {
    await fill({ a: 'x' })
    const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
    const { code, stderr } = await run(keyed('get', 'a', '--wait', '0'), { env })
    await store.close()
    expect(code).toBe(4)
    expect(stderr).toMatch(/^error: .*\nhint: close what has the store open, wait longer with --wait, or .*\n$/)
  })

  test('5: damaged, told by verify, which lists the damage, and by what meets it', async () => {
    await fill({ a: 'x'.repeat(50_000), b: 'y' })
    // A walk through the files with the outermost keys makes LevelDB write a table, whose last bytes of data are altered.
    expect((await run(keyed('compact'), { env })).code).toBe(0)
    const data = join(directory, 'store', 'data')
    const table = (await readdir(data)).find((name) => name.endsWith('.ldb')) as string
    const bytes = await readFile(join(data, table))
    bytes.fill(0x55, 100, 200)
    await writeFile(join(data, table), bytes)
    const { code, stdout, stderr } = await run(keyed('verify'), { env })
    expect(code, stdout.toString() + stderr).toBe(5)
  })

  test('141, and silence: nobody reads', async () => {
    await fill(Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`name-${n}`, 'x'])))
    const { stdout, stderr } = await shell(
      `secret-store list --all --key-file ${directory}/key | head -1; echo "\${PIPESTATUS[0]}"`,
      env,
    )
    expect(stdout.toString()).toMatch(/^NAME.*\n141\n$/)
    expect(stderr).toBe('')
  })

  test('129 and 143 for signals that end it', async () => {
    await fill({ a: 'x' })
    for (const [signal, code] of [
      ['SIGHUP', 129],
      ['SIGTERM', 143],
      ['SIGINT', 130],
    ] as const) {
      const waiting = start(keyed('serve'), { env })
      if (waiting.child.stdout) await once(waiting.child.stdout, 'data')
      waiting.child.kill(signal)
      const { code: exitCode, stderr } = await waiting.outcome
      expect({ exitCode, stderr }).toEqual({ exitCode: code, stderr: 'error: interrupted; the store is sound\n' })
    }
  })
})

test('serve answers the calls of Stripe, with a key of its own or one that is given', async () => {
  await fill({ token: PAYLOAD })
  const ask = async (url: string, apiKey: string): Promise<Response> =>
    fetch(`${url}/v1/apps/secrets/find?scope[type]=account&name=token&expand[]=payload`, {
      headers: { authorization: `Bearer ${apiKey}` },
    })
  const own = start(keyed('serve', '--json'), { env })
  const [line] = (await once(own.child.stdout as NonNullable<typeof own.child.stdout>, 'data')) as [Buffer]
  const { url, api_key } = JSON.parse(line.toString())
  expect(await (await ask(url, api_key)).json()).toMatchObject({ name: 'token', payload: PAYLOAD })
  own.child.kill('SIGINT')
  const { stderr } = await own.outcome
  expect(JSON.parse(stderr.split('\n')[0] ?? '')).toMatchObject({ path: '/v1/apps/secrets/find', status: 200 })
  expect(stderr).not.toContain(PAYLOAD)

  const given = start(keyed('serve'), { env: { ...env, SECRET_STORE_API_KEY: 'sk_test_given' } })
  const [ready] = (await once(given.child.stdout as NonNullable<typeof own.child.stdout>, 'data')) as [Buffer]
  expect(ready.toString()).not.toContain('sk_test_given')
  const address = /http:\S+/.exec(ready.toString())?.[0] ?? ''
  expect((await ask(address, 'sk_test_given')).status).toBe(200)
  expect((await ask(address, 'sk_test_other')).status).toBe(401)
  given.child.kill('SIGTERM')
  expect((await given.outcome).stderr).toContain('GET /v1/apps/secrets/find 200')
})
