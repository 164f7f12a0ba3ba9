import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  // The command line uses the library by its name.
  resolve: {
    alias: [
      { find: /^app-secret-store\/(stripe|electron|keyring|cache|migrate)$/, replacement: source('src/$1/index.ts') },
      { find: /^app-secret-store$/, replacement: source('src/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Left to itself it takes one core fewer than there are, which on two is no parallel run at all.
    maxWorkers: 2,
    coverage: { include: ['src/**'], reporter: ['text'], thresholds: { lines: 95 } },
    typecheck: { enabled: false },
  },
})
