import { account } from 'app-secret-store'
import { describe, expect, test } from '../support/runner'
import { openOver, readsAtOnce } from '../support/stores'

describe.each(['LevelDB', 'memory'] as const)('the verbs over %s', (engine) => {
  test.each([12, 5000])(
    'bytes of length %i come back through getBytes, and every text read names it',
    async (length) => {
      const store = await openOver(engine)
      const target = { scope: account, name: 'key' }
      const payload = Uint8Array.from({ length }, (_, index) => index % 256)
      await store.set({ ...target, payload })
      expect(await store.getBytes(target)).toEqual(payload)
      const refusal = /expected text, got bytes \(read them with getBytes\)/
      await expect(store.get(target)).rejects.toThrow(refusal)
      await expect(store.find({ ...target, expand: ['payload'] })).rejects.toThrow(TypeError)
      if (readsAtOnce) expect(() => store.getSync(target)).toThrow(refusal)
      await expect(store.list({ scope: account, expand: ['data.payload'] })).rejects.toThrow(refusal)
      await expect(store.delete({ ...target, expand: ['payload'] })).rejects.toThrow(refusal)
      await expect(store.set({ ...target, payload, expand: ['payload'] })).rejects.toThrow(refusal)
      expect(await store.getBytes(target)).toEqual(payload)
    },
  )
})
