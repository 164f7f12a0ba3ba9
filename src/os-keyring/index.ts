export type {
  KeyringBackend,
  KeyringEntry,
  KeyringLibrary,
  KeyringSelection,
  SystemKeyringBackend,
  SystemKeyringEntry,
  SystemKeyringLibrary,
  SystemKeyringSelection,
} from './library'
export { type OsKeyring, type OsKeyringOptions, osKeyring } from './os-keyring'
