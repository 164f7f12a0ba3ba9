import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

const program = join(dirname(createRequire(import.meta.url).resolve('typedoc/package.json')), 'bin/typedoc')

/** Each entry of package.json, and the folder or file of its sources. */
const SOURCES: Readonly<Record<string, string>> = {
  '.': 'src/index.ts',
  './stripe': 'src/stripe/index.ts',
  './electron': 'src/electron/index.ts',
  './electron/preload': 'src/electron/preload.ts',
  './electron/expose': 'src/electron/expose.ts',
  './keyring': 'src/os-keyring/index.ts',
  './cache': 'src/cache/index.ts',
  './migrate': 'src/migrate/index.ts',
  './keytar': 'src/keytar/index.ts',
  './keyv': 'src/keyv/index.ts',
  './unstorage': 'src/unstorage/index.ts',
}

test('the API reference has every entry of the package', async () => {
  const { exports } = JSON.parse(await readFile(fromRoot('package.json'), 'utf8'))
  const { entryPoints } = JSON.parse(await readFile(fromRoot('typedoc.json'), 'utf8'))
  expect(Object.keys(SOURCES)).toEqual(Object.keys(exports).filter((entry) => entry !== './package.json'))
  expect(entryPoints).toEqual(Object.values(SOURCES))
})

test('nothing exported lacks a description, and no link is dead', async () => {
  // What it would warn of is an error (typedoc.json), with which the program ends.
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, '--emit', 'none'], {
    cwd: fromRoot(),
  })
  expect(stdout + stderr).not.toMatch(/warning|error/i)
})
