/** The CommonJS and the ES module copy of the library in one program, and what `instanceof` says of each in the other. */
import assert from 'node:assert'
import { createRequire } from 'node:module'
import * as esm from 'app-secret-store'

const cjs = createRequire(import.meta.url)('app-secret-store')
assert.notStrictEqual(cjs.SecretStore, esm.SecretStore)

for (const [own, other] of [
  [esm, cjs],
  [cjs, esm],
]) {
  const store = own.SecretStore.memory()
  const error = await store
    .view({ user: 'usr_1' })
    .find({ scope: own.user('usr_2'), name: 'n' })
    .catch((caught) => caught)
  assert.strictEqual(error.code, 'ERR_ACCESS_DENIED')
  assert.ok(error instanceof own.SecretStoreError)
  assert.ok(error instanceof other.SecretStoreError)
  assert.ok(!(new Error('other') instanceof own.SecretStoreError))
  // docs/errors.md: a store is of the class of its own copy.
  assert.ok(store instanceof own.SecretStore)
  assert.ok(!(store instanceof other.SecretStore))
  await store.close()
}
console.log('both copies know the errors of the other')
