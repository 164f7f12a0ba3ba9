/** Runs all checks, and prints how many there were. With `hold LOCATION` it is the holder of one of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checks, hold } from './checks.mjs'

const [, holder, word, location] = process.argv

async function run() {
  for (const [name, check] of Object.entries(checks)) {
    const folder = await mkdtemp(join(tmpdir(), 'secret-store-check-'))
    try {
      await check({ folder, holder })
    } catch (error) {
      process.exitCode = 1
      console.log(`FAILED ${name}: ${error.stack}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  console.log(`${Object.keys(checks).length} checks`)
}

if (word === 'hold') hold(location)
else run()
