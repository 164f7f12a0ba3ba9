import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { account } from 'app-secret-store'
import { decodeDotenv } from 'app-secret-store/migrate'
import { describe, expect, test } from '../../../support/runner'
import { openStore, temporaryDirectory } from '../../../support/stores'
import { RUN } from './started'

const PACKAGE = dirname(createRequire(import.meta.url).resolve('app-secret-store/package.json'))
const PROGRAM = join(PACKAGE, 'dist', 'cli.cjs')
const KEY = Buffer.alloc(32, 7)

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line in this runtime. What it writes goes to files: Wine has trouble with pipes there. */
async function secretStore(directory: string, args: readonly string[], stdin = ''): Promise<Ended> {
  const [output, errors] = [join(directory, 'stdout'), join(directory, 'stderr')]
  const descriptors = [openSync(output, 'w'), openSync(errors, 'w')] as const
  const store = join(directory, 'secrets')
  const { status } = spawnSync(process.execPath, [...RUN, PROGRAM, ...args, '--store', store], {
    stdio: ['pipe', ...descriptors],
    input: stdin,
    cwd: directory,
  })
  for (const descriptor of descriptors) closeSync(descriptor)
  return { status, stdout: await readFile(output, 'utf8'), stderr: await readFile(errors, 'utf8') }
}

describe('lines that end in CR LF', () => {
  const text = 'A=1\n# a comment\nB="two\nlines"\nexport C=\'three\'\n\nD=4 # and more\n'

  test('are as those that end in LF to decodeDotenv', () => {
    const decoded = decodeDotenv(text)
    expect(decoded).toHaveLength(4)
    expect(decodeDotenv(text.replaceAll('\n', '\r\n'))).toEqual(decoded)
  })

  test.each([
    ['hexadecimal', KEY.toString('hex')],
    ['base64', KEY.toString('base64')],
  ])('are taken by the command line in a .env and in a key file in %s', async (_, key) => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'key'), `${key}\r\n`, { mode: 0o600 })
    await writeFile(join(directory, '.env'), text.replaceAll('\n', '\r\n'))
    const withKey = ['--key-file', join(directory, 'key')]
    expect(await secretStore(directory, ['init', '--quiet', ...withKey])).toMatchObject({ status: 0, stderr: '' })
    expect(await secretStore(directory, ['import', '.env', ...withKey])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('4 created'),
    })
    expect(await secretStore(directory, ['get', 'B', ...withKey])).toEqual({
      status: 0,
      stdout: 'two\nlines',
      stderr: '',
    })
    const store = await openStore(join(directory, 'secrets'))
    expect(await store.get({ scope: account, name: 'C' })).toBe('three')
  })

  test('end a passphrase that the command line reads, and are no part of it', async () => {
    const directory = await temporaryDirectory()
    const typed = 'gibbon radish tundra'
    const made = await secretStore(directory, ['init', '--quiet', '--passphrase-fd', '0'], `${typed}\r\n`)
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(await secretStore(directory, ['verify', '--passphrase-fd', '0'], typed)).toMatchObject({ status: 0 })
    expect(await secretStore(directory, ['verify', '--passphrase-fd', '0'], `${typed}\r`)).not.toMatchObject({
      status: 0,
    })
  })
})
