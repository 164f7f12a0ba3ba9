import { account, type SetParams, user } from 'app-secret-store'

/** Folders below the working directory, in which Node leaves a store and its backup for the other runtime, and this back. */
export const FROM_NODE = 'from-node'
export const TO_NODE = 'to-node'

export const EXCHANGED: readonly (SetParams & { readonly payload: string })[] = [
  { scope: account, name: 'short', payload: 'p' },
  { scope: account, name: 'large', payload: 'p'.repeat(50_000) },
  { scope: user('usr_1'), name: 'caf\u00e9 \u{1f600} | \\ /', payload: '\u{1f511}', expires_at: 4_102_444_800 },
  ...Array.from({ length: 200 }, (_, n) => ({ scope: user(`usr_${n % 7}`), name: `many-${n}`, payload: `${n}` })),
]
