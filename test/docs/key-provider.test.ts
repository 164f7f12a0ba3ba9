import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/stores'
import { expectedOutput, readmeBlocks } from '../system/package/readme-blocks.mjs'

const fromRoot = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const page = await readFile(fromRoot('docs/key-provider.md'), 'utf8')

test.each(readmeBlocks(page))(
  'the program of docs/key-provider.md at line $line prints what it says',
  async ({ code }) => {
    const directory = await temporaryDirectory()
    const program = join(directory, 'program.mjs')
    await writeFile(program, code.replaceAll("'app-secret-store'", `'${fromRoot('src/index.ts').href}'`))
    const args = ['--import', import.meta.resolve('tsx'), program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory })
    expect(expectedOutput(code)).not.toEqual([])
    expect(stdout.trimEnd().split('\n')).toEqual(expectedOutput(code))
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
