// At full length (test/support/lengths.ts).
import '../../unit/storage/level/files/replay.test'
