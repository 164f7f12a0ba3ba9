import { defineConfig } from 'vitest/config'
import config from './vitest.config'

/** Campaigns and fuzzing at full length: `npm run test:faults`, `npm run test:fuzz`. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/campaigns/**/*.test.ts'],
    env: { FAULTS: 'long' },
    testTimeout: 3 * 3_600_000,
    disableConsoleIntercept: true,
    reporters: ['verbose'],
  },
})
