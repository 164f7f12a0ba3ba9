import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { start } from '../../support/cli-program'
import { flipped, readRow } from '../../support/raw-rows'
import { filesOf, temporaryDirectory } from '../../support/stores'

/** A store with two secrets, and how to use it. */
async function sample(): Promise<{
  at: string
  run: (...words: string[]) => Promise<[number | null, string, string]>
}> {
  const directory = await temporaryDirectory()
  const keyFile = join(directory, 'key')
  const at = join(directory, 'store')
  const run = async (...words: string[]): Promise<[number | null, string, string]> => {
    const { code, stdout, stderr } = await start(['--store', at, '--key-file', keyFile, ...words], {}).outcome
    return [code, stdout.toString(), stderr]
  }
  const { code, stderr } = await start(['--store', at, 'init', '--generate-key-file', keyFile], {}).outcome
  expect([code, stderr]).toEqual([0, expect.any(String)])
  for (const name of ['one', 'two']) {
    const { code } = await start(['--store', at, '--key-file', keyFile, 'set', name], { stdin: `p-${name}` }).outcome
    expect(code).toBe(0)
  }
  return { at, run }
}

test('what is left of a damaged store is recovered, and what is lost is named', async () => {
  const { at, run } = await sample()
  const whole = await run('recover', `${at}-whole`)
  expect(whole.slice(0, 2)).toEqual([0, expect.stringMatching(/recovered: 2 records, at .*; complete/)])

  const value = await readRow(at, Buffer.from('rt|account|one'))
  for (const [path, bytes] of await filesOf(at)) {
    const place = bytes.indexOf(value)
    if (place >= 0) await writeFile(join(at, path), flipped(bytes, place + 40))
  }
  const before = await readFile(join(at, 'keyring.json'))
  const [code, told] = await run('--json', 'recover', `${at}-rest`)
  expect(code).toBe(5)
  expect(JSON.parse(told)).toMatchObject({ complete: false, kept: 1, lost: [{ name: 'one' }], store: `${at}-rest` })
  expect(await readFile(join(at, 'keyring.json'))).toEqual(before)
  expect((await run('recover', `${at}-rest`))[0]).not.toBe(0)
}, 60_000)

test('where nothing is, that is said before anybody is asked for a key', async () => {
  const at = join(await temporaryDirectory(), 'nothing')
  const { code, stderr } = await start(['--store', at, 'recover', `${at}-new`], {}).outcome
  expect([code, stderr]).toEqual([1, expect.stringContaining(`there is no store at ${at}`)])
}, 60_000)

test('a store that does not open is verified as far as it goes, and recovered', async () => {
  const { at, run } = await sample()
  await truncate(join(at, 'data', 'CURRENT'))
  expect((await run('verify'))[0]).not.toBe(0)
  expect((await run('recover', `${at}-new`))[0]).toBe(0)
}, 60_000)
