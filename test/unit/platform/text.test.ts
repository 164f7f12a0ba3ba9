import { expect, test, vi } from 'vitest'
import { loadWithEncoders } from '../../../src/platform/text'

test('a module has encoders while it is loaded, and the context has none after it', async () => {
  vi.stubGlobal('TextEncoder', undefined)
  Reflect.deleteProperty(globalThis, 'TextEncoder')
  try {
    expect(await loadWithEncoders(async () => new TextEncoder().encode('a')[0])).toBe(97)
    expect('TextEncoder' in globalThis).toBe(false)
    await expect(loadWithEncoders(() => Promise.reject(new Error('not loaded')))).rejects.toThrow('not loaded')
    expect('TextEncoder' in globalThis).toBe(false)
  } finally {
    vi.unstubAllGlobals()
  }
})

test('encoders of the context itself are left alone', async () => {
  const own = globalThis.TextEncoder
  expect(await loadWithEncoders(async () => globalThis.TextEncoder)).toBe(own)
  expect(globalThis.TextEncoder).toBe(own)
})
