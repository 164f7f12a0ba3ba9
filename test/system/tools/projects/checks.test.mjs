/** The checks as tests of jest or vitest, both of which give `test` as a global. HOLDER is the path of program.mjs. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checks } from './checks.mjs'

for (const [name, check] of Object.entries(checks)) {
  globalThis.test(name, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-store-check-'))
    try {
      await check({ folder, holder: process.env.HOLDER })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}
