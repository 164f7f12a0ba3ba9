import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fromRoot } from '../support/paths'
import { runShown } from '../support/shown-programs'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const blocks = readmeBlocks(await readFile(fromRoot('docs/recovery.md'), 'utf8'))

test.each(blocks)('the program of docs/recovery.md at line $line runs and prints what it says', async ({ code }) => {
  const directory = await temporaryDirectory()
  const here = join(directory, 'here')
  await mkdir(here)
  expect(await runShown(code, here, { directory })).toEqual(expectedOutput(code))
})
