export type { BackupReport, BackupTarget } from './care/backup/backup'
export type { BackupSource, RestoreReport } from './care/backup/restore'
export type { NodeWritable } from './care/backup/sink'
export type { StoreHolder } from './care/holder'
export type { DamagedFile, RecoveredSecret, RecoveryReport } from './care/recovery/report'
export type { RotationReport } from './care/rekey/rotate'
export type { StoredScope } from './care/scopes'
export type { DataKeyStatus, SharingProcess, StoreSharing, StoreStatus } from './care/status'
export type { StoredSlot } from './care/stored-slots'
export type { VerifyProblem, VerifyReport } from './care/verify/report'
export type { AeadLibrary, AeadUse } from './crypto/aead/aead'
export type { SlotContext } from './crypto/slot'
export { SecretStoreError, type SecretStoreErrorCode } from './errors'
export type { NameMode, SlotParams } from './format/keyring-file'
export type { CallOptions, KeyExchange, LongOptions, Progress, RotateOptions, ViewOptions } from './input/call-options'
export type { CheckpointStorage, MemoryOptions, OpenOptions } from './input/options'
export type {
  BatchOperation,
  ExpandListedPayloads,
  ExpandPayload,
  FindParams,
  ListParams,
  SetParams,
  TargetParams,
} from './input/params'
export type { RecoverOptions, RestoreOptions } from './input/restore-options'
export type { SlotsOptions } from './input/slots-options'
export { type PassphraseOptions, passphrase } from './keys/passphrase'
export type { KeyProvider } from './keys/provider'
export { type RawKeyOptions, rawKey } from './keys/raw-key'
export { generateRecoveryCode, type RecoveryCodeOptions, recoveryCode } from './keys/recovery-code'
export type { KeySlotInfo } from './keys/slot-info'
export {
  account,
  type ChangeEvent,
  type DeletedSecret,
  type Scope,
  type Secret,
  type SecretList,
  type SecretWithPayload,
  user,
} from './model'
export { SecretStore } from './store'
export type { Listing } from './verbs/listing'
export type { SecretView } from './view'
