/**
 * Owns a store until it is killed: `owner.mjs hold|write LOCATION LOG`. It tells each thing in the log before it begins it
 * and once it is done, by synchronous writes: what is not there had not happened.
 */
import { appendFileSync } from 'node:fs'
import { account, type BatchOperation, rawKey, SecretStore } from 'app-secret-store'

const [work, location = '', log = ''] = process.argv.slice(2)
const tell = (line: string): void => appendFileSync(log, `${line}\n`)

const COMPACTION_EVERY = 40
const BACKUP_EVERY = 60

const store = await SecretStore.open(location, { key: rawKey(new Uint8Array(32).fill(7)) }).catch((error) => {
  tell(error.code)
  process.exit()
})
tell('opened')
if (work === 'hold') setInterval(() => {}, 60_000)
else {
  // From where the owner before it was killed.
  for (let n = Number((await store.get({ scope: account, name: 'last' })) ?? -1) + 1; ; n++) {
    const payload = String(n)
    const operations = ['last', `single-${n % 50}`, `large-${n % 7}`].map(
      (name): BatchOperation => ({
        type: 'set',
        scope: account,
        name,
        payload: name.startsWith('large') ? payload.padEnd(5000, '.') : payload,
      }),
    )
    tell(`writing ${n}`)
    await store.batch(operations)
    tell(`wrote ${n}`)
    if (n % COMPACTION_EVERY === COMPACTION_EVERY - 1) await store.compact()
    if (n % BACKUP_EVERY === BACKUP_EVERY - 1) await store.backup(`${log}.backup-${n}`)
  }
}
