import { ByteWriter } from '../base/byte-codec'
import { equal, equalConstantTime } from '../base/bytes'
import type { Keyring } from '../crypto/keyring'
import { SecretStoreError } from '../errors'
import {
  type Checkpoint,
  checkpointMacInput,
  encodeCheckpoint,
  type FormerCheckpoint,
  type RootedCheckpoint,
} from '../format/checkpoint'
import { LABEL, TOKEN_VERSION } from '../format/constants'
import { encodeSetHash, type Head } from '../format/head'

/** A token for the state that a head is of. */
export function checkpointToken(keyring: Keyring, head: Head): string {
  const { storeId, rootId } = keyring
  const { sequence } = head
  const state = stateOf(keyring, rootId, head) as Uint8Array
  const input = checkpointMacInput({ storeId, rootId, generation: generationOf(head), sequence, state })
  return encodeCheckpoint(input, keyring.rootMac(rootId, LABEL.token, input) as Uint8Array)
}

/**
 * Whether this store has made a token, under its present root key or a former one. Of a token of version 1 that can be
 * told only by its store.
 */
export function isOwn(checkpoint: Checkpoint, keyring: Keyring): boolean {
  if (!equal(checkpoint.storeId, keyring.storeId)) return false
  if (checkpoint.version === TOKEN_VERSION.former) return keyring.file.lineage === undefined
  const mac = keyring.rootMac(checkpoint.rootId, LABEL.token, checkpoint.macInput)
  return mac !== undefined && equalConstantTime(mac, checkpoint.mac)
}

/**
 * Holds a state against a checkpoint. A greater sequence number alone is worth nothing: the state must be under the root
 * key that the checkpoint names, or under one that replaced it.
 *
 * @throws {SecretStoreError} `ERR_ROLLBACK`.
 */
export function checkNotOlder(checkpoint: Checkpoint, keyring: Keyring, head: Head): void {
  if (!equal(checkpoint.storeId, keyring.storeId)) throw older('another store')
  if (checkpoint.version === TOKEN_VERSION.former) checkFormer(checkpoint, keyring, head)
  else checkRooted(checkpoint, keyring, head)
}

function checkRooted(checkpoint: RootedCheckpoint, keyring: Keyring, head: Head): void {
  const state = stateOf(keyring, checkpoint.rootId, head)
  if (state === undefined) throw older('one under a root key that did not replace the one the checkpoint names')
  if (!isOwn(checkpoint, keyring)) throw older('a checkpoint that this store has not made')
  const generation = generationOf(head)
  if (generation < checkpoint.generation) {
    throw older(`generation ${generation} of keyring.json of at least ${checkpoint.generation}`)
  }
  checkSequence(checkpoint, head, state, checkpoint.state)
}

/** The rule of 0.7, which a former holder of the root key gets round: it is good until the root key is replaced. */
function checkFormer(checkpoint: FormerCheckpoint, keyring: Keyring, head: Head): void {
  if (keyring.file.lineage !== undefined) {
    throw older('a checkpoint from before the root key was replaced (accept the state once, and keep a new checkpoint)')
  }
  checkSequence(checkpoint, head, keyring.checkpointMac(head), checkpoint.mac)
}

function checkSequence({ sequence }: Checkpoint, head: Head, state: Uint8Array, expected: Uint8Array): void {
  if (head.sequence < sequence) throw older(`write ${head.sequence} of at least ${sequence}`)
  if (head.sequence === sequence && !equal(state, expected)) throw older('other contents at the same write')
}

/** A MAC of a head under a root. @returns `undefined` if the keyring does not descend from the root. */
function stateOf(keyring: Keyring, rootId: Uint8Array, { sequence, count, setHash }: Head): Uint8Array | undefined {
  const bytes = new ByteWriter().u64(sequence).u64(count).raw(encodeSetHash(setHash)).bytes()
  return keyring.rootMac(rootId, LABEL.tokenState, bytes)
}

function generationOf({ keyring }: Head): number {
  return keyring?.generation ?? 0
}

function older(got: string): SecretStoreError {
  return new SecretStoreError('ERR_ROLLBACK', `store: expected a state not older than the checkpoint, got ${got}`)
}
