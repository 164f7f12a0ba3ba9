import * as vitest from 'vitest'
import type { keyv } from '../../../src/keyv/index'
import type { Installed } from './installed'

type Suite = (test: typeof vitest, Keyv: unknown, store: () => unknown) => void

/** The tests that Keyv has for its storage adapters, as they are on npm: of Keyv 5. */
export async function keyvSuite(installed: Installed): Promise<Record<'keyvTestSuite' | 'keyvIteratorTests', Suite>> {
  const suite = (await installed.load('@keyv/test-suite')) as { default: Suite; keyvIteratorTests: Suite }
  return { keyvTestSuite: suite.default, keyvIteratorTests: suite.keyvIteratorTests }
}

export async function keyv5Cases(installed: Installed, adapter: () => ReturnType<typeof keyv>): Promise<void> {
  const { default: Keyv } = (await installed.load('keyv')) as { default: unknown }
  const { keyvTestSuite, keyvIteratorTests } = await keyvSuite(installed)
  keyvTestSuite(vitest, Keyv, adapter)
  keyvIteratorTests(vitest, Keyv, adapter)
}
