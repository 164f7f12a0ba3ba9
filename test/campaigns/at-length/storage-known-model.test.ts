// At full length (test/support/lengths.ts).
import '../../unit/storage/known/model.test'
