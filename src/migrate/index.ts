export {
  type DotenvAssignment,
  type DotenvEntry,
  type DotenvOptions,
  type DotenvText,
  decodeDotenv,
  dotenv,
  encodeDotenv,
  inspectDotenv,
} from './dotenv'
export { type ElectronStoreLike, type ElectronStoreOptions, electronStore } from './electron-store'
export { type ImportOptions, importFrom } from './import-from'
export { type KeytarLike, type KeytarOptions, keytar } from './keytar'
export type { ImportedEntry, ImportOutcome, ImportReport } from './report'
export { type SafeStorageFilesOptions, type SafeStorageLike, safeStorageFiles } from './safe-storage-files'
export type { SecretSource, SourceEntry } from './source'
