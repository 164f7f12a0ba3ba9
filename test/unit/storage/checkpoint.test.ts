import { describe, expect, test } from 'vitest'
import { type Checkpoint, decodeCheckpoint } from '../../../src/format/checkpoint'
import type { Head } from '../../../src/format/head'
import { checkNotOlder, checkpointToken, isOwn } from '../../../src/storage/checkpoint'
import { newKeyring } from '../../support/records'
import { codeOf } from '../../support/stores'

const keyring = newKeyring()
const headOf = (generation: number, sequence: number, setHash = 7n): Head => ({
  sequence,
  count: 1,
  superseded: 0,
  setHash,
  keyring: { generation, mac: new Uint8Array(32) },
})
const tokenOf = (head: Head): Checkpoint => decodeCheckpoint(checkpointToken(keyring, head)) as Checkpoint

describe('a state', () => {
  const token = tokenOf(headOf(3, 10))

  test.each([
    ['the same', headOf(3, 10), 'no error'],
    ['a later write', headOf(3, 11), 'no error'],
    ['a later change of keys, and with it a later write', headOf(4, 11), 'no error'],
    ['an earlier write', headOf(3, 9), 'ERR_ROLLBACK'],
    ['the same write of other contents', headOf(3, 10, 8n), 'ERR_ROLLBACK'],
    ['a later write of an earlier keyring.json', headOf(2, 11), 'ERR_ROLLBACK'],
    ['an earlier write of a later keyring.json', headOf(4, 9), 'ERR_ROLLBACK'],
  ])('that is %s is held against a checkpoint', async (_, head, expected) => {
    expect(await codeOf(async () => checkNotOlder(token, keyring, head))).toBe(expected)
  })

  test('whose checkpoint was altered in any field is none of its own', () => {
    expect(isOwn(token, keyring)).toBe(true)
    if (token.version !== 2) throw new Error('expected a token of version 2')
    for (let at = 0; at < token.macInput.length; at++) {
      const macInput = token.macInput.slice()
      macInput[at] = (macInput[at] as number) ^ 1
      expect([at, isOwn({ ...token, macInput }, keyring)]).toEqual([at, false])
    }
  })
})
