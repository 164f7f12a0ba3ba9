import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import config from './vitest.config'

/**
 * What the mutants of a folder of src are run against: its own tests, in the folder of the same path below test/unit, and
 * the tests of everything built of it. The first test that fails ends a mutant's run, so the folder's own tests come
 * first. `MUTATE` names the folder.
 */
const folder: string | undefined = process.env['MUTATE']
const own: readonly string[] = (folder === undefined ? ['base', 'format', 'crypto', 'storage', 'verbs'] : [folder]).map(
  (name) => `test/unit/${name}`,
)
const others: readonly string[] = ['test/format', 'test/contract', 'test/behaviour']
const folders: readonly string[] = [...own, ...others].filter((path) =>
  existsSync(fileURLToPath(new URL(path, import.meta.url))),
)

class InThisOrder extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      folders.findIndex((path) => moduleId.includes(`/${path}/`))
    return [...specifications].sort((a, b) => place(a) - place(b))
  }
}

const { projects: _, ...shared } = config.test ?? {}

export default defineConfig({
  ...config,
  test: {
    ...shared,
    include: folders.map((path) => `${path}/**/*.test.ts`),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Random inputs are the same every time, so that a mutant's fate is too.
    setupFiles: ['test/support/fixed-seed.ts'],
    sequence: { sequencer: InThisOrder },
  },
})
