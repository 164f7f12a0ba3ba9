import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { npmProject, runNode, useWorkplace } from './workplace'

// The declarations under each TypeScript that is in use, with `skipLibCheck: false`: a mistake in them is an app's mistake.

/** Not below the tools, where types of Node would be found. */
let folder: string
let project: string

const place = useWorkplace(async (ready) => {
  folder = await mkdtemp(join(tmpdir(), 'secret-store-types-'))
  project = await npmProject({ ...ready, folder }, 'types')
})

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

const VERSIONS = ['5.4', '5.9', '6', '7']
const RESOLUTIONS = { node10: 'commonjs', node16: 'node16', bundler: 'esnext' } as const
type Resolution = keyof typeof RESOLUTIONS

/** What TypeScript has to say of a file. */
async function compile(version: string, moduleResolution: Resolution, file: string, more: object): Promise<string> {
  const compilerOptions = {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    target: 'es2022',
    module: RESOLUTIONS[moduleResolution],
    moduleResolution,
    // TypeScript 6 warns of node10.
    ...(version === '6' && moduleResolution === 'node10' && { ignoreDeprecations: '6.0' }),
    ...more,
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [`types/${file}`] }))
  const { status, output } = await runNode(project, [join(place().tools, `typescript-${version}/bin/tsc`), '-p', '.'])
  return `${status}${output}`
}

const CASES = VERSIONS.flatMap((version) =>
  (Object.keys(RESOLUTIONS) as Resolution[])
    // TypeScript 7 has it no more.
    .filter((resolution) => version !== '7' || resolution !== 'node10')
    .map((resolution) => [version, resolution] as const),
)

test.each(CASES)('TypeScript %s, %s, lib es2022, without types of Node', async (version, resolution) => {
  expect(await compile(version, resolution, 'use.ts', { lib: ['es2022'], types: [] })).toBe('0')
})

test.each(VERSIONS)('TypeScript %s, with the types of a page', async (version) => {
  expect(await compile(version, 'bundler', 'use.ts', { lib: ['es2022', 'dom'], types: [] })).toBe('0')
})

test.each(VERSIONS.slice(1))('TypeScript %s, with the types of Node, and `await using`', async (version) => {
  const node = { typeRoots: [join(place().tools, '@types')], types: ['node'] }
  const more = { lib: ['es2022', 'esnext.disposable'], ...node }
  expect(await compile(version, 'node16', 'use-disposable.ts', more)).toBe('0')
})

test('a mistake is found', async () => {
  await writeFile(join(project, 'types/mistake.ts'), "import { none } from 'app-secret-store'\nexport { none }\n")
  expect(await compile('5.9', 'bundler', 'mistake.ts', { lib: ['es2022'], types: [] })).toContain('TS2305')
})
