import { expect, test, vi } from 'vitest'
import { utf8 } from '../../../src/base/bytes'
import { stretch } from '../../../src/crypto/kdf'
import { nativeScrypt } from '../../../src/platform/scrypt'

vi.mock('../../../src/platform/scrypt', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../../../src/platform/scrypt')>()),
  hasNativeScrypt: false,
}))

test('a platform without scrypt of its own stretches to the same bytes', async () => {
  const cost = { N: 16_384, r: 8, p: 1 }
  const [password, salt] = [utf8('correct horse battery staple'), new Uint8Array(16).fill(3)]
  const expected = await nativeScrypt(password, salt, cost, 32)
  expect(await stretch(password, salt, { kdf: 'scrypt', ...cost })).toEqual(expected)
})
