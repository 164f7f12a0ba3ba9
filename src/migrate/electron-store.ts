import { isBytes } from '../base/bytes'
import { checkBoolean, checkFunction, optionsOf } from '../base/checks'
import { SecretStoreError } from '../errors'
import { sourceFileSize } from '../platform/source-files'
import type { SecretSource, SourceEntry } from './source'

/** An instance of electron-store, or of conf below it, as much of it as is needed. */
export interface ElectronStoreLike {
  /** Everything in it, decrypted. */
  readonly store: object
  /** Of its file. */
  readonly path?: string
}

/** Options of `electronStore`. */
export interface ElectronStoreOptions {
  /** Only these, as `store.get` takes them, with all below. An absent one is skipped. @defaultValue everything */
  readonly keys?: readonly string[]
  /** As the store was made with: with `false`, a key is a name as it is. @defaultValue `true` */
  readonly accessPropertiesByDotNotation?: boolean
  /**
   * Turns what is under a key into what is to be kept, such as text that was encrypted with `safeStorage`; `undefined`
   * leaves it out. If it throws, the entry fails.
   *
   * @defaultValue text and bytes as they are, other values as JSON
   */
  readonly decode?: (value: unknown, key: string) => Decoded | Promise<Decoded>
}

/** @inline */
type Decoded = string | Uint8Array | undefined

const OPTIONS = ['keys', 'accessPropertiesByDotNotation', 'decode'] as const
/** What conf keeps for itself, for its migrations. */
const INTERNAL_KEY = '__internal__'
/** `{}`, also with a line end that an editor has put there; no entry is so short. */
const LARGEST_EMPTY_TEXT_BYTES = 3
/**
 * The sizes of an encrypted `{}`, measured with conf 15.1.0: aes-256-ctr, -cbc and -gcm. Under a wrong key, a store of
 * just such a size, such as up to 15 characters of JSON with -cbc, cannot be told from an empty one.
 */
const EMPTY_ENCRYPTED_BYTES: readonly number[] = [19, 33, 35]

/**
 * What is in an electron-store or a conf. A name is what `store.get` takes: below objects the path, in which a dot,
 * backslash or bracket of a key has a backslash before it.
 *
 * @throws {TypeError} On bad options.
 */
export function electronStore(store: ElectronStoreLike, options: ElectronStoreOptions = {}): SecretSource {
  if (typeof store !== 'object' || store === null || !('store' in store)) {
    throw new TypeError('electronStore: expected an instance of electron-store or conf, got something else')
  }
  const given = optionsOf<ElectronStoreOptions>(options, 'electronStore', OPTIONS)
  const keys = checkKeys(given.keys)
  const byPath = checkBoolean(given.accessPropertiesByDotNotation ?? true, 'accessPropertiesByDotNotation')
  const decode = given.decode === undefined ? undefined : checkFunction(given.decode, 'decode')
  return {
    kind: 'electron-store',
    async *read() {
      const content = await readStore(store)
      const absent = new Set(keys)
      for (const [name, value] of byPath ? leaves(content, '') : Object.entries(content)) {
        const wanted = keys?.filter((key) => name === key || (byPath && name.startsWith(`${key}.`)))
        if (isInternal(name, byPath) || wanted?.length === 0) continue
        for (const key of wanted ?? []) absent.delete(key)
        yield await entryOf(name, value, decode)
      }
      for (const name of absent) yield { name, skipped: true }
    },
  }
}

function checkKeys(keys: readonly string[] | undefined): readonly string[] | undefined {
  if (keys === undefined) return undefined
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'string')) {
    throw new TypeError('keys: expected an array of strings, got something else')
  }
  return [...keys]
}

type PlainObject = Readonly<Record<string, unknown>>

async function readStore(source: ElectronStoreLike): Promise<PlainObject> {
  let content: unknown
  try {
    content = source.store
  } catch {
    // Without its cause: a JSON error repeats some of the text.
    throw new SecretStoreError('ERR_IO', 'electronStore: expected a store that can be read, got an error from it')
  }
  if (!isPlainObject(content)) throw new TypeError('electronStore: expected an object in it, got something else')
  const { path } = source
  if (Object.keys(content).length > 0 || typeof path !== 'string') return content
  // With `clearInvalidConfig`, what cannot be decrypted is read as empty.
  const bytes = (await sourceFileSize(path)) ?? 0
  if (bytes <= LARGEST_EMPTY_TEXT_BYTES || EMPTY_ENCRYPTED_BYTES.includes(bytes)) return content
  const got = 'got an empty store (is clearInvalidConfig set, and the key another?)'
  throw new SecretStoreError('ERR_IO', `electronStore: expected what its file holds, ${got}`)
}

/** Whatever is not an object with something in it, by its path. */
function* leaves(content: PlainObject, prefix: string): Generator<[name: string, value: unknown]> {
  for (const [key, value] of Object.entries(content)) {
    const name = prefix + key.replaceAll(/[\\.[]/g, '\\$&')
    if (isPlainObject(value) && Object.keys(value).length > 0) yield* leaves(value, `${name}.`)
    else yield [name, value]
  }
}

/** A key of the app's may begin with the same characters, and a dot: it is below what is conf's only in a path. */
function isInternal(name: string, byPath: boolean): boolean {
  return name === INTERNAL_KEY || (byPath && name.startsWith(`${INTERNAL_KEY}.`))
}

async function entryOf(name: string, value: unknown, decode: ElectronStoreOptions['decode']): Promise<SourceEntry> {
  if (decode === undefined) {
    const payload = payloadOf(value)
    if (payload !== undefined) return { name, payload }
    return { name, problem: 'value: expected text, bytes or JSON other than null, got something else' }
  }
  let payload: unknown
  try {
    payload = await decode(value, name)
  } catch {
    // Its message may repeat the value.
    return { name, problem: 'decode: expected a payload, got an error' }
  }
  if (payload === undefined) return { name, skipped: true }
  if (typeof payload === 'string' || isBytes(payload)) return { name, payload }
  return { name, problem: 'decode: expected a string, bytes or undefined, got something else' }
}

function payloadOf(value: unknown): string | Uint8Array | undefined {
  if (typeof value === 'string' || isBytes(value)) return value
  return value !== null && isJson(value) ? JSON.stringify(value) : undefined
}

/** Nothing in it that JSON would leave out or write otherwise. */
function isJson(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJson)
  return isPlainObject(value) && Object.values(value).every(isJson)
}

function isPlainObject(value: unknown): value is PlainObject {
  return Object.prototype.toString.call(value) === '[object Object]'
}
