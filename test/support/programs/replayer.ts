/**
 * Sets and deletes one name after the other through the Stripe-compatible app, in several lanes at once, and says how far
 * each has come, until it is killed.
 */
import { rawKey, SecretStore } from '../../../src/index'
import type { StripeApp } from '../../../src/stripe/index'
import { appOf, create, deleteWhere, type Reply } from '../stripe-requests'

export const LANES = 6

export interface Place {
  readonly run: number
  readonly lane: number
  /** Even ones set a name, odd ones delete it. */
  readonly request: number
}

/** A request with a key of its own. */
export function sendOne(app: StripeApp, { run, lane, request }: Place): Promise<Reply> {
  const name = `n-${run}-${lane}-${request >> 1}`
  const key = `key-${run}-${lane}-${request}`
  return request % 2 === 0 ? create(app, name, `payload ${name}`, key) : deleteWhere(app, name, key)
}

async function work(location: string, run: number): Promise<void> {
  const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(7)) })
  const app = appOf(store)
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    for (let request = 0; ; request++) {
      const { status } = await sendOne(app, { run, lane, request })
      if (status !== 200) throw new Error(`request ${request}: expected 200, got ${status}`)
      process.send?.({ run, lane, request } satisfies Place)
    }
  })
  await Promise.all(lanes)
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'replay') {
  await work(process.argv[3] as string, Number(process.argv[4]))
}
