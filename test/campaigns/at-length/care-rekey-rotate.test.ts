// At full length (test/support/lengths.ts).
import '../../unit/care/rekey/rotate.test'
