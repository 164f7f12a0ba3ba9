import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const page = await readFile(fromRoot('docs/key-provider.md'), 'utf8')

test.each(readmeBlocks(page))(
  'the program of docs/key-provider.md at line $line prints what it says',
  async ({ code }) => {
    expect(expectedOutput(code)).not.toEqual([])
    expect(await runShown(code, await temporaryDirectory())).toEqual(expectedOutput(code))
  },
)

test('docs/key-provider.md has two programs, and names every member of KeyProvider', async () => {
  expect(readmeBlocks(page)).toHaveLength(2)
  const source = await readFile(fromRoot('src/keys/provider.ts'), 'utf8')
  const members = [...source.matchAll(/^ {2}(?:readonly )?(\w+)\??[(:]/gm)].map(([, name]) => name)
  expect(members).toContain('unwrap')
  const named = [...page.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name)
  expect(named.sort()).toEqual(members.sort())
})
