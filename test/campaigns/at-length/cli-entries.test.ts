// At full length (test/support/lengths.ts).
import '../../unit/cli/entries.test'
