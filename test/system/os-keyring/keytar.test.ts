import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { account, SecretStore } from '../../../src/index'
import { importFrom, type KeytarLike, keytar } from '../../../src/migrate'
import { KeyringSession, NO_SESSION } from '../../support/keyring-session'
import { builtProgram } from '../../support/programs'

const keytarOf = (found: unknown): KeytarLike => ({ findCredentials: async () => found as never })

describe('the passwords of a service', () => {
  test('are secrets by their accounts', async () => {
    const asked: string[] = []
    const library: KeytarLike = {
      async findCredentials(service) {
        asked.push(service)
        return [
          { account: 'alice', password: 'of alice' },
          { account: 'bob', password: '' },
        ]
      },
    }
    const store = SecretStore.memory()
    const { entries } = await importFrom(keytar({ service: 'my-app', keytar: library }), store)
    expect(asked).toEqual(['my-app'])
    expect(entries).toEqual([
      { from: 'alice', name: 'alice', scope: account, outcome: 'created' },
      {
        from: 'bob',
        name: 'bob',
        scope: account,
        outcome: 'failed',
        reason: 'payload: expected at least one byte, got none',
      },
    ])
    expect(await store.get({ scope: account, name: 'alice' })).toBe('of alice')
  })

  test('that are none are reported, each by itself', async () => {
    const found = [{ account: 'alice' }, { password: 'x' }, null, { account: 'bob', password: 'x' }]
    const { entries } = await importFrom(keytar({ service: 's', keytar: keytarOf(found) }), SecretStore.memory())
    expect(entries.map(({ from, outcome, reason }) => [from, outcome, reason])).toEqual([
      ['alice', 'failed', 'password: expected text, got something else'],
      ['', 'failed', 'account: expected text, got something else'],
      ['', 'failed', 'account: expected text, got something else'],
      ['bob', 'created', undefined],
    ])
  })

  test('of a keychain that cannot be read are no import at all', async () => {
    const cause = new Error('The name org.freedesktop.secrets was not provided by any .service files')
    const failing = [() => Promise.reject(cause), () => { throw cause }] // biome-ignore format: one line
    for (const findCredentials of failing) {
      const importing = importFrom(keytar({ service: 's', keytar: { findCredentials } }), SecretStore.memory())
      await expect(importing).rejects.toMatchObject({
        code: 'ERR_IO',
        message: 'keytar: expected to read the keychain, got an error from it',
        cause,
      })
    }
    await expect(importFrom(keytar({ service: 's', keytar: keytarOf('x') }), SecretStore.memory())).rejects.toThrow(
      new TypeError('keytar: expected a list of credentials, got something else'),
    )
  })

  test.each<[object, string]>([
    [{ service: 's' }, 'keytar: expected the module keytar, got something else'],
    [{ service: 's', keytar: {} }, 'keytar: expected the module keytar, got something else'],
    [{ keytar: keytarOf([]) }, 'service: expected a string, got undefined'],
    [{ service: '', keytar: keytarOf([]) }, 'service: expected at least one character, got none'],
    [{ service: 's', module: 1 }, "keytar: expected only service, keytar, got 'module'"],
  ])('are asked for with %j, which is refused', (options, message) => {
    expect(() => keytar(options as never)).toThrow(new TypeError(message))
  })
})

describe('a real keyring', () => {
  test('gives what @napi-rs/keyring/keytar has set, and on Linux nothing of what keytar itself has', async (context) => {
    if (NO_SESSION !== undefined) return context.skip(NO_SESSION)
    if (spawnSync('sh', ['-c', 'command -v secret-tool']).status !== 0) {
      if (process.env['REQUIRE_KEYRING']) throw new Error('not installed: secret-tool')
      console.warn(`skipped: ${context.task.name}: not installed: secret-tool`)
      return context.skip('not installed: secret-tool')
    }
    const session = await KeyringSession.start('unlocked')
    const run = async (command: string): Promise<string> =>
      (await promisify(execFile)('sh', ['-c', command], { env: session.env })).stdout
    // The schema and attributes of keytar 7.9.0 on Linux.
    await run("printf %s 'of alice' | secret-tool store --label my-app/alice service my-app account alice")
    const output = await run(`'${process.execPath}' '${builtProgram('keyring-import')}' my-app`)
    const { before, reports, after, payloads } = JSON.parse(output)
    expect(reports.map(({ created, unchanged }: Record<string, number>) => [created, unchanged])).toEqual([
      [2, 0],
      [0, 2],
    ])
    expect(payloads).toEqual({ bob: 'of bob', 'bob@example.com': 'pässword 😀\nin two lines' })
    expect(before).toContain('of alice')
    expect(after).toEqual(before)
  })
})
