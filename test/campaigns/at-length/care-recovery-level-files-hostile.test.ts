// At full length (test/support/lengths.ts).
import '../../unit/care/recovery/level-files-hostile.test'
