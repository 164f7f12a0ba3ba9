/** Deletes what it is told to, says so, and then compacts over and over until it is killed. */
import { writeSync } from 'node:fs'
import { account, rawKey, SecretStore } from '../../../src/index'

async function run(location: string, names: readonly string[]): Promise<void> {
  const store = await SecretStore.open(location, {
    key: rawKey(new Uint8Array(32).fill(7)),
    sweepIntervalMs: 0,
    compactIntervalMs: 0,
  })
  await Promise.all(names.map((name) => store.delete({ scope: account, name })))
  writeSync(1, 'deleted\n')
  for (;;) {
    await store.compact()
    writeSync(1, 'compacted\n')
  }
}

process.once('disconnect', () => process.exit())
void run(process.argv[2] as string, JSON.parse(process.argv[3] as string) as string[])
