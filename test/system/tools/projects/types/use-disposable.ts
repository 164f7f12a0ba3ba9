/** With the types of Node, and `await using`. */
import { createWriteStream } from 'node:fs'
import { rawKey, SecretStore } from 'app-secret-store'
import { openInUserData } from 'app-secret-store/electron'

export async function use(signal: AbortSignal): Promise<void> {
  await using store = await SecretStore.open('./secrets', { key: rawKey(new Uint8Array(32)) })
  await store.backup(createWriteStream('backup'), { signal })
  await store.backup(new WritableStream<Uint8Array>())
}

export const open: typeof openInUserData = openInUserData
