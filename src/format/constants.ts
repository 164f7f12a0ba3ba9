/**
 * Every number and label on disk: the code twin of docs/format.md. A change here is a change of the format. The params
 * of a slot are in the provider of its kind, and an entry of a cache in src/cache/entry.ts.
 */

export const FORMAT_VERSION = 1

/** keyring.json as it was created, one that has replaced another, and one whose reader must know features. */
export const KEYRING_VERSION = { created: 1, changed: 2, featured: 3 } as const

/** A checkpoint of 0.7, and one that names the root key. */
export const TOKEN_VERSION = { former: 1, rooted: 2 } as const

/** What a reader must know to read a store of version 3 (docs/format.md §12). */
export const FEATURE = {
  /** The root key was replaced: the keyring knows its former roots, and data keys have set hash keys of their own. */
  lineage: 'lineage',
} as const

/** The value of the field `format` of keyring.json. */
export const FORMAT_NAME = 'secret-store'

/** The values of the field `names` of keyring.json. */
export const NAME_MODES = ['plain', 'sealed'] as const

/** The fields of keyring.json, in order. Two digests close the file. */
export const KEYRING_FIELDS = {
  created: ['format', 'version', 'store', 'created', 'names', 'slots', 'keys', 'indexKey'],
  changed: ['format', 'version', 'store', 'created', 'names', 'generation', 'sequence', 'slots', 'keys', 'indexKey'],
  featured: [
    'format',
    'version',
    'store',
    'created',
    'names',
    'generation',
    'sequence',
    'features',
    'ownSums',
    'lineage',
    'slots',
    'keys',
    'indexKey',
  ],
  slot: ['id', 'kind', 'label', 'created', 'params'],
  key: ['id', 'created', 'wrapped'],
} as const

/** What stands before the base64url of each of the two digests. */
export const KEYRING_DIGEST = { checksum: ',\n  "sha256": "', mac: ',\n  "mac": "' } as const

/** The kinds of slots. Key providers of an app have kinds of their own. */
export const SLOT_KIND = {
  passphrase: 'passphrase',
  rawKey: 'raw-key',
  recoveryCode: 'recovery-code',
  safeStorage: 'safe-storage',
  osKeyring: 'os-keyring',
  /** The one slot of a store in memory; its key was never kept. */
  memory: 'memory',
} as const

export const STORE_ID_BYTES = 16
export const KEY_BYTES = 32
export const NONCE_BYTES = 24
export const TAG_BYTES = 16
export const MAC_BYTES = 32
export const SET_HASH_BYTES = 32
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
  lineage: 'secret-store/v3/root-lineage',
  lineageWrap: 'secret-store/v3/wrap-lineage',
  rootId: 'secret-store/v3/root-id',
  token: 'secret-store/v3/token-mac',
  tokenState: 'secret-store/v3/token-state',
  ownSum: 'secret-store/v3/set-hash',
  channel: 'secret-store/v1/channel',
  channelOwner: 'secret-store/v1/frames-owner',
  channelFollower: 'secret-store/v1/frames-follower',
} as const

/** Between processes that share a store (docs/format.md §16). */
export const CHANNEL = {
  magic: 'SSCH',
  version: 1,
  nonceBytes: 32,
  /** Magic, version in 2 bytes, nonce. */
  helloBytes: 38,
  proofBytes: 32,
  lengthBytes: 4,
  /** Of plaintext; a longer message takes several. */
  mostFrameBytes: 262_144,
  /** A payload of 1 GiB, and what stands around it. */
  mostMessageBytes: 1_090_519_040,
} as const

/** Of a key that is derived, and what for. */
export type Label = (typeof LABEL)[keyof typeof LABEL]

/** The first byte of a row key. */
export const ROW = {
  head: 0x68, // h
  id: 0x69, // i
  payload: 0x70, // p
  record: 0x72, // r
  session: 0x73, // s
  /** Of a later version, in a store of version 3 (docs/format.md §12): passed over. */
  derived: 0x64, // d
  expiry: 0x78, // x
} as const

/** A plain row key is its letter, mode and account, `|`, the scope, `|`, and the name; `|` and `%` are escaped before that. */
export const PLAIN_KEY = { test: 't', live: 'l', account: 'account', user: 'user:' } as const

/** The account under which replies are kept, as secrets like others (docs/format.md §15). No connected account has this name. */
export const KEPT_REPLIES = 'secret-store/stripe/replies'

/** At least as long as any row key can be: no more is read of a backup or of a damaged file (docs/format.md §14). */
export const MAX_ROW_KEY_BYTES = 65_536

/** What a record says of itself, one bit each. */
export const RECORD_FLAG = { livemode: 1, account: 2, userScope: 4, expires: 8, bytes: 16, external: 32 } as const

export const KEYRING_FILE = 'keyring.json'
/** Where a new keyring.json is written before it gets its name. */
export const STAGED_KEYRING_FILE = 'keyring.json.new'
/** Of a session row's key, random. */
export const SESSION_BYTES = 16
/** Who holds the files of a store that is shared, and where it is written before it gets its name. */
export const OWNER_FILE = 'owner.json'
export const STAGED_OWNER_FILE = 'owner.json.new'
export const MAX_OWNER_BYTES = 4096
export const DATA_DIRECTORY = 'data'
export const MAX_KEYRING_BYTES: number = 256 * 1024
export const MAX_SLOTS = 32
export const MAX_DATA_KEYS = 1024
/** How many former roots a keyring knows; of more, the oldest are forgotten. */
export const MAX_FORMER_ROOTS = 256
/** What the slots of one kind may ask for together, in default passphrases: as much as the most that one slot may. */
export const MAX_UNLOCK_WORK = 128

/** The wrapped index key's place in the associated data, where a data key has its id (ids start at 1). */
export const INDEX_KEY_ID = 0

/** Of names, user ids and account ids, in characters (Unicode code points). Stripe's bound. */
export const MAX_CHARACTERS = 5000

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
/** The longest value in a backup: a payload of 1 GiB, and what stands around it. */
export const MAX_BACKUP_VALUE_BYTES: number = 1024 ** 3 + 1024 ** 2

/** STREAM: plaintext bytes of every chunk but the last, and the bytes of a nonce before its last-chunk flag. */
export const CHUNK_BYTES = 65_536
export const CHUNK_COUNTER_BYTES = 11

/** The first byte of an entry of a backup. */
export const BACKUP_ENTRY = { put: 1, delete: 2, head: 3 } as const

/** An entry of the system keyring begins with the mark, a version and a colon (docs/format.md §3.7). */
export const SYSTEM_KEYRING_ENTRY = { mark: 'secret-store:', version: 1 } as const
