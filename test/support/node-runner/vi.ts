import { setTimeout as pause } from 'node:timers/promises'
import { fn, spyOn } from '@vitest/spy'

const WAIT_MS = 1000
const INTERVAL_MS = 50

interface Fake {
  readonly work: () => void
  readonly everyMs: number
  dueMs: number
}

const real = { setInterval: globalThis.setInterval, clearInterval: globalThis.clearInterval }
const fakes = new Set<Fake>()
let nowMs = 0

/** Intervals alone: of no other timer of the tests of behaviour does time stand still. */
function useFakeTimers(options?: { readonly toFake?: readonly string[] }): void {
  const faked = options?.toFake?.toSorted().join(' ')
  if (faked !== 'clearInterval setInterval') {
    throw new Error(`useFakeTimers: expected toFake of setInterval and clearInterval, got ${faked}`)
  }
  nowMs = 0
  const setInterval = (work: () => void, everyMs = 1): Fake => {
    const fake = { work, everyMs: Math.max(1, everyMs), dueMs: nowMs + Math.max(1, everyMs) }
    fakes.add(fake)
    return fake
  }
  const clearInterval = (fake: Fake): void => {
    fakes.delete(fake)
  }
  Object.assign(globalThis, { setInterval, clearInterval })
}

function useRealTimers(): void {
  Object.assign(globalThis, real)
  fakes.clear()
}

async function advanceTimersByTimeAsync(ms: number): Promise<void> {
  const endMs = nowMs + ms
  for (;;) {
    await turnOfLoop()
    const next = [...fakes].filter(({ dueMs }) => dueMs <= endMs).toSorted((a, b) => a.dueMs - b.dueMs)[0]
    if (next === undefined) break
    nowMs = next.dueMs
    next.dueMs += next.everyMs
    next.work()
  }
  nowMs = endMs
}

/** Not that of support/waiting, which is built on this. */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function waitFor<T>(
  work: () => T | Promise<T>,
  { timeout = WAIT_MS, interval = INTERVAL_MS }: { readonly timeout?: number; readonly interval?: number } = {},
): Promise<T> {
  const end = Date.now() + timeout
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() >= end) throw error
    }
    await pause(interval)
  }
}

/** Of vitest's `vi`, what the tests of behaviour use. */
export const vi: {
  readonly fn: typeof fn
  readonly spyOn: typeof spyOn
  readonly waitFor: typeof waitFor
  readonly useFakeTimers: typeof useFakeTimers
  readonly useRealTimers: typeof useRealTimers
  readonly advanceTimersByTimeAsync: typeof advanceTimersByTimeAsync
} = { fn, spyOn, waitFor, useFakeTimers, useRealTimers, advanceTimersByTimeAsync }
