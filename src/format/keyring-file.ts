import { concat, fromBase64url, fromUtf8, toBase64url, utf8 } from '../base/bytes'
import { corrupt, SecretStoreError } from '../errors'
import {
  FEATURE,
  FORMAT_NAME,
  KEY_BYTES,
  KEYRING_DIGEST,
  KEYRING_FIELDS,
  KEYRING_VERSION,
  MAC_BYTES,
  MAX_DATA_KEYS,
  MAX_FORMER_ROOTS,
  MAX_KEYRING_BYTES,
  MAX_SLOTS,
  NAME_MODES,
  NONCE_BYTES,
  SLOT_ID_BYTES,
  STORE_ID_BYTES,
  TAG_BYTES,
} from './constants'
import { base64url, fields, integer, list } from './json'

/** How row keys are written: readable, or as keyed hashes. Chosen at creation. */
export type NameMode = (typeof NAME_MODES)[number]

/** What a key provider keeps in its slot: text (bytes as base64url) and integers. */
export type SlotParams = Readonly<Record<string, string | number>>

/** One way to the root key; to the store what a stanza is to an age file. */
export interface KeySlot {
  readonly id: Uint8Array
  /** Which sort of key provider made it and can open it. */
  readonly kind: string
  readonly label: string | null
  /** Unix seconds. */
  readonly created: number
  readonly params: SlotParams
}

/** A data key, sealed under the root key. */
export interface WrappedKey {
  readonly id: number
  /** Unix seconds. */
  readonly created: number
  readonly wrapped: Uint8Array
}

/** When a keyring.json replaced another one. */
export interface KeyringChange {
  /** How often that has happened; at least 1. */
  readonly generation: number
  /** The head's, at that moment: rows of an older state do not go with this file. */
  readonly sequence: number
}

/** What a keyring.json of version 3 holds besides: its root key is not the store's first. */
export interface KeyringLineage {
  /** The least id of a data key with a set hash key of its own; rows under lesser ones are summed under the index key. */
  readonly ownSums: number
  /** The lineage keys of the former roots, oldest first, sealed under the root key. */
  readonly sealed: Uint8Array
}

/** keyring.json (docs/format.md §3). The last data key seals what is written; all of them open what was. */
export interface KeyringFile {
  readonly storeId: Uint8Array
  /** Unix seconds. */
  readonly created: number
  readonly names: NameMode
  /** Absent in the file a store is created with. */
  readonly change?: KeyringChange
  /** Absent until the root key is replaced. */
  readonly lineage?: KeyringLineage
  readonly slots: readonly KeySlot[]
  readonly keys: readonly WrappedKey[]
  readonly indexKey: Uint8Array
}

/** A keyring file whose checksum is right and whose MAC is still to be checked, by whoever gets hold of the root key. */
export interface UnverifiedKeyringFile {
  readonly file: KeyringFile
  readonly macInput: Uint8Array
  readonly mac: Uint8Array
}

export type Digest = (bytes: Uint8Array) => Uint8Array

export const WRAPPED_KEY_BYTES: number = NONCE_BYTES + KEY_BYTES + TAG_BYTES

const { checksum: CHECKSUM_FIELD, mac: MAC_FIELD } = KEYRING_DIGEST
const TRAILER = new RegExp(`^([\\s\\S]+)${CHECKSUM_FIELD}([\\w-]{43})"${MAC_FIELD}([\\w-]{43})"\\n\\}\\n$`)

/**
 * Two digests close the file, each over every byte before the comma in front of its own field: a checksum anyone can
 * check, which tells damage from a wrong key, and the MAC, which only the root key can make.
 */
export function encodeKeyringFile(file: KeyringFile, sha256: Digest, mac: Digest): Uint8Array {
  const json = {
    format: FORMAT_NAME,
    version: KEYRING_VERSION[versionOf(file)],
    store: toBase64url(file.storeId),
    created: file.created,
    names: file.names,
    ...(file.change && { generation: file.change.generation, sequence: file.change.sequence }),
    ...(file.lineage && {
      features: [FEATURE.lineage],
      ownSums: file.lineage.ownSums,
      lineage: toBase64url(file.lineage.sealed),
    }),
    slots: file.slots.map(({ id, kind, label, created, params }) => {
      return { id: toBase64url(id), kind, label, created, params }
    }),
    keys: file.keys.map(({ id, created, wrapped }) => ({ id, created, wrapped: toBase64url(wrapped) })),
    indexKey: toBase64url(file.indexKey),
  }
  const body = utf8(JSON.stringify(json, null, 2).replace(/\n\}$/, ''))
  const checked = concat(body, utf8(`${CHECKSUM_FIELD}${toBase64url(sha256(body))}"`))
  const bytes = concat(checked, utf8(`${MAC_FIELD}${toBase64url(mac(checked))}"\n}\n`))
  if (bytes.length > MAX_KEYRING_BYTES) {
    throw new RangeError(`keyring.json: expected at most ${MAX_KEYRING_BYTES} bytes, got ${bytes.length}`)
  }
  return bytes
}

function versionOf({ change, lineage }: KeyringFile): keyof typeof KEYRING_VERSION {
  if (lineage !== undefined) return 'featured'
  return change === undefined ? 'created' : 'changed'
}

/** @throws {SecretStoreError} `ERR_CORRUPT`, `ERR_UNSUPPORTED_VERSION`. */
export function decodeKeyringFile(bytes: Uint8Array, sha256: Digest): UnverifiedKeyringFile {
  if (bytes.length > MAX_KEYRING_BYTES) {
    throw corrupt(`keyring.json: expected at most ${MAX_KEYRING_BYTES} bytes, got ${bytes.length}`)
  }
  let text: string
  try {
    text = fromUtf8(bytes)
  } catch (cause) {
    throw corrupt('keyring.json: expected UTF-8, got other bytes', cause)
  }
  const trailer = TRAILER.exec(text)
  if (trailer === null) throw unreadable(text)
  const [, body, checksum, mac] = trailer as unknown as [string, string, string, string]
  if (toBase64url(sha256(utf8(body))) !== checksum) {
    throw corrupt('keyring.json: expected the contents its checksum names, got others (the file is damaged)')
  }
  return {
    file: parseBody(`${body}}`),
    macInput: utf8(`${body}${CHECKSUM_FIELD}${checksum}"`),
    mac: base64url(mac, 'mac', MAC_BYTES),
  }
}

/** A later version may close its file in another way. */
function unreadable(text: string): SecretStoreError {
  try {
    const json = JSON.parse(text)
    if (json.format === FORMAT_NAME) checkVersion(json)
  } catch (error) {
    if (error instanceof SecretStoreError) return error
  }
  return corrupt('keyring.json: expected a checksum and a MAC at its end, got none')
}

function parseBody(text: string): KeyringFile {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw corrupt('keyring.json: expected JSON, got something else', cause)
  }
  const { format } = (json ?? {}) as { readonly format?: unknown }
  if (format !== FORMAT_NAME) throw corrupt(`format: expected '${FORMAT_NAME}', got something else`)
  const version = checkVersion(json)
  const root = fields(json, 'keyring.json', KEYRING_FIELDS[version])
  const names = NAME_MODES.find((mode) => mode === root['names'])
  if (names === undefined) throw corrupt("names: expected 'plain' or 'sealed', got another")
  const slots = list(root['slots'], 'slots', MAX_SLOTS).map(parseSlot)
  const keys = list(root['keys'], 'keys', MAX_DATA_KEYS).map(parseKey)
  if (new Set(slots.map(({ id }) => toBase64url(id))).size !== slots.length) {
    throw corrupt('keyring.json: expected different ids, got one twice')
  }
  if (keys.some((key, index) => key.id <= (keys[index - 1]?.id ?? 0))) {
    throw corrupt('keys: expected ascending ids, got others')
  }
  return {
    storeId: base64url(root['store'], 'store', STORE_ID_BYTES),
    created: integer(root['created'], 'created', 0),
    names,
    ...(version !== 'created' && {
      change: {
        generation: integer(root['generation'], 'generation', 1),
        sequence: integer(root['sequence'], 'sequence', 0),
      },
    }),
    ...(version === 'featured' && {
      lineage: {
        ownSums: integer(root['ownSums'], 'ownSums', 2, 0xffff_ffff),
        sealed: sealedLineage(root['lineage']),
      },
    }),
    slots,
    keys,
    indexKey: base64url(root['indexKey'], 'indexKey', WRAPPED_KEY_BYTES),
  }
}

/**
 * The version, of which every reader must know the features.
 *
 * @throws {SecretStoreError} `ERR_UNSUPPORTED_VERSION`, `ERR_CORRUPT`.
 */
function checkVersion(json: unknown): keyof typeof KEYRING_VERSION {
  const { version, features } = (json ?? {}) as { readonly version?: unknown; readonly features?: unknown }
  if (!Number.isSafeInteger(version)) throw corrupt('version: expected an integer, got something else')
  const names = Object.keys(KEYRING_VERSION) as (keyof typeof KEYRING_VERSION)[]
  const name = names.find((one) => KEYRING_VERSION[one] === version)
  if (name === undefined) throw unsupported(`format version 1, 2 or 3, got ${version}`)
  if (name === 'featured') checkFeatures(features)
  return name
}

function checkFeatures(features: unknown): void {
  if (!Array.isArray(features) || !features.every((one) => typeof one === 'string' && /^[a-z-]{1,32}$/.test(one))) {
    throw corrupt('features: expected a list of names, got something else')
  }
  const unknown = features.find((one) => one !== FEATURE.lineage)
  if (unknown !== undefined) throw unsupported(`known features, got '${unknown}'`)
  if (features.length !== 1) throw corrupt(`features: expected '${FEATURE.lineage}' once, got another list`)
}

function unsupported(expectation: string): SecretStoreError {
  return new SecretStoreError('ERR_UNSUPPORTED_VERSION', `keyring.json: expected ${expectation}`)
}

/** Some keys, between a nonce and a tag. */
function sealedLineage(json: unknown): Uint8Array {
  const bytes = typeof json === 'string' ? fromBase64url(json) : undefined
  const count = ((bytes?.length ?? 0) - NONCE_BYTES - TAG_BYTES) / KEY_BYTES
  if (bytes !== undefined && Number.isInteger(count) && count >= 1 && count <= MAX_FORMER_ROOTS) return bytes
  throw corrupt(`lineage: expected 1 to ${MAX_FORMER_ROOTS} sealed keys in base64url, got something else`)
}

function parseSlot(json: unknown): KeySlot {
  const slot = fields(json, 'slot', KEYRING_FIELDS.slot)
  const { kind, label, params } = slot
  if (typeof kind !== 'string' || !/^[a-z][a-z0-9-]{0,63}$/.test(kind)) {
    throw corrupt('slot kind: expected lower-case letters, digits and -, got something else')
  }
  if (label !== null && typeof label !== 'string') throw corrupt('slot label: expected text or null, got neither')
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw corrupt('slot params: expected an object, got something else')
  }
  for (const value of Object.values(params)) {
    if (typeof value !== 'string' && !Number.isSafeInteger(value)) {
      throw corrupt('slot params: expected text and integers, got something else')
    }
  }
  return {
    id: base64url(slot['id'], 'slot id', SLOT_ID_BYTES),
    kind,
    label,
    created: integer(slot['created'], 'slot created', 0),
    params: params as SlotParams,
  }
}

function parseKey(json: unknown): WrappedKey {
  const key = fields(json, 'key', KEYRING_FIELDS.key)
  return {
    id: integer(key['id'], 'key id', 1, 0xffff_ffff),
    created: integer(key['created'], 'key created', 0),
    wrapped: base64url(key['wrapped'], 'key wrapped', WRAPPED_KEY_BYTES),
  }
}
