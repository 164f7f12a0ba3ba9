/**
 * From a `.env` and the file of an electron-store to a secret store: a dry run, the import, and a second run.
 * Run by `npx tsx examples/migrate.ts`.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { account, rawKey, SecretStore } from '../src/index'
import { dotenv, electronStore, type ImportReport, importFrom } from '../src/migrate/index'

const directory = await mkdtemp(join(tmpdir(), 'secret-store-migrate-'))
try {
  await migrate()
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function migrate(): Promise<void> {
  // What an app has so far. In one, `settings` is the instance of electron-store: only its `store` is read.
  const path = join(directory, '.env')
  await writeFile(path, 'API_KEY=example-key\nWEBHOOK_SECRET="example-secret"\nUNUSED=\n')
  const file = join(directory, 'config.json')
  const content = { session: { token: 'example-token', scopes: ['read', 'write'] }, theme: 'dark' }
  await writeFile(file, JSON.stringify(content, null, '\t'))
  const settings = { store: JSON.parse(await readFile(file, 'utf8')) }
  const before = [await readFile(path, 'utf8'), await readFile(file, 'utf8')]

  const key = rawKey(new Uint8Array(32).fill(1))
  await using store = await SecretStore.open(join(directory, 'secrets'), { key })
  const sources = [dotenv({ path }), electronStore(settings, { keys: ['session'] })]
  const rename = (name: string): string => name.toLowerCase().replaceAll('_', '-')

  for (const [title, options] of [
    ['Dry run', { dryRun: true, rename }],
    ['Import', { rename }],
    ['Second run', { rename }],
  ] as const) {
    console.log(title)
    for (const source of sources) show(source.kind, await importFrom(source, store, options))
  }

  console.log('In the store')
  for await (const { name } of store.list({ scope: account })) {
    console.log(`  ${name} = ${await store.get({ scope: account, name })}`)
  }

  await store.set({ scope: account, name: 'api-key', payload: 'a newer key' })
  console.log('After a change in the store')
  show('dotenv', await importFrom(dotenv({ path }), store, { rename }))

  const untouched = before[0] === (await readFile(path, 'utf8')) && before[1] === (await readFile(file, 'utf8'))
  console.log(`The sources are as they were: ${untouched}`)
}

function show(kind: string, report: ImportReport): void {
  const { created, replaced, unchanged, conflicts, failed, skipped } = report
  console.log(`  ${kind}: ${JSON.stringify({ created, replaced, unchanged, conflicts, failed, skipped })}`)
  for (const { from, name, outcome, reason } of report.entries) {
    console.log(`    ${from} → ${name}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`)
  }
}
