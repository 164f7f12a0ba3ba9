import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OUTCOMES_VARIABLE, type OutcomeLine } from './node-runner/outcomes'
import { fromRoot } from './paths'

// The runner itself: what it must not let pass.

const TESTS = `
  import { describe, expect, onTestFinished, test, vi } from 'vitest'
  const order = []
  test('passes', async () => {
    onTestFinished(() => order.push('first'))
    onTestFinished(async () => order.push('second'))
    await expect(Promise.reject(new TypeError('a: expected b'))).rejects.toThrow('a: expected b')
    expect(new Uint8Array([1])).toEqual(new Uint8Array([1]))
    expect(order).toEqual([])
  })
  test('sees the ends in the order of vitest', () => expect(order).toEqual(['second', 'first']))
  test('fails', () => expect({ a: new Uint8Array([1]) }).toEqual({ a: new Uint8Array([2]) }))
  test('fails later', () => expect(Promise.resolve(1)).resolves.toBe(2))
  test('fails at its end', () => onTestFinished(() => Promise.reject(new Error('not removed'))))
  test('is listed and fails', () => expect(1).toBe(2))
  test('is listed and passes', () => {})
  test('is listed and left out', () => process.exit(0))
  test.skipIf(true)('is left out', () => {})
  describe.each([{ of: 'x', n: 1 }])('a group of $of and $n', ({ of, n }) => {
    test.each([[1, 'y'], [2, 'z']])('%i and %s', (m, letter) => expect([of, n, m, letter]).toEqual(['x', 1, 1, 'y']))
    test.each(['only'])('one: %s', (one) => expect(one).toBe('only'))
  })
  test('intervals by hand', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const work = vi.fn()
    const timer = setInterval(work, 300)
    await vi.advanceTimersByTimeAsync(299)
    expect(work).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(701)
    expect(work).toHaveBeenCalledTimes(3)
    clearInterval(timer)
    await vi.advanceTimersByTimeAsync(1000)
    expect(work).toHaveBeenCalledTimes(3)
    vi.useRealTimers()
    expect(() => vi.useFakeTimers({ toFake: ['Date'] })).toThrow('expected toFake of')
  })
  test('waits', async () => {
    let calls = 0
    expect(await vi.waitFor(() => { if (++calls < 3) throw new Error('not yet'); return calls })).toBe(3)
    await expect(vi.waitFor(() => { throw new Error('never') }, { timeout: 20, interval: 5 })).rejects.toThrow('never')
  })
`

const LISTED = `
  export const deviationOf = (file, test) => test.startsWith('is listed') && file === 'sample.test.ts'
    ? { how: test.endsWith('left out') ? 'is left out' : 'fails', reason: 'for a test' }
    : undefined
`

let directory: string

beforeAll(async () => {
  await mkdir(fromRoot('output'), { recursive: true })
  directory = await mkdtemp(fromRoot('output/node-runner-'))
  await writeFile(join(directory, 'sample.test.js'), TESTS)
  await build({
    entryPoints: [join(directory, 'sample.test.js')],
    outfile: join(directory, 'sample.test.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    alias: { vitest: fromRoot('test/support/node-runner/index.ts') },
    plugins: [
      {
        name: 'listed',
        setup: ({ onLoad }) => onLoad({ filter: /node-runner\/deviations\.ts$/ }, () => ({ contents: LISTED })),
      },
    ],
    logLevel: 'error',
  })
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('each way that a test ends is told, and what must not pass ends the process with an error', async () => {
  const outcomes = join(directory, 'outcomes')
  const { status } = spawnSync(process.execPath, [join(directory, 'sample.test.mjs')], {
    env: { ...process.env, [OUTCOMES_VARIABLE]: outcomes },
  })
  expect(status).toBe(1)
  const lines = (await readFile(outcomes, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutcomeLine)
  const told = lines.filter(({ outcome }) => outcome !== 'defined')
  expect(told.map(({ test, outcome }) => `${test}: ${outcome}`).sort()).toEqual(
    [
      'passes: passed',
      'sees the ends in the order of vitest: passed',
      'fails: failed',
      'fails later: failed',
      'fails at its end: failed',
      'is listed and fails: fails as listed',
      'is listed and passes: failed',
      'is listed and left out: left out',
      'is left out: left out',
      "a group of 'x' and 1 > 1 and y: passed",
      "a group of 'x' and 1 > 2 and z: failed",
      "a group of 'x' and 1 > one: only: passed",
      'intervals by hand: passed',
      'waits: passed',
    ].sort(),
  )
  expect(told.find(({ test }) => test === 'is listed and passes')?.detail).toContain('to fail here, got a pass')
  expect(lines.filter(({ outcome }) => outcome === 'defined')).toHaveLength(told.length)
})
