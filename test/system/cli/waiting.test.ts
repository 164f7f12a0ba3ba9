import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run, SHELL_COMMAND, shell, start } from '../../support/cli-program'
import { cliStore } from '../../support/cli-stores'
import { sharerOf } from '../../support/sharing'
import { hasTerminals, Terminal } from '../../support/terminal'

// Commands that begin at once, and beside an app that has the store open alone.

const PASSPHRASE = 'gibbon radish tundra'

describe('eight commands at once', () => {
  test.each(['get token', 'run --only token -- printenv TOKEN', 'set token', 'list'])(
    '`%s` all succeed, one after the other',
    async (line) => {
      const own = await cliStore({ token: 'x' })
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => own.run(`${line}`, 'x')))
      expect(outcomes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
        Array.from({ length: 8 }, () => ({ code: 0, stderr: '' })),
      )
      expect((await own.run('get token')).stdout.toString()).toBe('x')
    },
  )

  test('succeed with a passphrase, too, which takes each of them a while', async () => {
    const own = await cliStore({ token: 'x' }, PASSPHRASE)
    const { SECRET_STORE_KEY_FILE: _, ...keyless } = own.env
    const env = { ...keyless, SECRET_STORE_PASSPHRASE: PASSPHRASE }
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => run(['get', 'token'], { env })))
    expect(outcomes.map(({ stdout }) => stdout.toString())).toEqual(Array.from({ length: 8 }, () => 'x'))
  })

  test('succeed beside an app that shares the store', async () => {
    const own = await cliStore({ token: 'x' })
    await sharerOf(own.location)
    const lines = [...Array.from({ length: 7 }, (_, n) => `set of-${n}`), 'get token']
    const outcomes = await Promise.all(lines.map((line) => own.run(line, 'x')))
    expect(outcomes.map(({ code }) => code)).toEqual(lines.map(() => 0))
    expect(JSON.parse((await own.run('list --all --json')).stdout.toString()).data).toHaveLength(8)
  })
})

describe.runIf(process.platform === 'linux')('beside an app that has the store open alone', () => {
  test('a command waits until the app has closed it, and never opens its files before', async () => {
    const own = await cliStore({ token: 'x' })
    const app = await sharerOf(own.location, { shared: false })
    const log = join(own.location, 'data', 'LOG')
    const before = await readFile(log)
    const waiting = own.run('get token --wait 60')
    await new Promise((resolve) => setTimeout(resolve, 2000))
    expect(await readFile(log)).toEqual(before)
    await app.ask({ do: 'close' })
    expect(await waiting).toMatchObject({ code: 0, stderr: '' })
  })

  test('a command gives up after the time that was said, and says so', async () => {
    const own = await cliStore({ token: 'x' })
    const app = await sharerOf(own.location, { shared: false })
    const log = join(own.location, 'data', 'LOG')
    const before = await readFile(log)
    const refusal = `error: store: expected to be its only opener, got another one: process ${app.process.pid} (node participant.mjs)`
    for (const [wait, waited, more] of [
      ['--wait 0', '', {}],
      ['--wait 0.5', ' (waited for 0.5 s)', {}],
      ['', ' (waited for 0.2 s)', { SECRET_STORE_WAIT: '200ms' }],
      ['--wait 0s', '', { SECRET_STORE_WAIT: '1h' }],
    ] as const) {
      const args = ['list', ...wait.split(' ').filter(Boolean)]
      const { code, stderr } = await run(args, { env: { ...own.env, ...more } })
      expect(code, wait).toBe(4)
      const [error = '', hint = ''] = stderr.split('\n')
      expect(error.startsWith(refusal)).toBe(true)
      expect(error.replace(/^.*, which runs since \S+/, '')).toBe(waited)
      expect(hint).toMatch(/^hint: close what has the store open, wait longer with --wait, or have the app share it/)
    }
    const reading = await own.run('list --read-only --wait 0.3')
    expect(reading).toMatchObject({ code: 4 })
    expect(reading.stderr).toContain('(waited for 0.3 s)')
    expect(await readFile(log)).toEqual(before)
  })

  test('five seconds are waited unless something else is said', async () => {
    const own = await cliStore()
    await sharerOf(own.location, { shared: false })
    const begun = performance.now()
    const { code, stderr } = await own.run('list')
    expect(code).toBe(4)
    expect(performance.now() - begun).toBeGreaterThan(5000)
    expect(stderr).toContain('(waited for 5 s)')
  })

  test('a wait that is no time is refused before anything is asked', async () => {
    const own = await cliStore()
    expect(await own.run('list --wait soon')).toMatchObject({ code: 2 })
    const { stderr } = await run(['list'], { env: { ...own.env, SECRET_STORE_WAIT: '2d' } })
    expect(stderr).toMatch(/^error: SECRET_STORE_WAIT: expected seconds .* of a day at the most, got '2d'\n/)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the wait at once', async (signal, code) => {
    const own = await cliStore()
    await sharerOf(own.location, { shared: false })
    const waiting = start(['list', '--wait', '600'], { env: own.env })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const begun = performance.now()
    waiting.child.kill(signal)
    expect((await waiting.outcome).code).toBe(code)
    expect(performance.now() - begun).toBeLessThan(60_000)
  })

  test('status --holder names it, and says that commands wait', async () => {
    const own = await cliStore()
    const app = await sharerOf(own.location, { shared: false })
    const text = (await own.run('status --holder')).stdout.toString()
    expect(text).toMatch(new RegExp(`^open in +process ${app.process.pid}$`, 'm'))
    expect(text).toMatch(/^program +node participant\.mjs$/m)
    expect(text).toMatch(/^shared +no: commands wait for it$/m)
    await app.kill()
    expect((await own.run('status --holder')).stdout.toString()).toMatch(/^open in +no process$/m)
    expect((await own.run(`status --holder --store ${own.directory}/nothing`)).code).toBe(1)
  })

  describe.skipIf(!hasTerminals)('at a terminal', () => {
    test('a wait says after a second for whom, once, and Ctrl-C ends it', async () => {
      const own = await cliStore()
      const app = await sharerOf(own.location, { shared: false })
      const terminal = Terminal.ofProgram(['list', '--wait', '1min'], { env: own.env, columns: 200 })
      const note = `waiting for process ${app.process.pid} (node participant.mjs), which has the store open alone`
      await terminal.sees(note)
      await new Promise((resolve) => setTimeout(resolve, 2500))
      terminal.type('\u0003')
      expect(await terminal.exitCode).toBe(130)
      expect(terminal.text.split(note)).toHaveLength(2)
      expect(terminal.text).toContain('interrupted; the store is sound')
    })

    test('a wait of less says nothing, nor does one that is to be quiet, or in a script', async () => {
      const own = await cliStore()
      const app = await sharerOf(own.location, { shared: false })
      for (const args of ['list --wait 2 --quiet', 'list --wait 2 --json', 'list --wait 0.3']) {
        const terminal = Terminal.ofProgram(args.split(' '), { env: own.env })
        expect(await terminal.exitCode).toBe(4)
        expect(terminal.text).not.toContain('waiting for')
      }
      const { stderr } = await own.run('list --wait 2')
      expect(stderr).not.toContain('waiting for')
      await app.kill()
    })

    test('an answer that does not come is told of, too', async () => {
      const own = await cliStore()
      const app = await sharerOf(own.location)
      app.process.kill('SIGSTOP')
      const terminal = Terminal.ofProgram(['list', '--wait', '10'], { env: own.env, columns: 200 })
      await terminal.sees(
        `waiting for process ${app.process.pid} (node participant.mjs), which shares the store, to answer`,
      )
      app.process.kill('SIGCONT')
      expect(await terminal.exitCode).toBe(0)
    })
  })
})

test('the command of run may use the store: run has closed it by then', async () => {
  const own = await cliStore({ token: 'x' })
  await expect(shell(`secret-store run -- ${SHELL_COMMAND} get token --wait 0`, own.env)).resolves.toMatchObject({
    code: 0,
  })
  await sharerOf(own.location)
  await expect(shell(`secret-store run -- ${SHELL_COMMAND} get token --wait 0`, own.env)).resolves.toMatchObject({
    code: 0,
  })
})
