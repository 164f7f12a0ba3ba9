import { readFile } from 'node:fs/promises'
import { expect, expectTypeOf, test } from 'vitest'
import type { DeletedSecret, Secret } from '../src/index'
import * as surface from '../src/index'

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

test('the exported types are these and no others', async () => {
  const index = await readFile(new URL('../src/index.ts', import.meta.url), 'utf8')
  const exported = [...index.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type, list]) =>
    (list ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => type !== undefined || name.startsWith('type '))
      .map((name) => name.replace('type ', '')),
  )
  expect(exported.sort()).toEqual([
    'BackupReport',
    'BackupSource',
    'BackupTarget',
    'BatchOperation',
    'CheckpointStorage',
    'DataKeyStatus',
    'DeletedSecret',
    'FindParams',
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
    'RecoveryCodeOptions',
    'RestoreOptions',
    'RestoreReport',
    'RotateOptions',
    'RotationReport',
    'Scope',
    'Secret',
    'SecretList',
    'SecretStoreErrorCode',
    'SecretView',
    'SetParams',
    'SlotContext',
    'SlotParams',
    'StoreStatus',
    'TargetParams',
    'VerifyProblem',
    'VerifyReport',
    'ViewOptions',
  ])
  expect(index).not.toContain('export *')
  expect(index).not.toContain('export default')
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
    'set',
  ])
  expect(surface.SecretStore.prototype[Symbol.asyncDispose]).toBeTypeOf('function')
})
