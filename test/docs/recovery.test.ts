import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const fromRoot = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const blocks = readmeBlocks(await readFile(fromRoot('docs/recovery.md'), 'utf8'))

test.each(blocks)('the program of docs/recovery.md at line $line runs and prints what it says', async ({ code }) => {
  const directory = await temporaryDirectory()
  const here = join(directory, 'here')
  await mkdir(here)
  const program = join(directory, 'program.mts')
  await writeFile(program, code.replaceAll("'app-secret-store'", `'${fromRoot('src/index.ts').href}'`))
  const args = ['--import', import.meta.resolve('tsx'), program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: here })
  expect(stdout.trimEnd().split('\n')).toEqual(expectedOutput(code))
})
