// At full length (test/support/lengths.ts).
import '../../attacks/keyring.test'
