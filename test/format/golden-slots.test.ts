import { expect, test } from 'vitest'
import { type ElectronSafeStorage, safeStorage } from '../../src/electron/index'
import { osKeyring } from '../../src/os-keyring/index'
import { FakeKeyring } from '../support/fake-keyring'

// Slots as version 0.6 wrote them, whose keychain is not in the repository: they open for ever (docs/format.md §3.6, §3.7).

const SECRET = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const ROOT_KEY = new Uint8Array(32).fill(7)
const place = { storeId: new Uint8Array(16).fill(1), slotId: new Uint8Array(8).fill(2) }

test('a slot of safe-storage', async () => {
  const params = {
    encrypted: 'djExZXhhbXBsZQ',
    commitment: 'k6sC_Mu6S3fRrbqeRd7OTUpV-eQwGJTZudrv9nlft3Q',
    wrapped: 'AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDrwm02QFLVeKAiLGL2uktrNwN_qGP1kH6sqdBpejL44Pu2kmpKY1UxUmAGC1nXn14',
  }
  const electron: ElectronSafeStorage = {
    isEncryptionAvailable: () => true,
    encryptString: (text) => Buffer.from(text),
    decryptString: (encrypted) => (encrypted.toString() === 'v11example' ? SECRET : 'another'),
  }
  expect(await safeStorage(electron).unwrap(params, { ...place, kind: 'safe-storage' })).toEqual(ROOT_KEY)
})

test('a slot of os-keyring', async () => {
  const params = {
    service: 'notes',
    account: 'default',
    backend: 'secret-service',
    commitment: 'R25pdvNvXZkPkD48V7sIsHu_mbmcO7RDVSK2xScQ2lo',
    wrapped: 'AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDVIkPcRxn34MZ2l54wbRqme1UD0DZrSQS0209IBbJKFvHM9e_kd3DEU74Bjkxmpxy',
  }
  const keyring = new FakeKeyring()
  keyring.put('notes/default', `secret-store:1:${SECRET}`)
  const key = osKeyring({ service: 'notes', account: 'default', keyring: keyring.library })
  expect(await key.unwrap(params, { ...place, kind: 'os-keyring' })).toEqual(ROOT_KEY)
})
