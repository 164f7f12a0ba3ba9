import { expect, test } from 'vitest'
import { account } from '../src/index'
import { newLocation, openStore } from './support'

test('what was set is there after reopening', async () => {
  const location = await newLocation()
  const first = await openStore(location)
  await first.set({ scope: account, name: 'token', payload: 'sk_123' })
  await first.close()
  const second = await openStore(location)
  expect(await second.get({ scope: account, name: 'token' })).toBe('sk_123')
})
