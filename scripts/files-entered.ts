/**
 * Prints which files of src a call enters, in the order of the first entry: `npx tsx scripts/files-entered.ts set`. Without
 * a verb, only how many. V8 counts the calls of every function (its precise coverage).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../src/', import.meta.url))
const { account, rawKey, SecretStore } = await import(new URL('../src/index.ts', import.meta.url).href)
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

/** The files of which a function ran while `work` did. */
async function filesEntered(work: () => Promise<unknown>): Promise<string[]> {
  await session.post('Profiler.takePreciseCoverage')
  await work()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  return result
    .filter(({ url }) => url.startsWith('file:') && fileURLToPath(url).startsWith(source))
    .filter(({ functions }) => functions.some(({ functionName, ranges }) => functionName !== '' && ranges[0]?.count))
    .map(({ url }) => relative(source, fileURLToPath(url)))
    .sort()
}

const directory = await mkdtemp(join(tmpdir(), 'files-entered-'))
const options = { key: rawKey(new Uint8Array(32).fill(7)), sweepIntervalMs: 0, compactIntervalMs: 0 }
const location = join(directory, 'secrets')
const target = { scope: account, name: 'token' }

async function closed(): Promise<void> {
  const store = await SecretStore.open(location, options)
  await store.set({ ...target, payload: 'p' })
  await store.close()
}

try {
  await closed()
  let store: InstanceType<typeof SecretStore> | undefined
  const verbs: Record<string, string[]> = {}
  verbs['open'] = await filesEntered(async () => {
    store = await SecretStore.open(location, options)
  })
  if (store === undefined) throw new Error('open: expected a store, got none')
  verbs['set'] = await filesEntered(() => store?.set({ ...target, payload: 'q' }) as Promise<unknown>)
  verbs['find'] = await filesEntered(() => store?.find({ ...target, expand: ['payload'] }) as Promise<unknown>)
  verbs['list'] = await filesEntered(async () => await store?.list({ scope: account }))
  verbs['rotate'] = await filesEntered(() => store?.rotate() as Promise<unknown>)
  const asked = process.argv[2]
  for (const [verb, files] of Object.entries(verbs)) {
    if (asked === undefined) console.log(`${verb}: ${files.length} files`)
    else if (asked === verb) for (const file of files) console.log(file)
  }
  await store.close()
} finally {
  await rm(directory, { recursive: true, force: true })
}
