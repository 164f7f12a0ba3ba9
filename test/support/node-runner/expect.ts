import {
  ASYMMETRIC_MATCHERS_OBJECT,
  addCustomEqualityTesters,
  chai,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect'
import type { ExpectStatic } from 'vitest'

chai.use(JestExtend)
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)

const globals = globalThis as unknown as Record<symbol, object>

/** vitest's own, as vitest puts it together, without what hangs on its runner (`poll`, `soft`, snapshots). */
export const expect: ExpectStatic = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  globals[ASYMMETRIC_MATCHERS_OBJECT],
  { addEqualityTesters: addCustomEqualityTesters },
) as unknown as ExpectStatic

setState({ assertionCalls: 0 }, expect)
globals[GLOBAL_EXPECT] = expect
