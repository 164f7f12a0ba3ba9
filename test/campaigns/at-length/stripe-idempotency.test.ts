// At full length (test/support/lengths.ts).
import '../../unit/stripe/idempotency.test'
