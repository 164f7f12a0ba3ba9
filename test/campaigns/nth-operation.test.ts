import { cpSync, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { SecretStoreError } from '../../src/index'
import { LevelEngine } from '../../src/storage/level/engine'
import { campaign, conclude, progressOf, times } from '../support/campaign'
import { temporaryDirectory } from '../support/stores'
import { judge } from './shim/judge'
import { type Arming, attempt, type Event, makeTemplate, OPERATIONS } from './shim/operations'

/** What becomes of a call of the engine. */
const MISHAPS = ['fails', 'fails after it took effect', 'is late'] as const
type Mishap = (typeof MISHAPS)[number]

const CALLS = ['getSync', 'get', 'getMany', 'scan', 'scanKeys', 'checkOwned', 'erase', 'close'] as const
type Call = (typeof CALLS)[number]

const DELAY_MS = 3
/** In the short run, of the calls of one operation every so many-th. */
const STRIDE = times(3, 1)

interface Struck {
  /** How many calls there were. */
  readonly calls: number
  /** The one that was struck, if there were so many. */
  readonly call: string | undefined
}

/** Stands in front of all engines there are. */
class Engines implements Arming<Struck> {
  readonly #mishap: Mishap
  readonly #nth: number
  readonly #seen = new Set<LevelEngine>()
  readonly #close = LevelEngine.prototype.close
  #armed = false
  #calls = 0
  #struck: string | undefined

  constructor(mishap: Mishap, nth: number) {
    this.#mishap = mishap
    this.#nth = nth
    const self = this
    for (const call of CALLS) {
      const real = LevelEngine.prototype[call] as (this: LevelEngine, ...args: unknown[]) => unknown
      vi.spyOn(LevelEngine.prototype, call as 'close').mockImplementation(function (
        this: LevelEngine,
        ...args: unknown[]
      ) {
        self.#seen.add(this)
        return self.#pass(call, () => real.apply(this, args)) as Promise<void>
      })
    }
    const { batch } = LevelEngine.prototype
    vi.spyOn(LevelEngine.prototype, 'batch').mockImplementation(function (this: LevelEngine) {
      self.#seen.add(this)
      const begun = batch.call(this)
      const { write } = begun
      begun.write = (expectedHead) => self.#pass('write', () => write(expectedHead)) as Promise<boolean>
      return begun
    })
    const { open } = LevelEngine
    vi.spyOn(LevelEngine, 'open').mockImplementation((...args) => {
      const opening = async (): Promise<LevelEngine> => {
        const engine = await open.apply(LevelEngine, args)
        this.#seen.add(engine)
        return engine
      }
      return this.#pass('open', opening) as Promise<LevelEngine>
    })
  }

  arm(): void {
    this.#armed = true
  }

  /** Reading all there is would be most of the calls; it is an operation of its own. */
  async aside(work: () => Promise<void>): Promise<void> {
    this.#armed = false
    await work()
    this.#armed = true
  }

  disarm(): Struck {
    this.#armed = false
    return { calls: this.#calls, call: this.#struck }
  }

  /** Lets go of what a close that failed did not, as the end of the process would. */
  async release(): Promise<void> {
    for (const engine of this.#seen) await this.#close.call(engine)
    vi.restoreAllMocks()
  }

  #pass(call: Call | 'open' | 'write', real: () => unknown): unknown {
    if (!this.#armed || ++this.#calls !== this.#nth) return real()
    this.#struck = call
    const error = new SecretStoreError('ERR_IO', `${call}: struck`)
    if (call === 'getSync' || call === 'checkOwned') return this.#strikeSync(real, error)
    return this.#strike(real, error)
  }

  #strikeSync(real: () => unknown, error: Error): unknown {
    if (this.#mishap === 'fails') throw error
    const result = real()
    if (this.#mishap === 'fails after it took effect') throw error
    return result
  }

  async #strike(real: () => unknown, error: Error): Promise<unknown> {
    if (this.#mishap === 'fails') throw error
    if (this.#mishap === 'is late') await new Promise((resolve) => setTimeout(resolve, DELAY_MS))
    const result = await real()
    if (this.#mishap === 'fails after it took effect') throw error
    return result
  }
}

afterEach(() => void vi.restoreAllMocks())

test.each(MISHAPS)('whichever call of the engine %s, errors are coded, and nothing acknowledged is lost', (mishap) =>
  campaign('campaigns/nth-operation.test.ts', async (draws) => {
    const directory = await temporaryDirectory(existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
    const template = join(directory, 'template')
    await mkdir(template)
    await makeTemplate(template)
    const struck = new Map<string, number>()
    const failures: string[] = []
    const progress = progressOf(`nth-operation, ${mishap}`)
    let count = 0
    for (const operation of OPERATIONS) {
      for (let nth = 1 + draws.below(STRIDE); ; nth += STRIDE) {
        const place = join(directory, `${count++}`)
        cpSync(template, place, { recursive: true })
        const engines = new Engines(mishap, nth)
        const events: Event[] = []
        const { calls, call } = await attempt(operation, place, engines, (event) => events.push(event))
        await engines.release()
        const harmless = call === undefined || mishap === 'is late'
        const problems = await judge(place, events, { survived: true, harmless, tidy: true })
        const steps = events.map((event) => JSON.stringify(event)).join('\n')
        if (problems.length > 0)
          failures.push(`${operation.name}, call ${nth} (${call}) ${mishap}: ${problems}\n${steps}`)
        await rm(place, { recursive: true })
        if (call === undefined) break
        struck.set(call, (struck.get(call) ?? 0) + 1)
        progress(nth, calls)
      }
    }
    expect(failures).toEqual([])
    conclude(`nth-operation, ${mishap}`, { operations: OPERATIONS.length, ...Object.fromEntries(struck) })
    expect(struck.size).toBeGreaterThan(6)
  }),
)
