// At full length (test/support/lengths.ts).
import '../../unit/migrate/dotenv.test'
