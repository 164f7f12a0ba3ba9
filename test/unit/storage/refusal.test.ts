import { expect, test } from 'vitest'
import { refusal } from '../../../src/storage/refusal'

test.each([
  [Object.assign(new Error('x'), { code: 'EROFS' }), ' (EROFS)'],
  [new Error('IO error: /a/LOCK: Read-only file system'), ' (EROFS)'],
  [
    Object.assign(new Error('x', { cause: new Error('IO error: /a: No space left on device') }), { code: 'LEVEL_X' }),
    ' (ENOSPC)',
  ],
  [new Error('IO error: something else'), ''],
  ['text', ''],
])('a refusal says what the system called it (%s)', (cause, said) => {
  const error = refusal('data: expected to read it', cause)
  expect(error).toMatchObject({ code: 'ERR_IO', cause })
  expect(error.message).toBe(`data: expected to read it, got a refusal by the system${said}`)
})
