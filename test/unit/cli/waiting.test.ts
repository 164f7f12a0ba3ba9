import { SecretStore, SecretStoreError, type StoreHolder } from 'app-secret-store'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../../src/cli/failure'
import type { Io } from '../../../src/cli/io'
import { Output } from '../../../src/cli/output'
import { explainLocked, holderText, sharedOrAlone, tellingWait, waitMsOf } from '../../../src/cli/waiting'

const environment = (env: Record<string, string>): Io => ({ env }) as unknown as Io

describe('how long to wait', () => {
  test.each([
    ['0', 0],
    ['10', 10_000],
    ['0.5', 500],
    ['500ms', 500],
    ['5s', 5000],
    ['2min', 120_000],
    ['1h30m', 5_400_000],
    ['24h', 86_400_000],
  ])('%s', (text, ms) => {
    expect(waitMsOf(environment({ SECRET_STORE_WAIT: 'none' }), text)).toBe(ms)
    expect(waitMsOf(environment({ SECRET_STORE_WAIT: text }), undefined)).toBe(ms)
  })

  test('is 5 s unless something else is said, and an empty variable says nothing', () => {
    expect(waitMsOf(environment({}), undefined)).toBe(5000)
    expect(waitMsOf(environment({ SECRET_STORE_WAIT: '' }), undefined)).toBe(5000)
  })

  test.each(['', '-1', 'soon', '5 parsecs', '25h', '86401', '1e3', 'NaN', `${'9'.repeat(40)}s`])(
    '%s is refused',
    (text) => {
      expect(() => waitMsOf(environment({}), text)).toThrow(/^--wait: expected seconds .*, got '/)
    },
  )
})

describe('a store to share', () => {
  const said: string[] = []
  const output = {
    note: async (text: string) => void said.push(text),
  } as unknown as Output
  const store = SecretStore.memory()
  const refused = (code: 'ERR_UNSAFE_LOCATION' | 'ERR_IO' | 'ERR_WRONG_KEY') => async (shared: true | 'follow') => {
    if (shared === true) throw new SecretStoreError(code, 'sharing: expected one machine, got several')
    return store
  }

  test.each(['ERR_UNSAFE_LOCATION', 'ERR_IO'] as const)(
    'is held alone where processes cannot meet (%s)',
    async (code) => {
      said.length = 0
      expect(await sharedOrAlone(output, undefined, refused(code))).toBe(store)
      expect(said).toEqual([
        'note: no other command can use the store meanwhile: sharing: expected one machine, got several',
      ])
    },
  )

  test('is refused for other reasons', async () => {
    await expect(sharedOrAlone(output, undefined, refused('ERR_WRONG_KEY'))).rejects.toThrow('several')
  })

  test('is opened as by any command where nobody is to be waited for and somebody has it alone', async () => {
    const asked: unknown[] = []
    const open = async (shared: true | 'follow'): Promise<SecretStore> => {
      asked.push(shared)
      return store
    }
    for (const holder of [{ shared: false }, { shared: true }, undefined]) {
      await sharedOrAlone(output, async () => holder, open)
    }
    expect(asked).toEqual(['follow', true, true])
  })
})

describe('a refusal', () => {
  const locked = new SecretStoreError('ERR_LOCKED', 'store: expected to be its only opener, got another one')
  const look = (shared: boolean) => async (): Promise<StoreHolder> => ({ shared })

  test('says how long was waited, unless that was for somebody who shares the store', async () => {
    expect(await explainLocked(locked, look(false), 1500)).toMatchObject({
      exitCode: 4,
      code: 'ERR_LOCKED',
      message: `${locked.message} (waited for 1.5 s)`,
      hint: expect.stringContaining('wait longer with --wait'),
    })
    expect(await explainLocked(locked, look(false), 0)).toMatchObject({ message: locked.message })
    expect(await explainLocked(locked, look(true), 1500)).toMatchObject({
      message: locked.message,
      hint: expect.stringContaining('it does not answer'),
    })
    expect(await explainLocked(locked, look(true), 0, { shared: 'other' })).toMatchObject({ hint: 'other' })
  })

  test('is told though nobody can be looked at, and other failures stay as they are', async () => {
    const fails = async (): Promise<never> => {
      throw new Error('test')
    }
    expect(await explainLocked(locked, fails, 0)).toBeInstanceOf(Failure)
    const other = new SecretStoreError('ERR_CORRUPT', 'x')
    expect(await explainLocked(other, fails, 0)).toBe(other)
  })
})

test('a holder is shown as far as the system tells, and nothing of it moves a terminal', () => {
  expect(holderText({ shared: true, pid: 42, program: 'node server.js' })).toBe('process 42 (node server.js)')
  expect(holderText({ shared: true, pid: 42 })).toBe('process 42')
  expect(holderText({ shared: false })).toBe('a process of which the system tells nothing')
  expect(holderText({ shared: false, pid: 42, program: '\u001b[2J' })).toBe('process 42 (\\x1b[2J)')
})

test('where nobody watches, nobody is looked at', async () => {
  const looked: unknown[] = []
  const look = async (): Promise<undefined> => void looked.push(1)
  const io = { stderr: { isTTY: false } } as unknown as Io
  expect(
    await tellingWait({ io, output: new Output(io, { json: false, quiet: false }) }, look, async () => 'done'),
  ).toBe('done')
  expect(looked).toEqual([])
})
