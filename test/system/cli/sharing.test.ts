import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { type Outcome, type Running, run, SHELL_COMMAND, start } from '../../support/cli-program'
import { type CliStore, cliStore } from '../../support/cli-stores'
import { ownerOf, type Sharer, sharerOf } from '../../support/sharing'
import { testKey } from '../../support/stores'
import { eventually } from '../../support/waiting'

// Commands beside an app, or another command, that shares the store.

async function besideApp(secrets: Readonly<Record<string, string>> = {}): Promise<CliStore & { readonly app: Sharer }> {
  const own = await cliStore(secrets)
  return { ...own, app: await sharerOf(own.location) }
}

function expectDone({ code, stderr }: Outcome): void {
  expect({ code, stderr }).toMatchObject({ code: 0 })
}

async function seenBy(app: Sharer, name: string): Promise<unknown> {
  return ((await app.ask({ do: 'get', name })) as { readonly value?: unknown }).value
}

describe('beside an app that shares the store', () => {
  test('every command works, and the app sees what it does', async () => {
    const { run, app, directory } = await besideApp({ token: 'before', other: 'x' })
    expectDone(await run('set token', 'by a command'))
    expect(await seenBy(app, 'token')).toBe('by a command')
    await app.ask({ do: 'set', name: 'token', payload: 'by the app' })
    expect((await run('get token')).stdout.toString()).toBe('by the app')
    expect((await run('list --json')).stdout.toString()).toContain('"token"')
    expect((await run('run --only token -- printenv TOKEN')).stdout.toString()).toBe('by the app\n')
    expect((await run('export')).stdout.toString()).toContain("token='by the app'")
    expect((await run('verify')).stdout.toString()).toBe('sound: 2 records read and authenticated\n')
    expectDone(await run('edit token -- sed s/app/editor/'))
    expect(await seenBy(app, 'token')).toBe('by the editor')
    expectDone(await run('mv token renamed'))
    expect(await seenBy(app, 'renamed')).toBe('by the editor')
    for (const line of ['sweep', 'compact', 'rotate', `backup ${directory}/backup`, 'delete other']) {
      expectDone(await run(line))
    }
    expectDone(await run(`keys add --generate-key-file ${directory}/second`))
    expectDone(await run(`get renamed --key-file ${directory}/second`))
    await writeFile(join(directory, 'file'), 'ONE=1\nTWO=2\n')
    expectDone(await run(`import ${directory}/file`))
    expect(await seenBy(app, 'TWO')).toBe('2')
    expectDone(await run(`restore ${directory}/backup --store ${directory}/restored`))
    expectDone(await run('rotate --root'))
    expect((await run(`get renamed --key-file ${directory}/second`)).code).toBe(3)
    expect(await seenBy(app, 'renamed')).toBe('by the editor')
    expect((await run('verify')).stdout.toString()).toBe('sound: 3 records read and authenticated\n')
  })

  test('a wrong key is refused as ever, and the app goes on', async () => {
    const { run, app, directory } = await besideApp({ token: 'x' })
    await writeFile(join(directory, 'wrong'), Buffer.alloc(32, 9), { mode: 0o600 })
    for (const line of ['list', 'set token', 'rotate', 'serve']) {
      expect(await run(`${line} --key-file ${directory}/wrong`, 'stolen')).toMatchObject({ code: 3 })
    }
    expect(await seenBy(app, 'token')).toBe('x')
  })

  test('--read-only is refused at once, with what to do', async () => {
    const { run } = await besideApp()
    const { code, stderr } = await run('list --read-only --wait 600')
    expect(code).toBe(4)
    expect(stderr).toMatch(/^error: store: .*got one that shares it with all but readOnly: process \d+ \(node partic/)
    expect(stderr).toContain('hint: leave --read-only out: the process that shares the store lets this command in')
  })

  test('restore says that there is something already; recover reads what it finds, as ever', async () => {
    const { run, directory } = await besideApp({ token: 'x' })
    expectDone(await run(`backup ${directory}/backup`))
    const restored = await run(`restore ${directory}/backup`)
    expect(restored).toMatchObject({ code: 1 })
    expect(restored.stderr).toMatch(/there is something at .* already/)
    expectDone(await run(`recover ${directory}/recovered`))
    expect((await run(`get token --store ${directory}/recovered`)).stdout.toString()).toBe('x')
  })

  test('status shows everybody, and --holder the owner, without a key', async () => {
    const { run, app, env } = await besideApp({ token: 'x' })
    const second = await sharerOf(env['SECRET_STORE'] as string)
    const { stdout } = await run('status')
    expect(stdout.toString()).toMatch(/^open in +3 processes$/m)
    expect(stdout.toString()).toMatch(new RegExp(`^${app.process.pid} +owner +`, 'm'))
    expect(stdout.toString()).toMatch(new RegExp(`^${second.process.pid} +follower +`, 'm'))
    expect(stdout.toString()).toMatch(/^\d+ +follower, this command +/m)
    const found = JSON.parse((await run('status --json')).stdout.toString())
    expect(found.holder).toMatchObject({ shared: true, pid: app.process.pid })
    expect(found.sharing.processes).toHaveLength(3)
    const { SECRET_STORE_KEY_FILE: _, ...keyless } = env
    const holder = await runIn(keyless, ['status', '--holder'])
    expect(holder.stdout.toString()).toMatch(new RegExp(`^open in +process ${app.process.pid}$`, 'm'))
    expect(holder.stdout.toString()).toContain('yes: commands work beside it')
    const asJson = await runIn(keyless, ['status', '--holder', '--json'])
    expect(JSON.parse(asJson.stdout.toString())).toEqual({ store: env['SECRET_STORE'], holder: found.holder })
    await app.kill()
    await second.kill()
    const nobody = await runIn(keyless, ['status', '--holder', '--json'])
    expect(JSON.parse(nobody.stdout.toString()).holder).toBeNull()
  })

  test.each([
    ['set token', 'changed', 'by another command'],
    ['delete token', 'deleted', ''],
  ])('edit does not write over what `%s` of another terminal has done meanwhile', async (line, how, left) => {
    const { run, env } = await besideApp({ token: 'x' })
    const script = `cat; printf 'by another command' | ${SHELL_COMMAND} ${line} >&2; echo more`
    const { code, stderr } = await start(['edit', 'token', '--', 'sh', '-c', script], { env }).outcome
    expect(code).toBe(1)
    expect(stderr).toContain(`'token': another process has ${how} it meanwhile; what you made of it was not written`)
    expect((await run('get token')).stdout.toString()).toBe(left)
  })
})

function runIn(env: Readonly<Record<string, string>>, args: readonly string[]): Promise<Outcome> {
  return run(args, { env })
}

describe('an app that is killed', () => {
  test('while commands go through it, leaves them done, each once', async () => {
    const own = await cliStore()
    for (let round = 0; round < 12; round++) {
      const app = await sharerOf(own.location)
      const commands = [0, 1].map((n) => own.run(`set of-${round}-${n}`, `${round}`))
      // Somewhere between the start of the commands and their end.
      await new Promise((resolve) => setTimeout(resolve, 200 + 40 * round))
      await app.kill()
      for (const outcome of await Promise.all(commands)) expectDone(outcome)
    }
    const { stdout } = await own.run('list --all --json')
    expect(JSON.parse(stdout.toString()).data).toHaveLength(24)
    expect((await own.run('verify')).code).toBe(0)
  })

  test('in the middle of a command, has the command end by itself', async () => {
    const { env, app, run } = await besideApp({ token: 'before' })
    const line = `kill -9 ${app.process.pid}; sed s/before/after/`
    expectDone(await start(['edit', 'token', '--', 'sh', '-c', line], { env }).outcome)
    expect((await run('get token')).stdout.toString()).toBe('after')
  })

  test('leaves an owner.json that stands in nobody’s way', async () => {
    const { app, run, location } = await besideApp({ token: 'x' })
    await app.kill()
    expect((await ownerOf(location)).pid).toBe(app.process.pid)
    expect((await run('get token --wait 0')).stdout.toString()).toBe('x')
    expect((await run('status')).stdout.toString()).toMatch(/^open in +this command alone$/m)
    expect((await run('list --read-only --wait 0')).code).toBe(0)
  })
})

describe('an app that hangs', () => {
  test('is given up, with its number and what to do', async () => {
    const { app, run } = await besideApp({ token: 'x' })
    app.process.kill('SIGSTOP')
    const begun = performance.now()
    const { code, stderr } = await run('get token --wait 1')
    expect(performance.now() - begun).toBeLessThan(30_000)
    expect(code).toBe(4)
    expect(stderr).toContain(`process ${app.process.pid}, which owner.json names, did not answer`)
    expect(stderr).toContain(
      'hint: it does not answer: continue or end it, then try again; `secret-store status --holder`',
    )
    app.process.kill('SIGCONT')
    expect((await run('get token')).stdout.toString()).toBe('x')
  })

  test('in the middle of a command, is given up after half a minute, and nothing is changed', async () => {
    const { env, app, run } = await besideApp({ token: 'before' })
    const line = `kill -STOP ${app.process.pid}; sed s/before/after/`
    const { code, stderr } = await start(['edit', 'token', '--', 'sh', '-c', line], { env }).outcome
    expect({ code, stderr }).toMatchObject({ code: 4 })
    expect(stderr).toContain('hint: continue or end the process that holds the store')
    app.process.kill('SIGCONT')
    expect((await run('get token')).stdout.toString()).toBe('before')
  })

  test('holds nobody up who presses Ctrl-C', async () => {
    const { env, app } = await besideApp({ token: 'x' })
    for (const args of [
      ['get', 'token'],
      ['edit', 'token', '--', 'sh', '-c', `kill -STOP ${app.process.pid}; echo y`],
    ]) {
      if (args[0] === 'get') app.process.kill('SIGSTOP')
      else app.process.kill('SIGCONT')
      const running = start(args, { env })
      await new Promise((resolve) => setTimeout(resolve, 2500))
      const begun = performance.now()
      running.child.kill('SIGINT')
      expect((await running.outcome).code).toBe(130)
      expect(performance.now() - begun).toBeLessThan(20_000)
    }
  })
})

describe('serve', () => {
  async function serve(own: CliStore, more: readonly string[] = []): Promise<{ running: Running; url: string }> {
    const running = start(['serve', '--json', ...more], { env: { ...own.env, SECRET_STORE_API_KEY: 'sk_test_given' } })
    onTestFinished(() => void running.child.kill('SIGKILL'))
    const [ready] = (await once(running.child.stdout as NonNullable<typeof running.child.stdout>, 'data')) as [Buffer]
    return { running, url: JSON.parse(ready.toString()).url }
  }

  async function payloadAt(url: string, name: string): Promise<unknown> {
    const query = `scope[type]=account&name=${name}&expand[]=payload`
    const answer = await fetch(`${url}/v1/apps/secrets/find?${query}`, {
      headers: { authorization: 'Bearer sk_test_given' },
    })
    return ((await answer.json()) as { payload?: unknown }).payload
  }

  test('lets commands of another terminal work, and serves what they have changed', async () => {
    const own = await cliStore({ token: 'before' })
    const { url } = await serve(own)
    expect(await payloadAt(url, 'token')).toBe('before')
    expectDone(await own.run('set token', 'after'))
    expect(await payloadAt(url, 'token')).toBe('after')
    for (const line of ['list', 'get token', 'run -- true', 'export', 'verify', 'rotate', 'status']) {
      expectDone(await own.run(line))
    }
    expectDone(await own.run(`keys add --generate-key-file ${own.directory}/second`))
    expectDone(await own.run(`backup ${own.directory}/backup`))
    expectDone(await own.run('rotate --root'))
    expect(await payloadAt(url, 'token')).toBe('after')
  })

  test('works twice on one store, and the second goes on when the first is killed', async () => {
    const own = await cliStore({ token: 'x' })
    const first = await serve(own)
    const second = await serve(own)
    expectDone(await own.run('set token', 'for both'))
    expect([await payloadAt(first.url, 'token'), await payloadAt(second.url, 'token')]).toEqual([
      'for both',
      'for both',
    ])
    first.running.child.kill('SIGKILL')
    await first.running.outcome
    expect(await payloadAt(second.url, 'token')).toBe('for both')
    expectDone(await own.run('set token', 'for one'))
    expect(await payloadAt(second.url, 'token')).toBe('for one')
    second.running.child.kill('SIGTERM')
    expect((await second.running.outcome).code).toBe(143)
    await eventually(async () => expect(await SecretStore.holder(own.location)).toBeUndefined())
    expect(await readdir(own.location)).not.toContain('owner.json')
  })

  test('follows an app that shares the store, and --read-only serves it alone', async () => {
    const own = await cliStore({ token: 'x' })
    const app = await sharerOf(own.location)
    const { url, running } = await serve(own)
    expect(await payloadAt(url, 'token')).toBe('x')
    await app.kill()
    expect(await payloadAt(url, 'token')).toBe('x')
    running.child.kill('SIGTERM')
    await running.outcome
    const reading = await serve(own, ['--read-only'])
    expect(await payloadAt(reading.url, 'token')).toBe('x')
  })

  test('is refused at once beside an app that does not share the store, with --wait 0', async () => {
    const own = await cliStore()
    await sharerOf(own.location, { shared: false })
    const { code, stderr } = await own.run('serve --wait 0')
    expect(code).toBe(4)
    expect(stderr).toMatch(/^error: store: expected to be its only opener, got another one: process \d+/)
  })
})

test('an app can share a store that a command has open for long', async () => {
  const own = await cliStore({ token: 'x' })
  const editing = start(['edit', 'token', '--', 'sh', '-c', 'echo started >&2; sleep 3; echo edited'], { env: own.env })
  await once(editing.child.stderr as NonNullable<typeof editing.child.stderr>, 'data')
  const app = await SecretStore.open(own.location, { key: testKey(), shared: true })
  onTestFinished(() => app.close())
  expect((await app.status()).sharing?.role).toBe('follower')
  expectDone(await editing.outcome)
  expect(await app.get({ scope: account, name: 'token' })).toBe('edited\n')
  expect((await app.status()).sharing?.role).toBe('owner')
})
