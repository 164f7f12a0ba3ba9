import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

/** Modules of ours that a test of behaviour may import; its own folder is the fourth. */
const OURS = /^(?:app-secret-store(?:\/\w+)?|\.\.\/support\/(?:stores|runner)|\.\/[\w-]+)$/
/** Modules that run wherever the package does. */
const OTHERS = /^(?:node:[\w/]+|fast-check)$/

const folder = fromRoot('test/behaviour/')
const files = await readdir(folder)

test.each(files)(
  'behaviour/%s imports the package by its name, stores and test functions from support, and no more',
  async (name) => {
    const text = await readFile(`${folder}${name}`, 'utf8')
    const imported = [...text.matchAll(/\bfrom '([^']+)'|\bimport\(?\s*'([^']+)'/g)].map(
      ([, from, other]) => from ?? other ?? '',
    )
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((module) => !OURS.test(module) && !OTHERS.test(module))).toEqual([])
  },
)

test.each(files)('behaviour/%s gets every store from support/stores', async (name) => {
  const text = await readFile(`${folder}${name}`, 'utf8')
  expect(text).not.toMatch(/\bSecretStore\.(?:open|memory)\b/)
})

test('each verb has its file', () => {
  for (const verb of [
    'open',
    'close',
    'set',
    'get',
    'find',
    'list',
    'delete',
    'batch',
    'view',
    'on',
    'expiry',
    'sweep',
  ]) {
    expect(files).toContain(`${verb}.test.ts`)
  }
  for (const verb of ['verify', 'checkpoint', 'keys', 'rotate', 'backup', 'restore', 'recover', 'bad-input', 'model']) {
    expect(files).toContain(`${verb}.test.ts`)
  }
})
