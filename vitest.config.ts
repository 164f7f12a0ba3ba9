import { defineConfig } from 'vitest/config'

export default defineConfig({
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
