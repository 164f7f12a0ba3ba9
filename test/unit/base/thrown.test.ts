import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { codeOf, isError } from '../../../src/base/thrown'
import { SecretStoreError } from '../../../src/errors'

const foreign = (code: string): unknown => runInNewContext(code)

describe('what another realm made', () => {
  test('is an error if it is one there', () => {
    const error = foreign("Object.assign(new TypeError('no'), { code: 'ENOENT' })")
    expect(error instanceof Error).toBe(false)
    expect([isError(error), codeOf(error)]).toEqual([true, 'ENOENT'])
    for (const other of [foreign('({ code: "ENOENT" })'), 'ENOENT', null, undefined, foreign('[]')]) {
      expect([isError(other), codeOf(other)]).toEqual([false, undefined])
    }
    expect(codeOf(Object.assign(new Error(), { code: 7 }))).toBeUndefined()
  })
})

test('an error of any copy of the library is a SecretStoreError, and no other thing', () => {
  class Own extends SecretStoreError {}
  const [plain, own] = [new SecretStoreError('ERR_CLOSED', 'x'), new Own('ERR_CLOSED', 'x')]
  const otherCopy = foreign("Object.assign(new Error('x'), { name: 'SecretStoreError', code: 'ERR_CLOSED' })")
  expect([plain, own, otherCopy].map((one) => one instanceof SecretStoreError)).toEqual([true, true, true])
  expect([plain, own, otherCopy].map((one) => one instanceof Own)).toEqual([false, true, false])
  for (const none of [new Error('x'), { name: 'SecretStoreError', code: 'ERR_CLOSED' }, null, undefined, 'x']) {
    expect(none instanceof SecretStoreError).toBe(false)
  }
})
