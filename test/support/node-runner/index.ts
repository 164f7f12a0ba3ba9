/**
 * What test/support/runner takes from vitest, over `node:test`: Bun, Deno and Node for Windows run the tests of
 * test/behaviour with it (test/system/runtimes). test/system/runtimes/build.ts puts it in vitest's place. `expect` and
 * the spies are vitest's own, which need nothing of it.
 */
import '../equality'

export { expect } from './expect'
export { afterAll, afterEach, beforeAll, beforeEach, describe, onTestFinished, test } from './tests'
export { vi } from './vi'
