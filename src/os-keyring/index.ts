export type { KeyringBackend, KeyringEntry, KeyringLibrary, KeyringSelection } from './library'
export { type OsKeyring, type OsKeyringOptions, osKeyring } from './os-keyring'
