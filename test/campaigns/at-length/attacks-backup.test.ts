// At full length (test/support/lengths.ts).
import '../../attacks/backup.test'
