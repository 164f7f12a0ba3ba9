import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const MINUTE_MS = 60_000

/** No test is to fail on a slow machine: a limit only ends a run that hangs. */
function project(
  name: string,
  folders: readonly string[],
  timeoutMs: number,
  env: Readonly<Record<string, string>> = {},
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      env,
    },
  }
}

/** `npm test`, `npm run test:system` and `npm run test:campaigns` are a project each (docs/testing.md). */
export default defineConfig({
  // Tests of behaviour and the command line use the library by its name.
  resolve: {
    alias: [
      { find: /^app-secret-store\/keyring$/, replacement: source('src/os-keyring/index.ts') },
      { find: /^app-secret-store\/(stripe|electron|cache|migrate)$/, replacement: source('src/$1/index.ts') },
      { find: /^app-secret-store$/, replacement: source('src/index.ts') },
    ],
  },
  test: {
    globalSetup: source('test/support/build-programs.ts'),
    // Left to itself it takes one core fewer than there are, which on two is no parallel run at all.
    maxWorkers: 2,
    projects: [
      project('quick', ['unit', 'behaviour', 'contract', 'attacks', 'format', 'support'], 10 * MINUTE_MS),
      project('system', ['system', 'docs'], 10 * MINUTE_MS),
      project('campaigns', ['campaigns'], 60 * MINUTE_MS, { FAULTS: process.env['FAULTS'] ?? 'short' }),
    ],
    // Of the quick suite. That of all suites has all of src, and a higher threshold (package.json).
    coverage: {
      include: ['src/**'],
      exclude: ['src/{cli,electron,os-keyring}/**'],
      reporter: ['text'],
      thresholds: { lines: 93 },
    },
    typecheck: { enabled: false },
  },
})
