import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import config from './vitest.config'

/**
 * What mutants are run against: the fast tests of format, crypto, expiry and storage, none of which starts a process.
 * The first that fails ends a mutant's run, so those of the smallest parts come first.
 */
const TESTS: readonly string[] = [
  ...[
    'format',
    'format-example',
    'sorted',
    'changes',
    'crypto',
    'keys-in-memory',
    'aead',
    'stream',
    'recovery-code',
    'keyspace',
  ],
  ...['engine', 'commit', 'expiry', 'location', 'known-records', 'known-reads', 'checkpoints', 'store'],
]

class InThisOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => PATHS.findIndex((path) => moduleId.endsWith(path))
    return [...files].sort((a, b) => place(a) - place(b))
  }
}

const PATHS: readonly string[] = TESTS.map((name) => `/test/${name}.test.ts`)

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: TESTS.map((name) => `test/${name}.test.ts`),
    // Random inputs are the same every time, so that a mutant's fate is too.
    setupFiles: ['test/fixed-seed.ts'],
    sequence: { sequencer: InThisOrder },
  },
})
