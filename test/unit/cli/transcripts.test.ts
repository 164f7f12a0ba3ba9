import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { fromRoot } from '../../support/paths'
import { temporaryDirectory } from '../../support/stores'
import { Machine, parseTranscript, rewrite } from './transcript'

const folder = fromRoot('test/unit/cli/transcripts')
// New passphrases at the least cost: what the command line says of one does not depend on it.
vi.mock('../../../src/keys/passphrase', async (original) => {
  const real = await original<typeof import('../../../src/keys/passphrase')>()
  const passphrase: typeof real.passphrase = (secret, options = {}) =>
    real.passphrase(secret, { ...(options.kdf === 'argon2id' ? { m: 19_456, t: 2 } : { N: 16_384 }), ...options })
  return { ...real, passphrase }
})

/** Set to write down what commands do now. What then differs is read in the diff. */
const isRecording = process.env['RECORD_TRANSCRIPTS'] === '1'

describe.each(await readdir(folder))('%s', (name) => {
  test('is what happens', async () => {
    const path = join(folder, name)
    const machine = new Machine(await temporaryDirectory())
    const outcomes: string[] = []
    const expected: string[] = []
    for (const step of parseTranscript(await readFile(path, 'utf8'))) {
      await machine.prepare(step.before)
      outcomes.push(`$ ${step.command}\n${await machine.run(step)}`)
      expected.push(`$ ${step.command}\n${step.expected}`)
    }
    if (isRecording) {
      await rewrite(
        path,
        outcomes.map((outcome) => outcome.replace(/^.*\n/, '')),
      )
      return
    }
    expect(outcomes.length).toBeGreaterThan(0)
    expect(outcomes.join('')).toBe(expected.join(''))
  })
})
