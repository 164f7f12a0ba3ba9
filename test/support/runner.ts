/**
 * The test functions of test/behaviour, which takes them from nowhere else: these files are to run where there is no
 * vitest, over `node:test`.
 */
export { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
export { Draws } from './campaign'
export { atLength } from './lengths'
export { eventually, newGate, turnOfLoop } from './waiting'
