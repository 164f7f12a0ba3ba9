// At full length (test/support/lengths.ts).
import '../../unit/cache/property.test'
