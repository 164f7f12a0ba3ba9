import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../src/index'
import { startChild } from '../support/programs'
import { BATCH_NAMES, payloadOf, type Report, type Write } from '../support/programs/writer'
import { newLocation } from '../support/stores'

const KILLS = 108
const MOST_REPORTS = 500
/** An opening takes about half of it. */
const MOST_OPENING_MS = 30

interface Life {
  readonly opened: boolean
  readonly started: readonly Write[]
  readonly done: ReadonlySet<number>
}

/** Lets a writer run, kills it while it opens or after some number of reports, and returns all it had said by then. */
async function liveAndDie(child: ChildProcess, location: string, whileOpening: boolean): Promise<Life> {
  const started: Write[] = []
  const done = new Set<number>()
  let opened = false
  let killAfter = whileOpening ? Number.POSITIVE_INFINITY : randomInt(MOST_REPORTS)
  const kill = (): void => void child.kill('SIGKILL')
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => {
    const report = JSON.parse(line) as Report
    if ('started' in report) started.push(report.started)
    else if ('done' in report) done.add(report.done)
    else opened = true
    // Reports arrive in bursts, one per group commit: a random part of a turn later is somewhere inside the next one.
    if (killAfter-- === 0) setImmediate(kill)
  })
  child.send(location)
  if (whileOpening) setTimeout(kill, randomInt(MOST_OPENING_MS))
  const [, signal] = await once(child, 'close')
  expect(signal).toBe('SIGKILL')
  return { opened, started, done }
}

function apply(state: Map<string, string>, write: Write): void {
  for (const name of write.sets) state.set(name, payloadOf(write))
  for (const name of write.deletes) state.delete(name)
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, payload]) => b.get(name) === payload)
}

/** The writes are in one order. What is found must be what some first part of them makes, with all acknowledged in it. */
function isPossible(before: ReadonlyMap<string, string>, { started, done }: Life, found: Map<string, string>): boolean {
  const state = new Map(before)
  const lastDone = Math.max(-1, ...done)
  if (lastDone === -1 && same(state, found)) return true
  for (const write of started) {
    apply(state, write)
    if (write.number >= lastDone && same(state, found)) return true
  }
  return false
}

test(`${KILLS} kills lose no acknowledged write and tear no batch`, async () => {
  const location = await newLocation()
  const options = { key: rawKey(new Uint8Array(32).fill(7)), sweepIntervalMs: 0, compactIntervalMs: 0 }
  await (await SecretStore.open(location, options)).close()
  let state = new Map<string, string>()
  let reserve = startChild('writer', ['run'])
  onTestFinished(() => void reserve.kill('SIGKILL'))
  let acknowledged = 0
  let batches = 0
  let unopened = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    const child = reserve
    reserve = startChild('writer', ['run'])
    const life = await liveAndDie(child, location, kill % 6 === 0)
    const store = await SecretStore.open(location, options)
    const found = new Map<string, string>()
    for await (const { name, payload } of store.list({ scope: account, expand: ['data.payload'] })) {
      found.set(name, payload as string)
    }
    expect(new Set(BATCH_NAMES.map((name) => found.get(name))).size, `a torn batch after kill ${kill}`).toBe(1)
    expect(isPossible(state, life, found), `a state that no order of writes makes, after kill ${kill}`).toBe(true)
    expect(await store.verify()).toMatchObject({ ok: true, records: found.size })
    await store.close()
    state = found
    acknowledged += life.done.size
    batches += life.started.filter(({ sets, deletes }) => sets.length + deletes.length > 1).length
    if (!life.opened) unopened++
  }
  console.info(
    `kill -9: ${KILLS} kills (${unopened} before the store was open), ${acknowledged} acknowledged writes, ` +
      `${batches} batches: none lost, none torn`,
  )
  expect(acknowledged).toBeGreaterThan(KILLS)
})
