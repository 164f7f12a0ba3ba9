/** Every number and label that is on disk: the code twin of docs/format.md. A change here is a change of the format. */

export const FORMAT_VERSION = 1

/** keyring.json as it was created, and one that has replaced another. */
export const KEYRING_VERSION = { created: 1, changed: 2 } as const

export const STORE_ID_BYTES = 16
export const KEY_BYTES = 32
export const NONCE_BYTES = 24
export const TAG_BYTES = 16
export const MAC_BYTES = 32
export const SLOT_ID_BYTES = 8
export const SALT_BYTES = 16

/** version ‖ key id ‖ nonce */
export const ENVELOPE_HEADER_BYTES: number = 1 + 4 + NONCE_BYTES

/** Payloads up to this many bytes are stored in the record's own row (docs/choices.md). */
export const INLINE_PAYLOAD_BYTES = 1024

/** The `info` of HKDF-SHA256 is label ‖ 0x00 ‖ context. */
export const LABEL = {
  slotCommitment: 'secret-store/v1/slot-commitment',
  slotWrap: 'secret-store/v1/slot-wrap',
  keyWrap: 'secret-store/v1/key-wrap',
  keyringMac: 'secret-store/v1/keyring-mac',
  master: 'secret-store/v1/master',
  setHash: 'secret-store/v1/set-hash',
  checkpoint: 'secret-store/v1/checkpoint',
  names: 'secret-store/v1/names',
  request: 'secret-store/v1/request',
  backup: 'secret-store/v1/backup',
} as const

/** The first byte of a row key. */
export const ROW = {
  head: 0x68, // h
  id: 0x69, // i
  payload: 0x70, // p
  record: 0x72, // r
  expiry: 0x78, // x
} as const

export const KEYRING_FILE = 'keyring.json'
/** Where a new keyring.json is written before it gets its name. */
export const STAGED_KEYRING_FILE = 'keyring.json.new'
export const DATA_DIRECTORY = 'data'
export const MAX_KEYRING_BYTES: number = 256 * 1024
export const MAX_SLOTS = 32
export const MAX_DATA_KEYS = 1024
/** What the slots of one kind may ask for together, in default passphrases: as much as the most that one slot may. */
export const MAX_UNLOCK_WORK = 128

/** The kind of the one slot of a store in memory; its key was never kept. */
export const MEMORY_KIND = 'memory'

/** The wrapped index key's place in the associated data, where a data key has its id (ids start at 1). */
export const INDEX_KEY_ID = 0

export const ID_PREFIX = 'appsecret_'
export const ID_RANDOM_CHARACTERS = 24

/** scrypt (RFC 7914): what a stored slot may ask for, checked before any work is done. */
export const SCRYPT = {
  default: { N: 131_072, r: 8, p: 1 },
  floor: { N: 16_384, r: 8, p: 1 },
  ceiling: { N: 1_048_576, r: 16, p: 16 },
  /** 128·N·r */
  maxMemoryBytes: 1_073_741_824,
} as const

/** Argon2id (RFC 9106), `m` in KiB. One lane: JavaScript has one thread, and libsodium supports no other. */
export const ARGON2ID = {
  default: { m: 65_536, t: 3, p: 1 },
  floor: { m: 19_456, t: 2, p: 1 },
  ceiling: { m: 1_048_576, t: 16, p: 1 },
} as const

/** 21 bytes: 168 random bits, 34 characters of bech32m and 6 of checksum (BIP 350). */
export const RECOVERY_CODE = { bytes: 21, characters: 40, prefix: 'secretstore', groupCharacters: 5 } as const

/** A backup begins with these bytes and its version. */
export const BACKUP_MAGIC = 'secret-store backup\n'
export const BACKUP_VERSION = 1
export const BACKUP_NONCE_BYTES = 32

/** STREAM: plaintext bytes of every chunk but the last, and the bytes of a nonce before its last-chunk flag. */
export const CHUNK_BYTES = 65_536
export const CHUNK_COUNTER_BYTES = 11

/** The first byte of an entry of a backup. */
export const ENTRY = { put: 1, delete: 2, head: 3 } as const
