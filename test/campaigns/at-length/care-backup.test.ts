// At full length (test/support/lengths.ts).
import '../../unit/care/backup/backup.test'
