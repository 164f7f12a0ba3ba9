import { existsSync, statfsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const MINUTE_MS = 60_000

const QUICK = ['unit', 'behaviour', 'contract', 'attacks', 'format', 'support']
/** Files of the quick suite that exchange modules. All others of it share one copy of the sources in each worker. */
const EXCHANGE_MODULES = [
  'test/attacks/{backup,folders,keyring,keys-in-memory}.test.ts',
  'test/contract/aead.test.ts',
  'test/unit/care/index.test.ts',
  'test/unit/care/rekey/*.test.ts',
  'test/unit/errors.test.ts',
  'test/unit/cli/transcripts.test.ts',
  'test/unit/platform/file-systems.test.ts',
  'test/unit/keys/keys.test.ts',
  'test/unit/opening/reach-owner.test.ts',
  'test/unit/os-keyring/os-keyring.test.ts',
]
const included = (folders: readonly string[]): string[] => folders.map((folder) => `test/${folder}/**/*.test.ts`)

/** Stores of the quick suite are made by the thousand: they lie in memory where there is room, or where TMPDIR says. */
const MEMORY_DISK = '/dev/shm'
const ROOM_BYTES = 2 ** 28

function quickEnvironment(): Record<string, string> {
  if (process.env['TMPDIR'] !== undefined || !existsSync(MEMORY_DISK)) return {}
  const { bavail, bsize } = statfsSync(MEMORY_DISK)
  return bavail * bsize < ROOM_BYTES ? {} : { TMPDIR: MEMORY_DISK }
}
const env: Record<string, string> = quickEnvironment()

/** No test is to fail on a slow machine: a limit only ends a run that hangs. */
function project(
  name: string,
  include: string[],
  timeoutMs: number,
  more: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      include,
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      ...more,
    },
  }
}

/** `npm test`, `npm run test:system` and `npm run test:campaigns` are a project each (docs/testing.md). */
export default defineConfig({
  // Tests of behaviour and the command line use the library by its name.
  resolve: {
    alias: [
      { find: /^app-secret-store\/keyring$/, replacement: source('src/os-keyring/index.ts') },
      {
        find: /^app-secret-store\/(stripe|electron|cache|migrate|keytar|keyv|unstorage)$/,
        replacement: source('src/$1/index.ts'),
      },
      { find: /^app-secret-store$/, replacement: source('src/index.ts') },
    ],
  },
  test: {
    globalSetup: source('test/support/build-programs.ts'),
    setupFiles: [source('test/support/equality.ts'), source('test/support/coverage-of-programs.ts')],
    // Two cores, and the disk: tests wait for it a good part of their time.
    maxWorkers: 3,
    projects: [
      project('quick', included(QUICK), 10 * MINUTE_MS, { exclude: EXCHANGE_MODULES, isolate: false, env }),
      project('quick-isolated', EXCHANGE_MODULES, 10 * MINUTE_MS, { env }),
      project('system', included(['system', 'docs']), 10 * MINUTE_MS),
      project('campaigns', included(['campaigns']), 60 * MINUTE_MS, {
        env: { FAULTS: process.env['FAULTS'] ?? 'short' },
      }),
    ],
    // Of the quick suite. That of all suites has all of src, what programs run, and a higher threshold (package.json).
    coverage: {
      include: ['src/**'],
      exclude: ['src/{cli,electron,os-keyring}/**'],
      reporter: ['text'],
      thresholds: { lines: 93 },
    },
    typecheck: { enabled: false },
  },
})
