import { describe, expect, test } from 'vitest'
import type { Keytar } from '../../../src/keytar/index'

/** keytar 7.9.0 has 19 cases (spec/keytar-spec.js). Each of them is here, in our words; the number is its place there. */
export function keytarCases(newKeytar: () => Keytar): void {
  const [service, other] = ['my-app', 'my-other-app']
  const UNICODE = { service: 'se®viÇe', account: 'shiƑ†ke¥', password: 'påsswØ®∂' }
  /** Whoever turns it into text to look at it gets an error of another kind. */
  const hostile = { toString: () => { throw new Error('asked for text') } } as unknown as string // biome-ignore format: one line

  const message = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      await work()
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`
    }
    return 'no error'
  }
  const notText = (parameter: string): string => `TypeError: Parameter '${parameter}' must be a string`

  describe('setPassword and getPassword', () => {
    test('1: a password is set, and replaced', async () => {
      const keytar = newKeytar()
      expect(await keytar.setPassword(service, 'alice', 'one')).toBeUndefined()
      expect(await keytar.getPassword(service, 'alice')).toBe('one')
      await keytar.setPassword(service, 'alice', 'two')
      expect(await keytar.getPassword(service, 'alice')).toBe('two')
    })

    test('2: no password is null', async () => {
      expect(await newKeytar().getPassword(service, 'alice')).toBeNull()
    })

    test.each<[string, (keytar: Keytar) => Promise<unknown>, string]>([
      ['3: to set, a service', (keytar) => keytar.setPassword(hostile, 'alice', 'one'), 'service'],
      ['4: to set, an account', (keytar) => keytar.setPassword(service, hostile, 'one'), 'username'],
      ['5: to set, a password', (keytar) => keytar.setPassword(service, 'alice', hostile), 'password'],
      ['6: to get, a service', (keytar) => keytar.getPassword(hostile, 'alice'), 'service'],
      ['7: to get, an account', (keytar) => keytar.getPassword(service, hostile), 'username'],
      ['11: to delete, a service', (keytar) => keytar.deletePassword(hostile, 'alice'), 'service'],
      ['12: to delete, an account', (keytar) => keytar.deletePassword(service, hostile), 'username'],
      ['15: to find one, a service', (keytar) => keytar.findPassword(hostile), 'service'],
      ['18: to find all, a service', (keytar) => keytar.findCredentials(hostile), 'service'],
    ])('%s that is an object is refused', async (_, work, parameter) => {
      expect(await message(() => work(newKeytar()))).toBe(notText(parameter))
    })

    test('8: any letters will do', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(UNICODE.service, UNICODE.account, UNICODE.password)
      expect(await keytar.getPassword(UNICODE.service, UNICODE.account)).toBe(UNICODE.password)
    })
  })

  describe('deletePassword', () => {
    test('9: says true if there was one', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(service, 'alice', 'one')
      expect(await keytar.deletePassword(service, 'alice')).toBe(true)
      expect(await keytar.getPassword(service, 'alice')).toBeNull()
    })

    test('10: says false if there was none', async () => {
      expect(await newKeytar().deletePassword(service, 'alice')).toBe(false)
    })
  })

  describe('findPassword', () => {
    test('13: finds one of them', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(service, 'alice', 'one')
      await keytar.setPassword(service, 'bob', 'two')
      expect(['one', 'two']).toContain(await keytar.findPassword(service))
    })

    test('14: finds null where there is none', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(other, 'alice', 'one')
      expect(await keytar.findPassword(service)).toBeNull()
    })
  })

  describe('findCredentials', () => {
    test('16: finds all of a service, and none of another', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(service, 'bob', 'two')
      await keytar.setPassword(service, 'alice', 'one')
      await keytar.setPassword(other, 'alice', 'three')
      expect(await keytar.findCredentials(service)).toEqual([
        { account: 'alice', password: 'one' },
        { account: 'bob', password: 'two' },
      ])
    })

    test('17: finds an empty list where there is none', async () => {
      expect(await newKeytar().findCredentials(service)).toEqual([])
    })

    test('19: finds any letters', async () => {
      const keytar = newKeytar()
      await keytar.setPassword(UNICODE.service, UNICODE.account, UNICODE.password)
      await keytar.setPassword(UNICODE.service, 'alice', 'one')
      expect(await keytar.findCredentials(UNICODE.service)).toEqual([
        { account: 'alice', password: 'one' },
        { account: UNICODE.account, password: UNICODE.password },
      ])
    })
  })
}
