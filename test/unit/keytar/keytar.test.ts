import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { account, type ListParams, SecretStore, user } from '../../../src/index'
import * as surface from '../../../src/keytar/index'
import { importFrom, keytar as keytarSource } from '../../../src/migrate/index'
import { atLength } from '../../support/lengths'
import { codeOf, memoryStore, newLocation, openStore, setMany, TestClock } from '../../support/stores'

const { keytar } = surface

test('app-secret-store/keytar exports these and no others', () => {
  expect(Object.keys(surface)).toEqual(['keytar'])
})

test('the five functions are those of keytar, and no others', () => {
  const functions = ['deletePassword', 'findCredentials', 'findPassword', 'getPassword', 'setPassword']
  expect(Object.keys(keytar(memoryStore())).sort()).toEqual(functions)
})

test.each([undefined, null, 'store', {}, { get() {}, set() {} }])('%j is refused as a store', (store) => {
  const message = 'store: expected a SecretStore or a view of one, got something else'
  expect(() => keytar(store as never)).toThrow(new TypeError(message))
})

describe('where a password lies', () => {
  test('is the secret with the name of its account, in the scope of its service', async () => {
    const store = memoryStore()
    await keytar(store).setPassword('my-app', 'alice', 'one')
    expect(await store.get({ scope: user('my-app'), name: 'alice' })).toBe('one')
    expect((await store.list({ scope: account })).data).toEqual([])
  })

  test('is another place for any other service and account, whatever is in their names', async () => {
    // Such as joining them with any of these would mix up.
    const text = fc.string({ unit: fc.constantFrom('a', '/', ':', '\0', '|', '.', '"', '\\', '😀', 'é', 'e\u0301'), minLength: 1, maxLength: 4 }) // biome-ignore format: one line
    const pair = fc.tuple(text, text)
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(pair, { minLength: 2, maxLength: 8, selector: (one) => JSON.stringify(one) }),
        async (pairs) => {
          // biome-ignore format: one line
          const store = SecretStore.memory()
          const passwords = keytar(store)
          for (const [service, name] of pairs)
            await passwords.setPassword(service, name, JSON.stringify([service, name]))
          for (const [service, name] of pairs) {
            expect(await passwords.getPassword(service, name)).toBe(JSON.stringify([service, name]))
            const found = await passwords.findCredentials(service)
            const expected = pairs.filter(([other]) => other === service).map(([, own]) => own)
            expect(found.map((one) => one.account).sort()).toEqual(expected.sort())
          }
          await store.close()
        },
      ),
      { numRuns: atLength(30, 300) },
    )
  })

  test.each(['__proto__', 'constructor', 'toString', 'length'])('may be called %s', async (name) => {
    const passwords = keytar(memoryStore())
    expect(await passwords.getPassword(name, name)).toBeNull()
    expect(await passwords.findCredentials(name)).toEqual([])
    await passwords.setPassword(name, name, 'one')
    expect(await passwords.getPassword(name, name)).toBe('one')
    expect(await passwords.findCredentials(name)).toEqual([{ account: name, password: 'one' }])
    expect(await passwords.deletePassword(name, name)).toBe(true)
  })

  test('has room for 5,000 characters each, and for a password of a megabyte', async () => {
    const passwords = keytar(memoryStore())
    const [service, name, password] = ['😀'.repeat(5000), 'é'.repeat(5000), 'x'.repeat(2 ** 20)]
    await passwords.setPassword(service, name, password)
    expect(await passwords.getPassword(service, name)).toBe(password)
  })

  test('of an app that has a partition for it is apart from the secrets of its users', async () => {
    const store = memoryStore()
    const passwords = keytar(store.view({ account: 'keytar' }))
    await store.set({ scope: user('alice'), name: 'token', payload: 'of the user' })
    await passwords.setPassword('alice', 'token', 'of the service')
    expect(await store.get({ scope: user('alice'), name: 'token' })).toBe('of the user')
    expect(await passwords.findPassword('alice')).toBe('of the service')
  })
})

/** Nothing gets as far as the store. */
const passwords = keytar(SecretStore.memory({ sweepIntervalMs: 0, compactIntervalMs: 0 }))

describe('what keytar refuses', () => {
  test.each<[string, () => unknown, string]>([
    ['service', () => passwords.getPassword('', 'alice'), 'Service is required.'],
    ['account', () => passwords.getPassword('my-app', ''), 'Account is required.'],
    ['account that is null', () => passwords.setPassword('my-app', null as never, 'one'), 'Account is required.'],
    ['password', () => passwords.setPassword('my-app', 'alice', ''), 'Password is required.'],
    ['password and an object', () => passwords.setPassword({} as never, 'alice', ''), 'Password is required.'],
    ['service to delete', () => passwords.deletePassword(undefined as never, 'alice'), 'Service is required.'],
    ['account to delete', () => passwords.deletePassword('my-app', [] as never), 'Account is required.'],
    ['service to find one', () => passwords.findPassword(''), 'Service is required.'],
    ['service to find all', () => passwords.findCredentials(''), 'Service is required.'],
  ])('an empty %s: at once, as an Error of its words', (_, work, message) => {
    expect(work).toThrow(new Error(message))
  })

  test.each([1, true, {}, Symbol('s'), new String('s'), Uint8Array.of(1)])(
    'no text: at once, as a TypeError',
    (value) => {
      expect(() => passwords.getPassword(value as never, 'a')).toThrow(
        new TypeError("Parameter 'service' must be a string"),
      )
      expect(() => passwords.getPassword('s', value as never)).toThrow(
        new TypeError("Parameter 'username' must be a string"),
      )
      expect(() => passwords.setPassword('s', 'a', value as never)).toThrow(new TypeError("Parameter 'password' must be a string")) // biome-ignore format: one line
    },
  )
})

describe('what a store cannot keep', () => {
  test.each<[string, string, RegExp]>([
    ['x'.repeat(5001), 'alice', /^service: expected at most 5000 characters, got more$/],
    ['my-app', 'x'.repeat(5001), /^account: expected at most 5000 characters, got more$/],
    ['\ud800', 'alice', /^service: expected well-formed Unicode, got a lone surrogate$/],
    ['my-app', 'a\udc00', /^account: expected well-formed Unicode, got a lone surrogate$/],
  ])('is refused by the name of the argument (%#)', (service, name, message) => {
    expect(() => passwords.setPassword(service, name, 'one')).toThrow(message)
    expect(() => passwords.getPassword(service, name)).toThrow(message)
  })

  test('is refused without a word of a password', async () => {
    await expect(passwords.setPassword('my-app', 'alice', 'secret\ud800')).rejects.toThrow(
      new TypeError('payload: expected well-formed Unicode, got a lone surrogate'),
    )
    const small = keytar(memoryStore({ maxPayloadBytes: 3 }))
    await expect(small.setPassword('my-app', 'alice', 'secret')).rejects.toThrow(/^payload: expected at most 3 bytes/)
  })
})

describe('what a service has', () => {
  test('is found page after page, of that service alone', async () => {
    const store = memoryStore()
    await setMany(store, 250, (n) => ({ scope: user('my-app'), name: `account-${n}`, payload: `password-${n}` }))
    await setMany(store, 250, (n) => ({ scope: user('my-app-too'), name: `other-${n}`, payload: 'other' }))
    const found = await keytar(store).findCredentials('my-app')
    expect(found.length).toBe(250)
    expect(found.find((one) => one.account === 'account-249')).toEqual({
      account: 'account-249',
      password: 'password-249',
    })
    expect(await keytar(store).findPassword('my-app')).toBe('password-0')
  })

  test('is looked at no further than one password goes', async () => {
    const store = memoryStore()
    await setMany(store, 5, (n) => ({ scope: user('my-app'), name: `account-${n}`, payload: `password-${n}` }))
    const asked: unknown[] = []
    const watched = { get: store.get.bind(store), set: store.set.bind(store), delete: store.delete.bind(store) }
    const list = ((params: ListParams) => {
      asked.push([params.scope, params.limit])
      return store.list(params)
    }) as typeof store.list
    expect(await keytar({ ...watched, list }).findPassword('my-app')).toBe('password-0')
    expect(asked).toEqual([[user('my-app'), 1]])
  })

  test('is found with sealed names, too', async () => {
    const store = await openStore(await newLocation(), { names: 'sealed' })
    const passwords = keytar(store)
    for (const name of ['alice', 'bob']) await passwords.setPassword('my-app', name, `of ${name}`)
    const found = await passwords.findCredentials('my-app')
    expect(found.sort((one, other) => one.account.localeCompare(other.account))).toEqual([
      { account: 'alice', password: 'of alice' },
      { account: 'bob', password: 'of bob' },
    ])
  })

  test('is what importFrom has brought from keytar, with the service as its scope', async () => {
    const before = [{ account: 'alice', password: 'one' }, { account: '__proto__', password: 'zwei 😀' }] // biome-ignore format: one line
    const store = memoryStore()
    const source = keytarSource({ service: 'my-app', keytar: { findCredentials: async () => before } })
    const { created, failed } = await importFrom(source, store, { scope: user('my-app') })
    expect([created, failed]).toEqual([2, 0])
    const after = await keytar(store).findCredentials('my-app')
    expect(after.sort((one, other) => one.password.localeCompare(other.password))).toEqual(before)
    // And a store reads as a keychain: nothing is left to import.
    const again = await importFrom(keytarSource({ service: 'my-app', keytar: keytar(store) }), store, { scope: user('my-app') }) // biome-ignore format: one line
    expect(again.unchanged).toBe(2)
  })

  test('is none of what has expired, and no bytes: those are an error', async () => {
    const clock = new TestClock()
    const store = memoryStore({ now: clock.now })
    await store.set({ scope: user('my-app'), name: 'alice', payload: 'one', expires_at: clock.seconds + 1 })
    const passwords = keytar(store)
    expect(await passwords.findPassword('my-app')).toBe('one')
    clock.advanceSeconds(1)
    expect(await passwords.getPassword('my-app', 'alice')).toBeNull()
    expect([await passwords.findPassword('my-app'), await passwords.findCredentials('my-app')]).toEqual([null, []])
    expect(await passwords.deletePassword('my-app', 'alice')).toBe(false)
    await store.set({ scope: user('my-app'), name: 'bytes', payload: Uint8Array.of(255) })
    const refusal = new TypeError('payload: expected text, got bytes (read them with getBytes)')
    for (const work of [() => passwords.getPassword('my-app', 'bytes'), () => passwords.findCredentials('my-app')]) {
      await expect(work()).rejects.toThrow(refusal)
    }
  })

  test('is an error once the store is closed, or in a view of another user', async () => {
    const store = SecretStore.memory()
    const passwords = keytar(store)
    const ofAlice = keytar(store.view({ user: 'alice' }))
    expect(await codeOf(() => ofAlice.getPassword('bob', 'x'))).toBe('ERR_ACCESS_DENIED')
    await store.close()
    const calls = [
      () => passwords.getPassword('s', 'a'),
      () => passwords.setPassword('s', 'a', 'p'),
      () => passwords.deletePassword('s', 'a'),
      () => passwords.findPassword('s'),
      () => passwords.findCredentials('s'),
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('ERR_CLOSED')
  })
})
