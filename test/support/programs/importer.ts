/** Imports 800 secrets into the store at a path, and says how many have been seen to. For a test that kills it. */
import { rawKey, SecretStore } from '../../../src/index'
import { importFrom } from '../../../src/migrate'
import { manySecrets } from '../sources'

const store = await SecretStore.open(process.argv[2] as string, { key: rawKey(new Uint8Array(32).fill(7)) })
await importFrom(manySecrets(), store, { onProgress: ({ done }) => void process.stdout.write(`${done}\n`) })
await store.close()
