import { account, type Progress, type SecretStore } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { stores } from '../support/stores'

async function filled(count: number): Promise<SecretStore> {
  const store = stores.memory()
  await store.batch(
    Array.from({ length: count }, (_, n) => ({ type: 'set', scope: account, name: `${n}`, payload: 'p' }) as const),
  )
  return store
}

describe('verify', () => {
  test('tells how far it has come, from nothing to everything', async () => {
    const seen: Progress[] = []
    const store = await filled(350)
    expect(await store.verify({ onProgress: (progress) => seen.push(progress) })).toEqual({
      ok: true,
      records: 350,
      problems: [],
    })
    expect(seen.map(({ done }) => done)).toEqual([0, 64, 128, 192, 256, 320, 350])
    expect(seen.every(({ total }) => total === 350)).toBe(true)
  })

  test('ends when it is aborted, before and in the middle, with the reason, and the store goes on', async () => {
    const store = await filled(350)
    await expect(store.verify({ signal: AbortSignal.abort('early') })).rejects.toBe('early')
    const abort = new AbortController()
    const stop = ({ done }: Progress): void => {
      if (done === 192) abort.abort('enough')
    }
    await expect(store.verify({ signal: abort.signal, onProgress: stop })).rejects.toBe('enough')
    await store.set({ scope: account, name: 'later', payload: 'p' })
    expect((await store.verify()).records).toBe(351)
  })

  test('ends with what onProgress throws', async () => {
    const failing = (): never => {
      throw new Error('of the listener')
    }
    await expect((await filled(1)).verify({ onProgress: failing })).rejects.toThrow('of the listener')
  })

  test('refuses what is no option', async () => {
    const store = stores.memory()
    await expect(store.verify({ progress: 1 } as never)).rejects.toThrow(
      "verify: expected only onProgress, signal, got 'progress'",
    )
  })
})
