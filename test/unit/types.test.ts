import { readFile } from 'node:fs/promises'
import { expect, expectTypeOf, test } from 'vitest'
import type { DeletedSecret, Secret } from '../../src/index'
import * as surface from '../../src/index'
import * as stripe from '../../src/stripe/index'
import { fromRoot } from '../support/paths'

// What is exported as types, and how it may be used, is in types/surface.ts; `npm run types` checks it.

test('the exports are these and no others', () => {
  expect(Object.keys(surface).sort()).toEqual([
    'SecretStore',
    'SecretStoreError',
    'account',
    'generateRecoveryCode',
    'passphrase',
    'rawKey',
    'recoveryCode',
    'user',
  ])
})

/** The types that a module exports, as its list of exports has them. */
async function exportedTypes(path: string): Promise<string[]> {
  const list = await readFile(fromRoot(path), 'utf8')
  expect(list).not.toContain('export *')
  expect(list).not.toContain('export default')
  const exported = [...list.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type, names]) =>
    (names ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && (type !== undefined || name.startsWith('type ')))
      .map((name) => name.replace('type ', '')),
  )
  return exported.sort()
}

test('the exported types are these and no others', async () => {
  expect(await exportedTypes('src/index.ts')).toEqual([
    'AeadLibrary',
    'AeadUse',
    'BackupReport',
    'BackupSource',
    'BackupTarget',
    'BatchOperation',
    'CallOptions',
    'ChangeEvent',
    'CheckpointStorage',
    'DamagedFile',
    'DataKeyStatus',
    'DeletedSecret',
    'ExpandListedPayloads',
    'ExpandPayload',
    'FindParams',
    'KeyExchange',
    'KeyProvider',
    'KeySlotInfo',
    'ListParams',
    'Listing',
    'LongOptions',
    'MemoryOptions',
    'NameMode',
    'NodeWritable',
    'OpenOptions',
    'PassphraseOptions',
    'Progress',
    'RawKeyOptions',
    'RecoverOptions',
    'RecoveredSecret',
    'RecoveryCodeOptions',
    'RecoveryReport',
    'RestoreOptions',
    'RestoreReport',
    'RotateOptions',
    'RotationReport',
    'Scope',
    'Secret',
    'SecretList',
    'SecretStoreErrorCode',
    'SecretView',
    'SecretWithPayload',
    'SetParams',
    'SharingProcess',
    'SlotContext',
    'SlotParams',
    'SlotsOptions',
    'StoreHolder',
    'StoreSharing',
    'StoreStatus',
    'StoredScope',
    'StoredSlot',
    'TargetParams',
    'VerifyProblem',
    'VerifyReport',
    'ViewOptions',
  ])
})

test('app-secret-store/stripe exports these and no others', async () => {
  expect(Object.keys(stripe).sort()).toEqual([
    'StripeSecretsError',
    'createStripeApp',
    'listen',
    'startStripeFixture',
    'stripeSecrets',
  ])
  expect(await exportedTypes('src/stripe/index.ts')).toEqual([
    'ApiKey',
    'AutoPaging',
    'Connection',
    'Fault',
    'FixtureClock',
    'FixtureRequest',
    'HttpServer',
    'ListenOptions',
    'LoggedParams',
    'RawStripeError',
    'RequestHandler',
    'RequestLogEntry',
    'Seed',
    'SeedAccount',
    'SeedSecret',
    'SeedSecrets',
    'StripeAnswer',
    'StripeApp',
    'StripeAppManifest',
    'StripeAppOptions',
    'StripeCallOptions',
    'StripeCreateParams',
    'StripeErrorClasses',
    'StripeFindParams',
    'StripeFixture',
    'StripeFixtureConfig',
    'StripeFixtureOptions',
    'StripeListParams',
    'StripeSecrets',
    'StripeSecretsOptions',
  ])
})

test('a deleted secret is the secret and a mark', () => {
  expectTypeOf<DeletedSecret>().toExtend<Secret>()
  expectTypeOf<DeletedSecret['deleted']>().toEqualTypeOf<true>()
  expectTypeOf<Secret['payload']>().toEqualTypeOf<string | undefined>()
})

test('methods are these and no others', () => {
  const methods = (prototype: object): string[] =>
    Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor')
  expect(methods(surface.SecretStore.prototype).sort()).toEqual([
    'addKey',
    'backup',
    'checkpoint',
    'close',
    'compact',
    'keys',
    'removeKey',
    'replaceKey',
    'rotate',
    'scopes',
    'status',
    'sweep',
    'verify',
    'view',
  ])
  expect(methods(Object.getPrototypeOf(surface.SecretStore.prototype)).sort()).toEqual([
    'batch',
    'delete',
    'find',
    'findSync',
    'get',
    'getBytes',
    'getSync',
    'list',
    'on',
    'set',
  ])
  expect(surface.SecretStore.prototype[Symbol.asyncDispose]).toBeTypeOf('function')
})
