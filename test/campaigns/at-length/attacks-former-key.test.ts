// At full length (test/support/lengths.ts).
import '../../attacks/former-key.test'
