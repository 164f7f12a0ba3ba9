export type { KeyringBackend } from './backend'
export type { KeyringEntry, KeyringLibrary, KeyringSelection } from './library'
export { type OsKeyring, type OsKeyringOptions, osKeyring } from './os-keyring'
