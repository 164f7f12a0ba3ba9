import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type HeldSecret, holdSecret } from '../../../src/keys/held-secret'
import { randomSecret } from '../../../src/keys/raw-key'
import { eventually, turnOfLoop } from '../../support/waiting'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const CONTEXT = { storeId: new Uint8Array(16), slotId: new Uint8Array(8), kind: 'raw-key' }
const ROOT_KEY = new Uint8Array(32).fill(3)
const isWiped = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

test('a secret is overwritten when its holder is gone, and not before', async () => {
  const given = new Uint8Array(32).fill(7)
  let holder: HeldSecret | undefined = holdSecret(given)
  const { bytes } = holder
  expect(isWiped(given)).toBe(true)
  collect()
  await turnOfLoop()
  expect(bytes).toEqual(new Uint8Array(32).fill(7))
  expect(holder).toBeDefined()
  holder = undefined
  await eventually(() => {
    collect()
    expect(isWiped(bytes)).toBe(true)
  })
})

test('what was taken off a provider still has its secret', async () => {
  const { wrap, unwrap } = { ...randomSecret('raw-key', new Uint8Array(32).fill(7), {}, 'raw key') }
  // By the time that another holder is gone, so would this one be.
  const { bytes } = holdSecret(Uint8Array.of(1))
  await eventually(() => {
    collect()
    expect(isWiped(bytes)).toBe(true)
  })
  const params = await wrap(ROOT_KEY, CONTEXT)
  const same = randomSecret('raw-key', new Uint8Array(32).fill(7), {}, 'raw key')
  expect(await same.unwrap(params as never, CONTEXT)).toEqual(ROOT_KEY)
  expect(await unwrap(params as never, CONTEXT)).toEqual(ROOT_KEY)
})
