import { expect, test } from 'vitest'
import { account, SecretStore, user } from '../../../src/index'
import { restrict } from '../../../src/view'
import { codeOf } from '../../support/stores'

test('a page of which most is hidden does not hold up the process, whether its rows are known or not', async () => {
  const store = SecretStore.memory()
  for (let n = 0; n < 3000; n++) void store.set({ scope: account, name: `hidden ${n}`, payload: 'p' })
  await store.set({ scope: account, name: 'shown', payload: 'p' })
  const view = restrict(store, { allowsScope: () => true, allowsName: (name) => name === 'shown' })
  for (const time of ['first', 'second']) {
    let turns = 0
    let pause = setImmediate(function count() {
      turns++
      pause = setImmediate(count)
    })
    const { data } = await view.list({ scope: account })
    clearImmediate(pause)
    expect(data.map(({ name }) => name)).toEqual(['shown'])
    expect(turns, time).toBeGreaterThan(20)
  }
  await store.close()
})

test('a view that is restricted twice sees what both leave', async () => {
  const store = SecretStore.memory()
  for (const name of ['ab', 'a', 'b']) await store.set({ scope: account, name, payload: name })
  const scopes = { allowsScope: () => true }
  const once = restrict(store.view({ user: 'usr_1' }), { ...scopes, allowsName: (name) => name.includes('a') })
  const twice = restrict(once, { ...scopes, allowsName: (name) => name.includes('b') })
  expect((await once.list({ scope: account })).data.map(({ name }) => name)).toEqual(['a', 'ab'])
  expect((await twice.list({ scope: account })).data.map(({ name }) => name)).toEqual(['ab'])
  expect(await codeOf(() => twice.get({ scope: account, name: 'b' }))).toBe('ERR_ACCESS_DENIED')
  expect(await codeOf(() => twice.get({ scope: user('usr_2'), name: 'ab' }))).toBe('ERR_ACCESS_DENIED')
  expect(() => restrict({} as never, { ...scopes, allowsName: () => true })).toThrow(
    'view: expected one of this copy of the library, got something else',
  )
  await store.close()
})
