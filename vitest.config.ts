import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    coverage: { include: ['src/**'], reporter: ['text'], thresholds: { lines: 95 } },
    typecheck: { enabled: false },
  },
})
