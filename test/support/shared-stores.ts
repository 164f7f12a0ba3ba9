import { createKeyringFile } from '../../src/crypto/data-keys'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import { systemRandom } from '../../src/crypto/random'
import { newSlotId, wrapRootKey } from '../../src/crypto/slot'
import { EMPTY_HEAD } from '../../src/format/head'
import { OpenStore } from '../../src/opening/open-store'
import { AmongOthers } from '../../src/storage/commit/among-others'
import { openHead, sealHead } from '../../src/storage/head'
import { HEAD_ROW } from '../../src/storage/keyspace'
import type { SharedEngine } from '../../src/storage/sharing/shared-engine'
import { storeParts } from '../../src/storage/store-parts'
import { Reach } from '../../src/verbs/reach'
import { SecretView } from '../../src/view'
import { rootKey } from './records'
import { Medium } from './shared-medium'

/** A store of one of several writers, above its engine. */
export interface SharedStore {
  readonly engine: SharedEngine
  readonly store: OpenStore
  readonly view: SecretView
}

const storeId = new Uint8Array(16)
const id = newSlotId(systemRandom)
const params = wrapRootKey(new Uint8Array(32).fill(7), rootKey, { storeId, slotId: id, kind: 'raw-key' }, systemRandom)
const slots = [{ id, kind: 'raw-key', label: null, created: 0, params }] as const
const file = createKeyringFile(rootKey, { storeId, created: 0, names: 'plain', slots }, systemRandom)

/** Files with an empty store in them, whose keyring.json has a slot. */
export async function storesMedium(): Promise<Medium> {
  const medium = new Medium()
  const head = sealHead(new Keyring(file, rootKey, systemRandom), EMPTY_HEAD)
  const batch = medium.rows.batch()
  batch.put(head.key, head.value)
  await batch.write(medium.rows.getSync(HEAD_ROW))
  return medium
}

/** The store as one more process opens it. */
export async function openShared(medium: Medium): Promise<SharedStore> {
  const keyring = new Keyring(file, rootKey, systemRandom)
  const keyringStorage = { location: undefined, bytes: sealKeyringFile(file, rootKey) }
  const engine = medium.writer(async () => {
    const bytes = medium.rows.keyring
    if (bytes === undefined) return
    keyring.adopt(verifyKeyringFile(readKeyringFile(bytes), rootKey), rootKey)
    keyringStorage.bytes = bytes
  })
  await engine.open()
  const headValue = (await engine.get(HEAD_ROW)) as Uint8Array
  const found = { head: openHead(keyring, headValue), headValue }
  const parts = storeParts(engine, keyring, found, 1e6, (writing) => new AmongOthers(writing, engine))
  const settings = {
    nowSeconds: () => 1000,
    maxPayloadBytes: 1e6,
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
    indexBytes: 1e6,
    sodium: true,
    onError: (error: unknown) => {
      throw error
    },
  }
  const store = new OpenStore({ ...parts, keyringStorage, release: () => {} }, settings)
  return { engine, store, view: new SecretView(store, new Reach({ account: undefined, livemode: false })) }
}
