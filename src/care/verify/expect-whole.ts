import type { StoreContext } from '../../context'
import { corrupt } from '../../errors'
import { verify } from './verify'

/**
 * Verifies a store that was opened just now.
 *
 * @param passedOver - How many bytes of its files LevelDB says it has passed over.
 * @throws {SecretStoreError} `ERR_CORRUPT`; the store is closed then.
 */
export async function expectWhole(store: StoreContext & { close(): Promise<void> }, passedOver: number): Promise<void> {
  try {
    const { problems } = await verify(store)
    const [first] = problems
    if (first !== undefined) throw corrupt(`store: expected a whole one, got one in which ${first.message}`, problems)
  } catch (error) {
    await store.close()
    throw error
  }
  if (passedOver === 0) return
  const passed = `data: expected whole files, got ones of which LevelDB has passed over ${passedOver} bytes`
  store.report(corrupt(`${passed}; what is left is whole, but may be older than it was`))
}
