// At full length (test/support/lengths.ts).
import '../../behaviour/verify-beside-writes.test'
