// At full length (test/support/lengths.ts).
import '../../behaviour/model.test'
