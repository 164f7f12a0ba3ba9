import { defineConfig } from 'vitest/config'
import config from './vitest.config'

const HOUR_MS = 3_600_000

const { projects: _, ...shared } = config.test ?? {}

/** Campaigns and fuzzing at full length: `npm run test:faults`, `npm run test:fuzz`. */
export default defineConfig({
  ...config,
  test: {
    ...shared,
    include: ['test/campaigns/**/*.test.ts'],
    env: { FAULTS: 'long' },
    testTimeout: 12 * HOUR_MS,
    hookTimeout: HOUR_MS,
    disableConsoleIntercept: true,
    reporters: ['verbose'],
  },
})
