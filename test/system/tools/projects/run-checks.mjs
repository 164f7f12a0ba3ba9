import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checks } from './checks.mjs'

/**
 * Runs all checks, and prints how many there were.
 *
 * @param {string} holder - A program that keeps a store open, given `hold` and its location.
 * @returns {Promise<number>} How many failed.
 */
export async function runChecks(holder) {
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    const folder = await mkdtemp(join(tmpdir(), 'secret-store-check-'))
    try {
      await check({ folder, holder })
    } catch (error) {
      failed++
      console.log(`FAILED ${name}: ${error.stack}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  console.log(`${Object.keys(checks).length} checks`)
  return failed
}
