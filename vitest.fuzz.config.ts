import { defineConfig } from 'vitest/config'
import config from './vitest.config'

/** Every decoder on millions of inputs: `npm run test:fuzz`. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/fuzz/**/*.test.ts'],
    env: { FAULTS: 'long' },
    testTimeout: 3 * 3_600_000,
    disableConsoleIntercept: true,
    reporters: ['verbose'],
  },
})
