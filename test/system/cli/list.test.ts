import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore, user } from '../../../src/index'
import { environment, NODE_ARGS, run, shell } from '../../support/cli-program'
import { hasTerminals, Terminal } from '../../support/terminal'

const key = Uint8Array.from({ length: 32 }, (_, index) => index)
const ID = /appsecret_\w{24}/g

async function storeOf(directory: string, names: Iterable<string>): Promise<Record<string, string>> {
  await writeFile(join(directory, 'key'), Buffer.from(key).toString('hex'), { mode: 0o600 })
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
  let batch: string[] = []
  const write = async (): Promise<void> => {
    await store.batch(batch.map((name) => ({ type: 'set', scope: account, name, payload: 'x' })))
    batch = []
  }
  for (const name of names) if (batch.push(name) === 10_000) await write()
  await write()
  await store.close()
  return { SECRET_STORE: join(directory, 'store'), HOME: directory, TERM: 'xterm' }
}

describe('200,000 secrets', () => {
  const COUNT = 200_000
  /**
   * What the program itself says of its memory and its work at its end, in a line of stderr. The memory of the process
   * that started it counts in `maxRSS` on Linux, so that it is read from where it does not.
   */
  const TELL = `data:text/javascript,${encodeURIComponent(`
    import { existsSync, readFileSync } from 'node:fs'
    process.on('exit', () => {
      const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
      const status = '/proc/self/status'
      const peak = existsSync(status) ? /^VmHWM:\\s*(\\d+) kB$/m.exec(readFileSync(status, 'latin1'))[1] : maxRSS
      const said = { rssMb: peak / 1024, cpuS: (userCPUTime + systemCPUTime) / 1e6 }
      process.stderr.write(JSON.stringify(said) + '\\n')
    })
  `)}`
  const MOST_RSS_MB = 150
  /** Of the processor, not of the clock: a busy machine does not fail it. 4 s were measured. */
  const MOST_CPU_S = 30
  let directory: string
  let env: Record<string, string>

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secret-store-test-'))
    env = await storeOf(
      directory,
      Array.from({ length: COUNT }, (_, index) => `service-${String(index).padStart(6, '0')}`),
    )
    env = { ...env, NODE_OPTIONS: `--import ${TELL}` }
    return () => rm(directory, { recursive: true, force: true })
  })

  const args = (...more: string[]): string[] => ['list', '--all', '--key-file', join(directory, 'key'), ...more]

  function expectModest(stderr: string): void {
    const { rssMb, cpuS } = JSON.parse(stderr) as { rssMb: number; cpuS: number }
    console.info(`list --all of ${COUNT}: ${rssMb.toFixed(0)} MB at most, ${cpuS.toFixed(1)} s of the processor`)
    expect(rssMb).toBeLessThan(MOST_RSS_MB)
    expect(cpuS).toBeLessThan(MOST_CPU_S)
  }

  test('as text', async () => {
    const { code, stdout, stderr } = await run(args(), { env })
    expect(code).toBe(0)
    const text = stdout.toString()
    expect(text.match(ID)).toHaveLength(COUNT)
    expect(text.split('\n')).toHaveLength(COUNT + 2)
    expectModest(stderr)
  })

  test('as JSON', async () => {
    const { code, stdout, stderr } = await run(args('--json'), { env })
    expect(code).toBe(0)
    const { data, has_more } = JSON.parse(stdout.toString())
    expect({ has_more, length: data.length, first: data[0].name, last: data.at(-1).name }).toEqual({
      has_more: false,
      length: COUNT,
      first: 'service-000000',
      last: 'service-199999',
    })
    expectModest(stderr)
  })

  test.each([{ more: [] }, { more: ['--json'] }])('to a slow reader, which it waits for: $more', async ({ more }) => {
    const child = spawn(process.execPath, [...NODE_ARGS, ...args(...more)], { env: environment(env) })
    let stderr = ''
    child.stderr.on('data', (part) => {
      stderr += part
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    // Nothing is read at first, then a little at a time.
    await setTimeout(1500)
    let length = 0
    let parts = 0
    for await (const part of child.stdout) {
      length += part.length
      if (parts++ % 500 === 0) await setTimeout(5)
    }
    expect(await ended).toBe(0)
    expect(length).toBeGreaterThan(10_000_000)
    expectModest(stderr)
  })

  test.skipIf(process.platform === 'win32')('to a reader that goes: quietly, at once', async () => {
    const line = `secret-store list --all --key-file ${directory}/key | head -n 2; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await shell(line, { ...env, NODE_OPTIONS: '' })
    expect(stdout.toString().split('\n')).toEqual([
      expect.stringContaining('NAME'),
      expect.stringContaining('service-000000'),
      '141',
      '',
    ])
    expect(stderr).toBe('')
  })
})

describe.skipIf(!hasTerminals)('at a terminal', () => {
  let directory: string
  let env: Record<string, string>
  const names = ['stripe.api-key', '日本語のなまえ', 'red\u001b[31m', 'e\u0301', '👍🏽', 'n'.repeat(60)]

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secret-store-test-'))
    env = await storeOf(directory, names)
    const store = await SecretStore.open(env['SECRET_STORE'] ?? '', { key: rawKey(key) })
    await store.set({ scope: user('usr_1'), name: 'theirs', payload: 'x' })
    await store.close()
    return () => rm(directory, { recursive: true, force: true })
  })

  /** What a terminal shows, line by line: those that end where it wraps belong to the next. */
  async function lines(columns: number, ...more: string[]): Promise<string[]> {
    const args = ['list', '--key-file', join(directory, 'key'), ...more]
    const terminal = Terminal.ofProgram(args, { env: { ...env, NO_COLOR: '1' }, columns })
    expect(await terminal.exitCode).toBe(0)
    return terminal.text.replaceAll('\r', '').trimEnd().split('\n')
  }

  test.each([40, 60, 80, 100, 200])('of %d columns, no id is broken', async (columns) => {
    for (const more of [[], ['--all']]) {
      const shown = await lines(columns, ...more)
      const ids = shown.filter((line) => line.match(ID))
      expect(ids).toHaveLength(names.length)
      for (const line of ids) expect(line.search(ID) + 34).toBeLessThanOrEqual(columns)
      expect(shown.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    }
  })

  test('of 40 columns has one cell below another', async () => {
    expect(await lines(40)).toContainEqual(expect.stringMatching(/^ {2}id appsecret_\w{24}$/))
    expect(await lines(40)).toContain('  expires never')
  })

  test('that says no width gets lines as wide as they are', async () => {
    // `stty` is asked by nobody: a terminal of 0 columns is what some serial lines and Emacs have.
    const command = `stty cols 0; "$@"`
    const args = ['-c', command, 'bash', process.execPath, ...NODE_ARGS, 'list', '--key-file', join(directory, 'key')]
    const terminal = new Terminal('bash', args, { env: { ...env, NO_COLOR: '1' }, columns: 40 })
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.text).toMatch(/^NAME .*EXPIRES/m)
  })

  test('says what there is in other scopes', async () => {
    expect((await lines(120)).at(-1)).toBe('1 in another scope: --user usr_1 (1)')
  })
})
