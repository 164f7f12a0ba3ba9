import { account } from 'app-secret-store'
import { expect, test } from 'vitest'
import { EMPTY_HEAD } from '../../../src/format/head'
import { OpenStore } from '../../../src/opening/open-store'
import { AmongOthers } from '../../../src/storage/commit/among-others'
import { openHead, sealHead } from '../../../src/storage/head'
import { HEAD_ROW } from '../../../src/storage/keyspace'
import { storeParts } from '../../../src/storage/store-parts'
import { Reach } from '../../../src/verbs/reach'
import { SecretView } from '../../../src/view'
import { writeTo } from '../../support/engine-writes'
import { newKeyring } from '../../support/records'
import { Medium } from '../../support/shared-medium'

let now = 1000

/** What one process has of the store of a medium. */
async function viewOf(medium: Medium): Promise<SecretView> {
  const [engine, keyring] = [medium.writer(), newKeyring()]
  await engine.open()
  const headValue = (await engine.get(HEAD_ROW)) as Uint8Array
  const found = { head: openHead(keyring, headValue), headValue }
  const parts = storeParts(engine, keyring, found, 1e6, (writing) => new AmongOthers(writing, engine))
  const store = new OpenStore(
    { ...parts, keyringStorage: { location: undefined, bytes: new Uint8Array() }, release: () => {} },
    {
      ...{ nowSeconds: () => now, maxPayloadBytes: 1e6, indexBytes: 1e6, sodium: false },
      ...{ sweepIntervalMs: 0, compactIntervalMs: 0, onError: () => {} },
    },
  )
  return new SecretView(store, new Reach({ account: undefined, livemode: false }))
}

test.each([
  ['small', 'new'],
  ['large', 'y'.repeat(6000)],
])('a %s secret that has expired here, and that another process has set anew, is read anew', async (_, payload) => {
  const medium = new Medium()
  await writeTo(medium.rows, [{ type: 'put', ...sealHead(newKeyring(), EMPTY_HEAD) }], medium.rows.getSync(HEAD_ROW))
  const [owner, follower] = [await viewOf(medium), await viewOf(medium)]
  const target = { scope: account, name: 'token' }
  now = 1000
  await owner.set({ ...target, payload: payload.replace(/./g, 'x'), expires_at: 1010 })
  expect(await follower.get(target)).toBe(payload.replace(/./g, 'x'))
  expect(await follower.find(target)).toMatchObject({ expires_at: 1010 })
  now = 1011
  // The follower hears of nothing, but is answered.
  for (const link of medium.links) link.holds.toFollower = true
  const writing = owner.set({ ...target, payload })
  await writing
  const reads = [
    follower.get(target),
    follower.find(target),
    follower.list({ scope: account, expand: ['data.payload'] }),
  ]
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  for (const link of medium.links) link.letGo()
  const [text, secret, page] = await Promise.all(reads)
  expect(text).toBe(payload)
  expect(secret).toMatchObject({ expires_at: null })
  expect(page).toMatchObject({ data: [{ payload }] })
})
