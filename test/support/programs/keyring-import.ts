/** Sets two passwords in the keyring of its session, and imports what there is of the service, twice. */
import { execFileSync } from 'node:child_process'
import * as library from '@napi-rs/keyring/keytar.js'
import { account, SecretStore } from '../../../src/index'
import { importFrom, keytar } from '../../../src/migrate'

const service = process.argv[2] as string
await library.setPassword(service, 'bob', 'of bob')
await library.setPassword(service, 'bob@example.com', 'pässword 😀\nin two lines')
const everything = (): string =>
  execFileSync('secret-tool', ['search', '--all', 'service', service], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
const before = everything()
const store = SecretStore.memory()
const source = keytar({ service, keytar: library })
const reports = [await importFrom(source, store), await importFrom(source, store)]
const payloads: Record<string, string | undefined> = {}
for await (const { name } of store.list({ scope: account })) payloads[name] = await store.get({ scope: account, name })
console.log(JSON.stringify({ before, reports, after: everything(), payloads }))
process.exit(0)
