// At full length (test/support/lengths.ts).
import '../../behaviour/rotate.test'
