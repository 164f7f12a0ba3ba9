import { defineConfig } from 'vitest/config'
import config from './vitest.config'

/** The failure campaigns at full length: `npm run test:faults`. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/faults/**/*.test.ts'],
    env: { FAULTS: 'long' },
    testTimeout: 3 * 3_600_000,
    disableConsoleIntercept: true,
    reporters: ['verbose'],
  },
})
