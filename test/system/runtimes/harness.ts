import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SecretStore } from 'app-secret-store'
import { afterAll, describe, expect, test } from 'vitest'
import { DEVIATIONS, type Runtime } from '../../support/node-runner/deviations'
import { OUTCOMES_VARIABLE, type OutcomeLine } from '../../support/node-runner/outcomes'
import { fromRoot } from '../../support/paths'
import { openStore, testKey } from '../../support/stores'
import { buildTests, OWN } from './build'
import { EXCHANGED, FROM_NODE, TO_NODE } from './inside/exchanged'

const run = promisify(execFile)

/** Processes beside one another: the machines have two cores. */
const PROCESSES = 2
/** Only ends what hangs. */
const LIMIT_MS = 1_200_000
/** Of a run that has lost some of its tests: there were 355 in Bun and Deno, 356 on Windows. */
const FEWEST_PASSED = 350

export interface Started {
  readonly runtime: Exclude<Runtime, 'node'>
  readonly name: string
  /** The program, which the environment names; without it the tests are skipped. */
  readonly variable: string
  /** What the program is given to run one test file. */
  readonly args: (file: string) => readonly string[]
}

interface Ended {
  readonly file: string
  readonly failed: boolean
  readonly output: string
}

/** Runs test/behaviour in another runtime, and what is in `inside`: with nothing but the installed tarball beside it. */
export function testRuntime({ runtime, name, variable, args }: Started): void {
  const program = process.env[variable]
  if (program === undefined) console.warn(`skipped: ${name}: ${variable}: expected the path of the program, got none`)
  describe.skipIf(program === undefined)(name, () => {
    let directory: string | undefined
    afterAll(async () => {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    })

    test('passes every test of behaviour, and those of processes, sharing, paths, line ends, modules and exchanged stores', {
      timeout: 2 * LIMIT_MS,
    }, async () => {
      directory = await mkdtemp(join(tmpdir(), `secret-store-${runtime}-`))
      await installPackage(directory)
      await leaveStore(join(directory, FROM_NODE))
      const files = await largestFirst(directory, await buildTests(directory))
      const before = Date.now()
      const ended = await runAll(files, (file) => runOne(directory as string, program as string, args(file), file))
      const lines = await outcomesOf(directory)
      report(name, lines, (Date.now() - before) / 1000)

      expect(lines.filter(({ outcome }) => outcome === 'failed')).toEqual([])
      expect(ended.filter(({ failed }) => failed)).toEqual([])
      // None is missing that vitest runs, and each of them has ended in one way.
      const defined = namesOf(lines, (outcome) => outcome === 'defined')
      expect(namesOf(lines, (outcome) => outcome !== 'defined')).toEqual(defined)
      expect(await namesInVitest()).toEqual(defined.filter((one) => !OWN.some((own) => one.startsWith(`${own}.`))))
      // The list is true: each of it was met, and failed.
      expect(namesOf(lines, (outcome) => outcome === 'fails as listed' || outcome === 'left out')).toEqual(
        DEVIATIONS.filter(({ runtimes }) => runtimes.includes(runtime))
          .map((one) => nameOf(one))
          .sort(),
      )
      expect(lines.filter(({ outcome }) => outcome === 'passed').length).toBeGreaterThanOrEqual(FEWEST_PASSED)
      await checkLeftStore(join(directory, TO_NODE))
    })
  })
}

/** What `npm pack` makes of the sources as they are, without types, installed as in an app. */
export async function installPackage(directory: string): Promise<void> {
  const staged = join(directory, 'staged')
  await mkdir(staged)
  const tsup = fromRoot('node_modules/tsup/dist/cli-default.js')
  await run(process.execPath, [tsup, '--no-dts', '--out-dir', join(staged, 'dist')], { cwd: fromRoot() })
  const { files } = JSON.parse(await readFile(fromRoot('package.json'), 'utf8')) as { files: string[] }
  for (const path of ['package.json', ...files.filter((one) => one !== 'dist')]) {
    await cp(fromRoot(path), join(staged, path), { recursive: true })
  }
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', directory], {
    cwd: staged,
  })
  await rm(staged, { recursive: true })
  await writeFile(join(directory, 'package.json'), '{ "name": "runtimes", "private": true, "type": "module" }\n')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  await run('npm', ['install', ...flags, join(directory, stdout.trim())], { cwd: directory })
}

/** For the other runtime, as Node has it. */
async function leaveStore(at: string): Promise<void> {
  const store = await openStore(join(at, 'secrets'))
  for (const secret of EXCHANGED) await store.set(secret)
  await store.backup(join(at, 'backup'))
  await store.close()
}

/** What the other runtime has made, and the backup of it. */
async function checkLeftStore(at: string): Promise<void> {
  await SecretStore.restore(join(at, 'backup'), join(at, 'restored'), { key: testKey() })
  for (const name of ['secrets', 'restored']) {
    const store = await openStore(join(at, name))
    expect(await store.verify()).toEqual({ ok: true, records: EXCHANGED.length + 1, problems: [] })
    for (const { scope, name, payload } of EXCHANGED) expect(await store.get({ scope, name })).toBe(payload)
    await store.close()
  }
}

async function largestFirst(directory: string, files: readonly string[]): Promise<readonly string[]> {
  const sizes = await Promise.all(
    files.map(async (file) => ({ file, bytes: (await stat(join(directory, file))).size })),
  )
  return sizes.toSorted((a, b) => b.bytes - a.bytes).map(({ file }) => file)
}

async function runAll(files: readonly string[], one: (file: string) => Promise<Ended>): Promise<Ended[]> {
  const left = [...files]
  const ended: Ended[] = []
  const lane = async (): Promise<void> => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) ended.push(await one(file))
  }
  await Promise.all(Array.from({ length: PROCESSES }, lane))
  return ended
}

async function runOne(directory: string, program: string, args: readonly string[], file: string): Promise<Ended> {
  const env = { ...process.env, [OUTCOMES_VARIABLE]: `${file}.outcomes`, NO_COLOR: '1' }
  try {
    const { stdout } = await run(program, [...args], { cwd: directory, env, timeout: LIMIT_MS, maxBuffer: 2 ** 26 })
    return { file, failed: false, output: stdout }
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string }
    return { file, failed: true, output: [message, stdout, stderr].join('\n').slice(-8000) }
  }
}

async function outcomesOf(directory: string): Promise<OutcomeLine[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.outcomes'))
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))
  return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line) as OutcomeLine)
}

function nameOf({ file, test }: { readonly file: string; readonly test: string }): string {
  return `${file} > ${test}`
}

function namesOf(lines: readonly OutcomeLine[], which: (outcome: OutcomeLine['outcome']) => boolean): string[] {
  return lines
    .filter(({ outcome }) => which(outcome))
    .map(nameOf)
    .sort()
}

async function namesInVitest(): Promise<string[]> {
  const vitest = fromRoot('node_modules/vitest/vitest.mjs')
  const args = [vitest, 'list', '--json', '--project', 'quick', 'test/behaviour']
  const { stdout } = await run(process.execPath, args, { cwd: fromRoot(), maxBuffer: 2 ** 26 })
  const listed = JSON.parse(stdout) as { file: string; name: string }[]
  return listed.map(({ file, name }) => `${file.split('/').at(-1)} > ${name}`).sort()
}

function report(name: string, lines: readonly OutcomeLine[], seconds: number): void {
  const count = (outcome: OutcomeLine['outcome']): number => lines.filter((line) => line.outcome === outcome).length
  const [failed, listed, left] = [count('failed'), count('fails as listed'), count('left out')]
  console.info(
    `${name}: ${count('passed')} passed, ${failed} failed, ${listed} failed as listed, ${left} left out, ` +
      `in ${Math.round(seconds)} s`,
  )
  for (const { outcome, test, detail } of lines) {
    if (outcome === 'fails as listed' || outcome === 'left out') console.info(`${outcome}: ${test}: ${detail}`)
  }
}
