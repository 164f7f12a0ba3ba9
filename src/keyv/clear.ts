import type { BatchOperation } from '../input/params'
import type { Scope } from '../model'
import type { SecretView } from '../view'

/** Bounds one durable write. */
const BATCH_SECRETS = 100

/** Deletes the secrets of a scope whose names begin with `prefix`, and no others. */
export async function clearScope(
  store: Pick<SecretView, 'list' | 'batch'>,
  scope: Scope,
  prefix: string,
): Promise<void> {
  let deletes: BatchOperation[] = []
  for await (const { name } of store.list({ scope })) {
    if (!name.startsWith(prefix)) continue
    deletes.push({ type: 'delete', scope, name })
    if (deletes.length < BATCH_SECRETS) continue
    await store.batch(deletes)
    deletes = []
  }
  if (deletes.length > 0) await store.batch(deletes)
}
