/** Runs all checks in the main process of Electron. HOLDER is a bundle of program.mjs. */
import { app } from 'electron'
import { runChecks } from './run-checks.mjs'

app.whenReady().then(async () => app.exit(await runChecks(process.env.HOLDER)))
