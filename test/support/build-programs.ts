import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'
import { fromRoot } from './paths'

/** Names the directory of the built programs for every process of a run. */
export const PROGRAMS_VARIABLE = 'SECRET_STORE_TEST_PROGRAMS'

/** Packages with native parts, and packages that an app installs or not. */
const EXTERNAL = ['level', 'sodium-native', '@napi-rs/keyring']

/** The library under the names of its subpaths, for the programs that documents show. */
const LIBRARY: Readonly<Record<string, string>> = {
  'library/index': 'src/index.ts',
  'library/stripe': 'src/stripe/index.ts',
  'library/electron': 'src/electron/index.ts',
  'library/keyring': 'src/os-keyring/index.ts',
  'library/cache': 'src/cache/index.ts',
  'library/migrate': 'src/migrate/index.ts',
  'library/keytar': 'src/keytar/index.ts',
  'library/keyv': 'src/keyv/index.ts',
  'library/unstorage': 'src/unstorage/index.ts',
}

/** Some of the packages built in are CommonJS, and ask for parts of Node by `require`. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/** Where the built programs write what they ran, where that is wanted. */
export function coverageFolder(programs: string): string {
  return join(programs, 'coverage')
}

/**
 * A vitest global setup: builds everything that tests start as a process, once for a run. A start then takes a tenth of
 * the time that compiling at each start takes. Each run has a directory of its own, so that runs beside one another do
 * not meet.
 *
 * @returns Removes the directory.
 */
export default async function buildPrograms({ config }: TestProject): Promise<(() => Promise<void>) | undefined> {
  // Every project of a run asks for this; the first one builds.
  if (process.env[PROGRAMS_VARIABLE] !== undefined) return undefined
  // Inside the project, from where packages are found.
  const parent = fromRoot('output/programs')
  await mkdir(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, `${process.pid}-`))
  process.env[PROGRAMS_VARIABLE] = directory
  const isCovered = config.coverage.enabled && config.coverage.provider === 'custom'
  if (isCovered) await mkdir(coverageFolder(directory))
  const programs = (await readdir(fromRoot('test/support/programs'))).filter((name) => name.endsWith('.ts'))
  await build({
    entryPoints: {
      'secret-store': fromRoot('src/cli/bin.ts'),
      ...Object.fromEntries(Object.entries(LIBRARY).map(([name, path]) => [name, fromRoot(path)])),
      ...Object.fromEntries(programs.map((name) => [basename(name, '.ts'), fromRoot(`test/support/programs/${name}`)])),
    },
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    external: EXTERNAL,
    // Beside each file, and unknown to it: Node would copy it into what each process writes.
    sourcemap: isCovered && 'external',
    // As tsup has it.
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    // `app-secret-store` is the sources, by the paths in there.
    tsconfig: fromRoot('tsconfig.json'),
    absWorkingDir: fromRoot(),
    logLevel: 'error',
  })
  return async () => {
    delete process.env[PROGRAMS_VARIABLE]
    await rm(directory, { recursive: true, force: true })
  }
}
