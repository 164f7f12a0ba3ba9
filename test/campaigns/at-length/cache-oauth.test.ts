// At full length (test/support/lengths.ts).
import '../../unit/cache/oauth.test'
