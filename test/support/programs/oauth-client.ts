/** A program with one signed-in user, whose tokens expire all the time, until it is killed. */
import { writeSync } from 'node:fs'
import { Session } from '../../../examples/oauth'
import { rawKey, SecretStore } from '../../../src/index'

export interface ClientLife {
  readonly location: string
  readonly url: string
}

const HOUR_MS = 3_600_000
const CALLERS = 5

async function run({ location, url }: ClientLife): Promise<void> {
  let aheadMs = 0
  const now = (): number => Date.now() + aheadMs
  const store = await SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
    now,
  })
  const session = await Session.open(store, url, now)
  for (;;) {
    aheadMs += HOUR_MS
    const calls = Array.from({ length: CALLERS }, () => session.fetch('/me').then(({ status }) => status))
    const statuses = await Promise.allSettled(calls)
    writeSync(1, `${statuses.map((call) => (call.status === 'fulfilled' ? call.value : 0)).join()}\n`)
  }
}

if (process.send !== undefined && process.argv[2] === 'run') {
  process.once('message', (life) => void run(life as ClientLife))
  process.once('disconnect', () => process.exit())
}
