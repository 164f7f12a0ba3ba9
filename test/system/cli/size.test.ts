import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { environment, NODE_ARGS, run, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

// What a system passes on, and what a process holds, has an end: it is told of before it is reached.

let directory: string
let env: Record<string, string>

async function fill(secrets: Readonly<Record<string, string>>): Promise<void> {
  const key = Buffer.alloc(32, 7)
  await writeFile(join(directory, 'key'), key, { mode: 0o600 })
  const store = await SecretStore.open(env['SECRET_STORE'] as string, { key: rawKey(key) })
  const operations = Object.entries(secrets).map(([name, payload]) => {
    return { type: 'set', scope: account, name, payload } as const
  })
  for (let at = 0; at < operations.length; at += 2000) await store.batch(operations.slice(at, at + 2000))
  await store.close()
}

const keyed = (command: string, ...args: string[]): string[] => [command, '--key-file', join(directory, 'key'), ...args]

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory }
})

const onLinux = describe.skipIf(process.platform !== 'linux')
if (process.platform !== 'linux') console.warn('skipped: the limits of Linux')

onLinux('one variable', () => {
  test('is as large as the system passes on, and no larger', async () => {
    const pageBytes = Number(spawnSync('getconf', ['PAGESIZE']).stdout)
    const most = 32 * pageBytes - 'LARGE='.length - 1
    await fill({ large: 'x'.repeat(most) })
    const fits = await run(keyed('run', '--', 'sh', '-c', 'printf %s "$LARGE" | wc -c'), { env })
    expect(fits.stdout.toString().trim()).toBe(String(most))
    await fill({ large: 'x'.repeat(most + 1), other: 'x' })
    const { code, stderr } = await run(keyed('run', '--', 'touch', join(directory, 'was-run')), { env })
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^error: 'large' is too large for a variable: [\d,]+ bytes, and this system passes on [\d,]+\nhint: /,
    )
    expect((await shell(`ls ${directory}`)).stdout.toString()).not.toContain('was-run')
  })
})

onLinux('all of them', () => {
  const PIECE = 50_000

  test.each(['512', '8192', 'unlimited'])('are as large as the system passes on, with ulimit -s %s', async (stack) => {
    const limits = { '512': 128 * 1024, '8192': 2 * 1024 * 1024, unlimited: 6 * 1024 * 1024 }
    const most = limits[stack as keyof typeof limits]
    const pieces = Math.floor(most / PIECE) + 1
    await fill(Object.fromEntries(Array.from({ length: pieces }, (_, n) => [`n${n}`, 'x'.repeat(PIECE)])))
    const line = (only: string): string =>
      `ulimit -s ${stack} && secret-store run --key-file ${directory}/key ${only} -- sh -c 'exit 7'`
    const names = Array.from({ length: pieces }, (_, n) => `n${n}`)
    const whole = await shell(line(''), env)
    expect(whole.stderr).toMatch(
      /^error: the secrets are too much for one environment: .*the largest of those read are 'n\d+' \(50,0\d\d bytes\)/,
    )
    expect(whole.code).toBe(1)
    // What is refused is not what would have gone: all but the last two go.
    const most2 = await shell(line(`--only ${names.slice(0, -2).join(' ')}`), env)
    expect(most2).toMatchObject({ code: 7, stderr: '' })
  })

  test('are refused by their names alone', async () => {
    await fill(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`name-that-is-long-${n}`, 'x'])))
    const { code, stderr } = await shell(`ulimit -s 512 && secret-store run --key-file ${directory}/key -- true`, env)
    expect(code).toBe(1)
    const [, counted = ''] = /and ([\d,]+) of them take more/.exec(stderr) ?? []
    expect(Number(counted.replace(',', ''))).toBeLessThan(5000)
  })
})

test('an export is written as it is read: it needs less memory than its payloads', async () => {
  const payload = 'x'.repeat(8192)
  await fill(Object.fromEntries(Array.from({ length: 12_000 }, (_, n) => [`NAME_${n}`, payload])))
  for (const format of ['dotenv', 'json']) {
    const file = join(directory, format)
    const args = keyed('export', '--format', format, '--output', file)
    const { status, stderr } = spawnSync(process.execPath, ['--max-old-space-size=48', ...NODE_ARGS, ...args], {
      env: environment(env),
    })
    expect(status, stderr.toString()).toBe(0)
    expect((await readFile(file)).length).toBeGreaterThan(12_000 * 8192)
  }
})
