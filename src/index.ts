export type { BackupReport, BackupTarget } from './backup/backup'
export type { BackupSource, RestoreReport } from './backup/restore'
export type { NodeWritable } from './backup/sink'
export type { CheckpointStorage } from './checkpoints'
export type { AeadLibrary, AeadUse } from './crypto/aead'
export type { SlotContext } from './crypto/slot'
export { SecretStoreError, type SecretStoreErrorCode } from './errors'
export type { NameMode, SlotParams } from './format/keyring-file'
export { type PassphraseOptions, passphrase } from './keys/passphrase'
export type { KeyProvider } from './keys/provider'
export { type RawKeyOptions, rawKey } from './keys/raw-key'
export { generateRecoveryCode, type RecoveryCodeOptions, recoveryCode } from './keys/recovery-code'
export type { Listing } from './list'
export { account, type ChangeEvent, type DeletedSecret, type Scope, type Secret, type SecretList, user } from './model'
export type {
  LongOptions,
  MemoryOptions,
  OpenOptions,
  RecoverOptions,
  RestoreOptions,
  RotateOptions,
  ViewOptions,
} from './options'
export type { Progress } from './progress'
export type { DamagedFile, RecoveredSecret, RecoveryReport } from './recovery/report'
export type { RotationReport } from './rekey/rotate'
export type { KeySlotInfo } from './rekey/slot-info'
export type { DataKeyStatus, StoreStatus } from './rekey/status'
export { SecretStore } from './store'
export type { VerifyProblem, VerifyReport } from './verify/report'
export type { BatchOperation, FindParams, ListParams, SecretView, SetParams, TargetParams } from './view'
