// At full length (test/support/lengths.ts).
import '../../unit/storage/known/known-records.test'
