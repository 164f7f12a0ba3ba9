// At full length (test/support/lengths.ts).
import '../../unit/stripe/fuzz.test'
