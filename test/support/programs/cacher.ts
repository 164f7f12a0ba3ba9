/**
 * Asks one cache for a few names until it is killed, and tells of each answer, by synchronous writes: what the parent has
 * heard of was given. The source is the parent's, over HTTP.
 */
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { type CacheAnswer, type Loaded, type LoadRequest, SecretCache } from '../../../src/cache/index'
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'

export interface Life {
  readonly location: string
  readonly url: string
  /** Where several of them share the store, which one it is. */
  readonly sharer?: number
}

/** Numbers of calls are the child's own; what is called before something is told may be answered after it. */
export type Report =
  | { readonly opened: true }
  | { readonly name: string; readonly called: number }
  | { readonly name: string; readonly answered: number; readonly found: CacheAnswer<string> | null }
  | { readonly name: string; readonly unavailable: number }
  | { readonly name: string; readonly invalidating: number }
  | { readonly name: string; readonly invalidated: number }
  | { readonly name: string; readonly twoLoads: true }
  | { readonly name: string; readonly notKept: string }

/** When it was told, in milliseconds, by a clock that is one for all processes of the machine and is never set. */
export type Timed<R = Report> = R & { readonly at: number }

export const NAMES: readonly string[] = ['a', 'b', 'c']
export const LIMITS = {
  ttlMs: 20,
  maxStaleMs: 3_600_000,
  refreshAheadMs: 8,
  negativeTtlMs: 5,
  loadTimeoutMs: 60,
  backoff: { minMs: 1, maxMs: 4 },
} as const
const LANES = 9

export function tell(report: Report): void {
  const timed: Timed = { ...report, at: machineMs() }
  writeSync(1, `${JSON.stringify(timed)}\n`)
}

export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Asks the parent's source: 404 is none, everything else that is not 200 a failure. */
async function ask(url: string, { name, signal }: LoadRequest, sharer: number): Promise<Loaded> {
  const response = await fetch(`${url}/${name}?by=${sharer}`, { signal })
  if (response.status === 404) return undefined
  if (!response.ok) throw new Error(`source: expected status 200, got ${response.status}`)
  return response.text()
}

async function run({ location, url, sharer }: Life): Promise<void> {
  const store = await SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
    shared: sharer !== undefined,
  })
  const open = new Map<string, AbortSignal>()
  const load = async (request: LoadRequest): Promise<Loaded> => {
    const { name, signal } = request
    if (open.get(name)?.aborted === false) tell({ name, twoLoads: true })
    open.set(name, signal)
    try {
      return await ask(url, request, sharer ?? 0)
    } finally {
      if (open.get(name) === signal) open.delete(name)
    }
  }
  const onError = (error: unknown, { name }: { readonly name: string }): void => {
    const { code } = error as { readonly code?: string }
    if (code !== 'ERR_UNAVAILABLE') tell({ name, notKept: String(code ?? error) })
  }
  const cache = new SecretCache(store, { ...LIMITS, load, onError })
  tell({ opened: true })
  let calls = 0
  const lane = async (): Promise<never> => {
    for (;;) {
      const name = NAMES[randomInt(NAMES.length)] as string
      const call = calls++
      if (randomInt(30) === 0) {
        tell({ name, invalidating: call })
        await cache.invalidate({ scope: account, name })
        tell({ name, invalidated: call })
      } else {
        tell({ name, called: call })
        try {
          tell({ name, answered: call, found: (await cache.get({ scope: account, name })) ?? null })
        } catch (error) {
          if (!(error instanceof SecretStoreError) || error.code !== 'ERR_UNAVAILABLE') throw error
          tell({ name, unavailable: call })
        }
      }
      await new Promise((resolve) => setTimeout(resolve, randomInt(10)))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

// Imported for its types, this file does nothing. Started, it waits for its life: the parent keeps one in reserve.
if (process.send !== undefined && process.argv[2] === 'run') {
  process.once('message', (life) => void run(life as Life))
  process.once('disconnect', () => process.exit())
}
