import { existsSync } from 'node:fs'
import { coverageFolder, PROGRAMS_VARIABLE } from './build-programs'

const { [PROGRAMS_VARIABLE]: programs } = process.env

// Node hands it on to every process that a test starts, whatever the environment is that the test gives it.
if (programs !== undefined && existsSync(coverageFolder(programs)))
  process.env['NODE_V8_COVERAGE'] = coverageFolder(programs)
