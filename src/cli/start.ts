import { processIo } from './io'
import { main } from './main'

/** Runs the command line of this process. @returns The exit code. */
export function start(): Promise<number> {
  return main(process.argv.slice(2), processIo())
}
