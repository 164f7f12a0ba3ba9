import { concat, equalConstantTime, unmoved } from '../base/bytes'
import { corrupt } from '../errors'
import { KEY_BYTES, LABEL, type Label, MAX_FORMER_ROOTS } from '../format/constants'
import type { KeyringFile } from '../format/keyring-file'
import { derive, mac } from './derive'
import type { Random } from './random'
import { open, seal } from './seal'

/**
 * The roots that a store has had, each by a key of its own (docs/format.md §3.8). Nobody knows the lineage key of a root
 * but those who held that root, and nobody but a holder of the present root can seal the list of former ones. So a
 * keyring that lists a root descends from it.
 */
export class Lineage {
  readonly #storeId: Uint8Array
  /** Oldest first, the present root last. */
  readonly #roots: readonly Root[]

  /**
   * @param rootKey - 32 bytes.
   * @throws {SecretStoreError} `ERR_CORRUPT` if the list in the file is not sealed under the root key.
   */
  constructor({ storeId, lineage }: Pick<KeyringFile, 'storeId' | 'lineage'>, rootKey: Uint8Array) {
    this.#storeId = storeId
    const former = lineage === undefined ? [] : openFormer(lineage.sealed, rootKey, storeId)
    this.#roots = [...former, derive(rootKey, LABEL.lineage, storeId)].map((key) => ({ key, derived: new Map() }))
  }

  /** Names the present root, and tells nothing of it. 32 bytes. */
  get rootId(): Uint8Array {
    return this.#derived(this.#roots.at(-1) as Root, LABEL.rootId)
  }

  /**
   * A MAC under a key of one root, the present or a former one.
   *
   * @param rootId - 32 bytes.
   * @param label - Of what it is made.
   * @returns 32 bytes, or `undefined` if no root of this lineage has the id.
   */
  mac(rootId: Uint8Array, label: Label, bytes: Uint8Array): Uint8Array | undefined {
    const root = this.#named(rootId)
    return root && mac(this.#derived(root, label), bytes)
  }

  /** @param rootId - 32 bytes. */
  has(rootId: Uint8Array): boolean {
    return this.#named(rootId) !== undefined
  }

  /** The same roots as former ones, for the keyring of the next. 72 bytes and more. */
  sealUnder(nextRootKey: Uint8Array, random: Random): Uint8Array {
    const wrappingKey = derive(nextRootKey, LABEL.lineageWrap, this.#storeId)
    const former = concat(...this.#roots.slice(-MAX_FORMER_ROOTS).map(({ key }) => key))
    const sealed = seal(wrappingKey, former, this.#storeId, random)
    for (const key of [wrappingKey, former]) key.fill(0)
    return sealed
  }

  wipe(): void {
    for (const { key, derived } of this.#roots) for (const one of [key, ...derived.values()]) one.fill(0)
  }

  #named(rootId: Uint8Array): Root | undefined {
    return this.#roots.findLast((one) => equalConstantTime(this.#derived(one, LABEL.rootId), rootId))
  }

  /** Derived once: a token is made beside each commit. */
  #derived({ key, derived }: Root, label: Label): Uint8Array {
    const known = derived.get(label)
    if (known !== undefined) return known
    const made = derive(key, label, this.#storeId)
    derived.set(label, made)
    return made
  }
}

interface Root {
  /** The lineage key. */
  readonly key: Uint8Array
  readonly derived: Map<Label, Uint8Array>
}

function openFormer(sealed: Uint8Array, rootKey: Uint8Array, storeId: Uint8Array): Uint8Array[] {
  const wrappingKey = derive(rootKey, LABEL.lineageWrap, storeId)
  const former = open(wrappingKey, sealed, storeId)
  wrappingKey.fill(0)
  if (former === undefined) throw corrupt('lineage: expected former roots under the root key, got other bytes')
  const keys: Uint8Array[] = []
  for (let at = 0; at < former.length; at += KEY_BYTES) keys.push(unmoved(former.slice(at, at + KEY_BYTES)))
  former.fill(0)
  return keys
}
