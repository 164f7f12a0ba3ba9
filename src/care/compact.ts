import { equal } from '../base/bytes'
import type { StoreContext } from '../context'
import { SecretStoreError } from '../errors'
import { HEAD_ROW } from '../storage/keyspace'

/** Makes deleted and replaced bytes leave the medium, with no write under way. */
export async function compact({ engine, queue }: StoreContext): Promise<void> {
  await queue.exclusive(async () => {
    try {
      await engine.erase()
      const headValue = await engine.get(HEAD_ROW)
      if (headValue === undefined || !equal(headValue, queue.headValue)) {
        throw new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got a write by another')
      }
    } catch (cause) {
      throw queue.fail(cause)
    }
    const { head } = queue
    if (head.superseded > 0) await queue.commitHead({ ...head, sequence: head.sequence + 1, superseded: 0 })
  })
}
