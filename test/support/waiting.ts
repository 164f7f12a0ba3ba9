import { vi } from 'vitest'

/** So long that only what hangs takes it: a thousand times what anything here takes. */
export const HANGS_MS = 120_000

/** One turn of the event loop: everything that can happen without time passing has happened. */
export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits until `work` throws no more, however slow the machine is. @returns What it returned then. */
export function eventually<T>(work: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(work, { timeout: HANGS_MS, interval: 5 })
}

/** Something to wait for, until it is let go on. */
export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function newGate(): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
