import { checkFunction, optionsOf } from '../base/checks'
import { decodeTextFile, readSourceFile, sourceFileName, sourceFiles } from '../platform/source-files'
import { systemCode } from '../storage/refusal'
import { checkPath, readingFiles, type SecretSource, type SourceEntry } from './source'

/** Electron's `safeStorage`, as much of it as is needed: the one of its two methods that this Electron has. */
export interface SafeStorageLike {
  /** Decrypts a text, and blocks meanwhile. */
  decryptString?(encrypted: Uint8Array): string
  /** Decrypts a text without blocking. */
  decryptStringAsync?(encrypted: Uint8Array): Promise<{ readonly result: string }>
}

/** Options of `safeStorageFiles`. */
export interface SafeStorageFilesOptions {
  /** `electron.safeStorage`, of the app that encrypted the files. */
  readonly safeStorage: SafeStorageLike
  /** Every file in it, without those in directories below. Instead of `files`. */
  readonly directory?: string
  /** The paths of the files. Instead of `directory`. */
  readonly files?: readonly string[]
  /** How the files hold what `encryptString` returned. @defaultValue `'raw'` */
  readonly encoding?: 'raw' | 'base64' | 'hex'
  /** The name of what is in a file. @defaultValue the file's name without its last extension */
  readonly nameOf?: (path: string) => string
}

const OPTIONS = ['safeStorage', 'directory', 'files', 'encoding', 'nameOf'] as const
const ENCODINGS: readonly unknown[] = ['raw', 'base64', 'hex']

const UNDECRYPTED = 'safeStorage: expected to decrypt it, got an error (another app, another user, or no keyring?)'
const GARBLED = 'safeStorage: expected text, got bytes that are none (encrypted under another key?)'
/** Stands for bytes that are no UTF-8: on Linux, a wrong key gives other bytes and no error one time in 256 or so. */
const NO_TEXT = '\ufffd'

type Settings = Required<Omit<SafeStorageFilesOptions, 'directory' | 'files'>>

/** Files that hold what `safeStorage.encryptString` returned, one secret each. @throws {TypeError} On bad options. */
export function safeStorageFiles(options: SafeStorageFilesOptions): SecretSource {
  const given = optionsOf<SafeStorageFilesOptions>(options, 'safeStorageFiles', OPTIONS)
  const { directory, files, encoding = 'raw', nameOf = sourceFileName } = given
  if ((directory === undefined) === (files === undefined)) {
    throw new TypeError("safeStorageFiles: expected either 'directory' or 'files', got both or neither")
  }
  if (!ENCODINGS.includes(encoding)) {
    throw new TypeError("encoding: expected 'raw', 'base64' or 'hex', got something else")
  }
  const safeStorage = checkSafeStorage(given.safeStorage)
  const settings = { safeStorage, encoding, nameOf: checkFunction(nameOf, 'nameOf') }
  const listed = files === undefined ? undefined : checkFiles(files)
  const location = directory === undefined ? '' : checkPath(directory, 'directory')
  return {
    kind: 'safeStorage',
    async *read() {
      const paths = listed ?? (await readingFiles('directory', () => sourceFiles(location)))
      for (const path of paths) yield await readEntry(path, settings)
    },
  }
}

function checkSafeStorage(safeStorage: SafeStorageLike): SafeStorageLike {
  const { decryptString, decryptStringAsync } = safeStorage ?? {}
  if (typeof decryptString === 'function' || typeof decryptStringAsync === 'function') return safeStorage
  throw new TypeError('safeStorage: expected electron.safeStorage, got something else')
}

function checkFiles(files: readonly string[]): readonly string[] {
  if (!Array.isArray(files)) throw new TypeError('files: expected an array of paths, got something else')
  return files.map((path) => checkPath(path, 'files'))
}

async function readEntry(path: string, { safeStorage, encoding, nameOf }: Settings): Promise<SourceEntry> {
  const name = nameOf(path)
  let bytes: Uint8Array | undefined
  try {
    bytes = await readSourceFile(path)
  } catch (error) {
    return { name, problem: `file: expected to read it, got ${systemCode(error) ?? 'an error'}` }
  }
  if (bytes === undefined) return { name, problem: 'file: expected a file, got a directory or something else' }
  const encrypted = encoding === 'raw' ? bytes : decodeTextFile(bytes, encoding)
  if (encrypted === undefined) return { name, problem: `file: expected ${encoding}, got something else` }
  const payload = await decrypt(safeStorage, encrypted)
  if (payload === undefined) return { name, problem: UNDECRYPTED }
  return payload.includes(NO_TEXT) ? { name, problem: GARBLED } : { name, payload }
}

/** The newer method first: it also reads what the older one wrote. @returns `undefined` if neither can. */
async function decrypt(safeStorage: SafeStorageLike, encrypted: Uint8Array): Promise<string | undefined> {
  const ways = [
    async () => (await safeStorage.decryptStringAsync?.(encrypted))?.result,
    async () => safeStorage.decryptString?.(encrypted),
  ]
  for (const decryptBy of ways) {
    const text = await decryptBy().catch(() => undefined)
    if (typeof text === 'string') return text
  }
  return undefined
}
