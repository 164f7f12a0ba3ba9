import { processIo } from './io'
import { main } from './main'

// Nothing is left to do, whatever may still be open; every write was waited for.
void main(process.argv.slice(2), processIo()).then((exitCode) => process.exit(exitCode))
