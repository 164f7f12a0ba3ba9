import { spawnSync } from 'node:child_process'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { programsDirectory } from '../../support/programs'
import { temporaryDirectory } from '../../support/stores'

/** A package that says on stdout that it was loaded. */
async function plant(folder: string, name: string): Promise<void> {
  const place = join(folder, 'node_modules', name)
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'package.json'), JSON.stringify({ name, version: '9.9.9', main: 'index.js' }))
  await writeFile(
    join(place, 'index.js'),
    "process.stdout.write('PLANTED\\n'); module.exports = { AsyncEntry: class {} }",
  )
}

/** An app with the built library in it, and without its optional packages. */
async function app(): Promise<{ readonly root: string; readonly above: string }> {
  const above = await temporaryDirectory()
  const root = join(above, 'app')
  await mkdir(join(root, 'node_modules'), { recursive: true })
  await writeFile(join(root, 'package.json'), '{"name":"app","type":"module"}')
  await cp(programsDirectory(), join(root, 'dist'), { recursive: true })
  for (const name of await readdir(fromRoot('node_modules'))) {
    if (name === '@napi-rs' || name === 'sodium-native') continue
    await symlink(fromRoot(`node_modules/${name}`), join(root, 'node_modules', name))
  }
  return { root, above }
}

function start(root: string, args: readonly string[], nodePath?: string): string {
  const { PATH = '' } = process.env
  const env = { PATH, HOME: root, SECRET_STORE: join(root, 'store'), ...(nodePath && { NODE_PATH: nodePath }) }
  const { stdout, stderr } = spawnSync(process.execPath, [...args], { cwd: root, env, encoding: 'utf8' })
  return stdout + stderr
}

const PROGRAM = `
  import { SecretStore } from './dist/library/index.mjs'
  import { osKeyring } from './dist/library/keyring.mjs'
  const key = osKeyring({ service: 'a', account: 'b' })
  await SecretStore.open('./store', { key }).catch((error) => console.log(error.code))
  await SecretStore.memory().close()`

describe('an optional package', () => {
  test.each(['above the app', 'in NODE_PATH'])('that somebody planted %s is not loaded', async (where) => {
    const { root, above } = await app()
    const folder = where === 'in NODE_PATH' ? await temporaryDirectory() : above
    for (const name of ['@napi-rs/keyring', 'sodium-native']) await plant(folder, name)
    const nodePath = where === 'in NODE_PATH' ? join(folder, 'node_modules') : undefined
    await writeFile(join(root, 'main.mjs'), PROGRAM)
    expect(start(root, ['main.mjs'], nodePath)).toBe('ERR_NO_KEYRING\n')
    const told = start(root, ['dist/secret-store.mjs', 'init', '--keyring'], nodePath)
    expect(told).toContain('expected @napi-rs/keyring to be installed')
    expect(told).not.toContain('PLANTED')
  })

  test('of the app itself is loaded', async () => {
    const { root } = await app()
    await plant(root, '@napi-rs/keyring')
    await writeFile(join(root, 'main.mjs'), PROGRAM)
    expect(start(root, ['main.mjs'])).toContain('PLANTED')
  })
})
