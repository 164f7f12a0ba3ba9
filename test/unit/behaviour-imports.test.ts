import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'

/** Modules of ours that a test of behaviour may import; its own folder is the last. */
const OURS = /^(?:app-secret-store(?:\/\w+)?|\.\.\/support\/(?:stores|runner|behaviour\/[\w-]+)|\.\/[\w-]+)$/
/** Modules of ours that these helpers may import: so they reach nothing of src except by the package's name. */
const OF_HELPERS = /^(?:app-secret-store|(?:\.\.?\/)(?:stores|runner))$/
/** Modules that run wherever the package does. */
const OTHERS = /^(?:node:[\w/]+|fast-check)$/

const folder = fromRoot('test/behaviour/')
const files = await readdir(folder)
const support = fromRoot('test/support/')
const helpers = ['stores.ts', ...(await readdir(`${support}behaviour`)).map((name) => `behaviour/${name}`)]

async function importsOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8')
  return [...text.matchAll(/\bfrom '([^']+)'|\bimport\(?\s*'([^']+)'/g)].map(([, from, other]) => from ?? other ?? '')
}

test.each(files)(
  'behaviour/%s imports the package by its name, stores, helpers and test functions from support, and no more',
  async (name) => {
    const imported = await importsOf(`${folder}${name}`)
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((module) => !OURS.test(module) && !OTHERS.test(module))).toEqual([])
  },
)

test.each(helpers)(
  'support/%s, which tests of behaviour import, imports the package by its name, too',
  async (name) => {
    const imported = await importsOf(`${support}${name}`)
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((module) => !OF_HELPERS.test(module) && !OTHERS.test(module))).toEqual([])
  },
)

test.each(files)('behaviour/%s gets every store from support/stores', async (name) => {
  const text = await readFile(`${folder}${name}`, 'utf8')
  expect(text).not.toMatch(/\bSecretStore\.(?:open|memory)\b/)
})

test('each verb has its file', () => {
  const verbs = [
    ...['open', 'close', 'memory', 'set', 'get', 'find', 'list', 'delete', 'batch', 'view', 'on', 'expiry', 'sweep'],
    ...['compact', 'verify', 'checkpoint', 'keys', 'rotate', 'status', 'backup', 'restore', 'recover'],
    ...['bad-input', 'model'],
  ]
  expect(verbs.filter((verb) => !files.includes(`${verb}.test.ts`))).toEqual([])
})
