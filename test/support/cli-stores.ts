import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account, passphrase, rawKey, SecretStore } from '../../src/index'
import { type Outcome, run } from './cli-program'
import { socketsFolder } from './sharing'
import { temporaryDirectory } from './stores'

/** A store with some secrets, and what commands on it are started with. */
export interface CliStore {
  readonly directory: string
  readonly location: string
  /** Names the store and its key. */
  readonly env: Readonly<Record<string, string>>
  /** Runs the command line on it. */
  run(words: string, stdin?: string): Promise<Outcome>
}

/** The key of `testKey`, in a file. A passphrase opens the store, too, if there is one. */
export async function cliStore(secrets: Readonly<Record<string, string>> = {}, words?: string): Promise<CliStore> {
  await socketsFolder()
  const directory = await temporaryDirectory()
  const [location, keyFile] = [join(directory, 'store'), join(directory, 'key')]
  const key = new Uint8Array(32).fill(7)
  await writeFile(keyFile, key, { mode: 0o600 })
  const store = await SecretStore.open(location, { key: rawKey(key) })
  for (const [name, payload] of Object.entries(secrets)) await store.set({ scope: account, name, payload })
  if (words !== undefined) await store.addKey(passphrase(words, { N: 2 ** 14 }))
  await store.close()
  const env = {
    SECRET_STORE: location,
    SECRET_STORE_KEY_FILE: keyFile,
    HOME: directory,
    TERM: 'xterm',
    NO_COLOR: '1',
    XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '',
  }
  return { directory, location, env, run: (line, stdin = '') => run(line.split(' '), { env, stdin }) }
}
