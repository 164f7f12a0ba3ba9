import { account, SecretStoreError, type SecretStoreErrorCode } from 'app-secret-store'
import { expect, test, vi } from 'vitest'
import type { StoreContext } from '../../../src/context'
import { partsOf } from '../../../src/view'
import { codeOf, memoryStore } from '../../support/stores'

/** What a read fails with where the process that holds the files ends, hangs, or has other keys. */
const NO_DAMAGE: readonly SecretStoreErrorCode[] = ['ERR_BUSY', 'ERR_LOCKED', 'ERR_ROLLBACK', 'ERR_WRONG_KEY', 'ERR_IO']
const READS = ['get', 'scan', 'scanKeys'] as const

test.each(NO_DAMAGE.flatMap((code) => READS.map((read) => [code, read] as const)))(
  'verify rejects with %s where a %s fails with it, and calls nothing damaged',
  async (code, read) => {
    const store = memoryStore()
    for (const name of ['a', 'b']) await store.set({ scope: account, name, payload: 'p'.repeat(3000) })
    const context = partsOf(store)?.context as StoreContext
    const { engine } = context
    const real = engine[read].bind(engine) as (...given: unknown[]) => unknown
    let calls = 0
    let failing = Number.POSITIVE_INFINITY
    vi.spyOn(engine, read).mockImplementation(((...given: unknown[]) => {
      if (calls++ !== failing) return real(...given)
      return Promise.reject(new SecretStoreError(code, 'read: expected an answer, got none'))
    }) as never)
    expect(await store.verify()).toEqual({ ok: true, records: 2, problems: [] })
    const all = calls
    expect(all).toBeGreaterThan(0)
    for (failing = 0; failing < all; failing++) {
      calls = 0
      expect([failing, await codeOf(() => store.verify())]).toEqual([failing, code])
    }
  },
)
