import { existsSync } from 'node:fs'
import { expect } from 'vitest'
import { coverageFolder, PROGRAMS_VARIABLE } from './build-programs'

const { [PROGRAMS_VARIABLE]: programs } = process.env
// Most of those of a campaign are killed before they can write, and the others take long as it is.
const isCampaign = /[\\/]campaigns[\\/]/.test(expect.getState().testPath ?? '')

// Node hands it on to every process that a test starts, whatever the environment is that the test gives it.
if (programs !== undefined && !isCampaign && existsSync(coverageFolder(programs)))
  process.env['NODE_V8_COVERAGE'] = coverageFolder(programs)
