import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import config from './vitest.config'

/**
 * What the mutants of a folder are run against: its fast tests, none of which starts a process. The first that fails ends
 * a mutant's run, so those of the smallest parts come first. `MUTATE` names the folder; without it, all are run.
 */
const TESTS: Readonly<Record<string, string>> = {
  format: 'format format-example stream',
  crypto: 'crypto keys-in-memory stream recovery-code aead portable-scrypt',
  expiry: 'timer sweep expiry',
  storage:
    'sorted replacement keyspace walk tally system keyring-storage records transaction commit-queue engine level-engine ' +
    'commit location store known-records',
}

const folder: string | undefined = process.env['MUTATE']
const chosen: readonly (string | undefined)[] = folder === undefined ? Object.values(TESTS) : [TESTS[folder]]
const files: readonly string[] = [...new Set(chosen.join(' ').split(' '))].map((name) => `test/${name}.test.ts`)

class InThisOrder extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => files.findIndex((file) => moduleId.endsWith(`/${file}`))
    return [...specifications].sort((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: [...files],
    // Random inputs are the same every time, so that a mutant's fate is too.
    setupFiles: ['test/support/fixed-seed.ts'],
    sequence: { sequencer: InThisOrder },
  },
})
