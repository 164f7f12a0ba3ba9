import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { account, rawKey, SecretStore } from '../../../src/index'
import { run, shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

let directory: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await temporaryDirectory()
  env = { SECRET_STORE: join(directory, 'store'), HOME: directory }
})

/** A store of a secret `café`, and its key file. */
async function fill(): Promise<string> {
  const key = new Uint8Array(32).fill(7)
  const store = await SecretStore.open(join(directory, 'store'), { key: rawKey(key) })
  await store.view({ livemode: false }).set({ scope: account, name: 'caf\ufffd', payload: 'kept' })
  await store.close()
  await shell(`head -c 32 /dev/zero | tr '\\0' '\\7' >${directory}/key; chmod 600 ${directory}/key`)
  return `--key-file ${directory}/key`
}

describe.skipIf(process.platform !== 'linux')('bytes that are no UTF-8', () => {
  test.each([
    ["set $'caf\\xe8' <<<x", "argument 2: expected UTF-8, got 'caf\\xe8'"],
    ["get $'caf\\xe9'", "argument 2: expected UTF-8, got 'caf\\xe9'"],
    ["list --user=$'\\xff'", "argument 2: expected UTF-8, got '--user=\\xff'"],
    ["backup $'\\xff'", "argument 2: expected UTF-8, got '\\xff'"],
    ["run -- echo $'\\xe8'", "argument 2 after --: expected UTF-8, got '\\xe8'"],
  ])('in %s', async (line, message) => {
    const key = await fill()
    const { code, stderr } = await shell(`cd ${directory}; secret-store ${key} ${line}`, env)
    const at = message.replace(/\d/, (n) => `${line.startsWith('run') ? n : Number(n) + 2}`)
    expect({ code, error: stderr.split('\n')[0] }).toEqual({ code: 2, error: `error: ${at}` })
    const { stdout } = await shell(`secret-store ${key} get $'caf\\ufffd'`, { ...env, LC_ALL: 'C.UTF-8' })
    expect(stdout.toString()).toBe('kept')
  })

  test('U+FFFD is a character like others', async () => {
    const key = await fill()
    expect((await run([...key.split(' '), 'get', 'caf\ufffd'], { env })).stdout.toString()).toBe('kept')
  })

  test.each(['SECRET_STORE_PASSPHRASE', 'SECRET_STORE', 'HOME', 'XDG_DATA_HOME'])('in %s', async (name) => {
    const own: Record<string, string> = { HOME: directory, SECRET_STORE_PASSPHRASE: 'x' }
    if (name === 'SECRET_STORE_PASSPHRASE') own['SECRET_STORE'] = join(directory, 'new')
    const { code, stderr } = await shell(`export ${name}=$'${directory}/\\xe8'; secret-store init --quiet`, own)
    expect({ code, error: stderr.split('\n')[0] }).toEqual({
      code: 2,
      error: `error: the variable ${name}: expected UTF-8, got other bytes`,
    })
    expect(await readdir(directory)).toEqual([])
  })

  test('are seen behind the arguments of Node, and refused by U+FFFD where a title hides them', async () => {
    const key = await fill()
    const titled = await shell(`secret-store ${key} get $'caf\\xe9'`, { ...env, NODE_OPTIONS: '--title=x' })
    expect(titled).toMatchObject({ code: 2 })
    expect(titled.stderr).toContain("argument 4: expected UTF-8, got 'caf\ufffd'")
    const plain = await shell(`secret-store ${key} get $'caf\\xe9'`, { ...env, NODE_OPTIONS: '--no-warnings' })
    expect(plain.stderr).toContain("argument 4: expected UTF-8, got 'caf\\xe9'")
  })
})
