/** A worker thread that opens a store each time it is asked, writes to it, and closes it or keeps it. */
import { parentPort } from 'node:worker_threads'
import { account, rawKey, SecretStore, SecretStoreError } from '../../../src/index'

export interface ThreadCommand {
  readonly location: string
  /** Sets a secret of this name once the store is open. */
  readonly name: string
  /** Leaves the store open. */
  readonly keep: boolean
}

async function perform({ location, name, keep }: ThreadCommand): Promise<string> {
  try {
    const store = await SecretStore.open(location, {
      key: rawKey(new Uint8Array(32).fill(7)),
      sweepIntervalMs: 0,
      compactIntervalMs: 0,
    })
    try {
      await store.set({ scope: account, name, payload: name })
    } finally {
      if (!keep) await store.close()
    }
    return 'written'
  } catch (error) {
    return error instanceof SecretStoreError ? error.code : String(error)
  }
}

parentPort?.on('message', async (command) => parentPort?.postMessage(await perform(command as ThreadCommand)))
