/** Runs all checks. With `hold LOCATION` it is the holder of one of them. */
import { hold } from './checks.mjs'
import { runChecks } from './run-checks.mjs'

const [, program, word, location] = process.argv

if (word === 'hold') hold(location)
else runChecks(program).then((failed) => process.exit(failed === 0 ? 0 : 1))
