export { type Credential, type Keytar, type KeytarStore, keytar } from './keytar'
