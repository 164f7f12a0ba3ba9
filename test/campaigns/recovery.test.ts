import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Keyring, readKeyringFile } from '../../src/crypto/keyring'
import { publicRandom } from '../../src/crypto/random'
import { decodeCheckpoint } from '../../src/format/checkpoint'
import { account, type RecoveryReport, type Scope, SecretStore, user } from '../../src/index'
import { unlock } from '../../src/keys/unlock'
import { payloadRow } from '../../src/storage/keyspace'
import { openPayload, openRecord } from '../../src/storage/records'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import type { State } from '../support/programs/observation'
import { Repairer } from '../support/repairer'
import { filesOf, openStore, temporaryDirectory, testKey } from '../support/stores'

const FILE = 'campaigns/recovery.test.ts'
const SCOPES: Readonly<Record<string, Scope>> = { account, user: user('usr_1') }
const FAR_SECONDS = 3_000_000_000

/** A store whose files hold everything that there can be, and all it ever was. */
async function history(location: string): Promise<{ states: State[]; lastSequence: number }> {
  let store = await openStore(location)
  const states: State[] = [{}]
  const set = async (label: string, payload: string, expires_at: number | null = null): Promise<void> => {
    const [scope = '', name = ''] = label.split(' ')
    await store.set({ scope: SCOPES[scope] as Scope, name, payload, expires_at })
    states.push({ ...states.at(-1), [label]: payload })
  }
  const remove = async (label: string): Promise<void> => {
    const [scope = '', name = ''] = label.split(' ')
    await store.delete({ scope: SCOPES[scope] as Scope, name })
    const { [label]: _, ...others } = states.at(-1) as State
    states.push(others)
  }
  for (let n = 0; n < 24; n++) await set(`account a-${n}`, `first ${n}`)
  await set('account large', 'L'.repeat(1500))
  await set('user gone', 'g'.repeat(1500))
  await set('user expiring', 'e', FAR_SECONDS)
  await store.compact()
  await store.close()
  store = await openStore(location)
  for (let n = 0; n < 24; n += 3) await set(`account a-${n}`, `second ${n}`)
  for (let n = 1; n < 24; n += 6) await remove(`account a-${n}`)
  await remove('user gone')
  await set('account large', 'M'.repeat(40_000))
  await store.close()
  store = await openStore(location)
  for (let n = 2; n < 24; n += 6) await set(`account a-${n}`, `third ${n}`)
  await remove('account a-2')
  await set('user late', 'l'.repeat(1200))
  const checkpoint = decodeCheckpoint(await store.checkpoint())
  await store.close()
  return { states, lastSequence: checkpoint?.sequence as number }
}

interface Damage {
  readonly text: string
  readonly files: ReadonlyMap<string, Buffer>
}

/** One file flipped, zeroed in parts, cut off, or gone. */
function damaged(originals: ReadonlyMap<string, Buffer>, draws: Draws): Damage {
  const files = new Map(originals)
  const names = [...originals.keys()].filter((name) => name !== 'keyring.json')
  const isData = draws.below(5) > 0
  const path = draws.pick(names.filter((name) => /\.(ldb|log)$/.test(name) === isData))
  const bytes = Buffer.from(originals.get(path) as Buffer)
  const at = draws.below(Math.max(1, bytes.length))
  const sort = draws.pick(['flip', 'flip', 'flip', 'zero 512', 'zero 4096', 'noise 64', 'cut', 'remove'])
  if (sort === 'flip' && bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << draws.below(8))
  if (sort.startsWith('zero')) bytes.fill(0, at, Math.min(bytes.length, at + Number(sort.slice(5))))
  if (sort.startsWith('noise')) for (let n = at; n < Math.min(bytes.length, at + 64); n++) bytes[n] = draws.below(256)
  if (sort === 'remove') files.delete(path)
  else files.set(path, sort === 'cut' ? bytes.subarray(0, at) : bytes)
  return { text: `${sort} ${path} at ${at} of ${bytes.length}`, files }
}

async function write(files: ReadonlyMap<string, Buffer>, location: string): Promise<void> {
  await rm(location, { recursive: true, force: true })
  await mkdir(join(location, 'data'), { recursive: true, mode: 0o700 })
  for (const [path, bytes] of files) await writeFile(join(location, path), bytes)
}

async function contents(location: string): Promise<State> {
  const store = await openStore(location, { verify: true })
  const found: Record<string, string> = {}
  for (const [label, scope] of Object.entries(SCOPES)) {
    for await (const { name, payload } of store.list({ scope, expand: ['data.payload'] })) {
      found[`${label} ${name}`] = payload as string
    }
  }
  await store.close()
  return found
}

/** What a report must have said of a result. @returns What is wrong. */
function fault(
  states: readonly State[],
  lastSequence: number,
  report: RecoveryReport,
  found: State,
): string | undefined {
  const last = states.at(-1) as State
  const labelOf = ({ name, scope }: { name?: string; scope?: Scope }): string => `${scope?.type} ${name}`
  for (const [label, payload] of Object.entries(found)) {
    if (!states.some((state) => state[label] === payload)) return `'${label}' has a value it never had`
  }
  const isSame = (state: State): boolean =>
    JSON.stringify(Object.entries(state).sort()) === JSON.stringify(Object.entries(found).sort())
  if (report.complete) return states.some(isSame) && report.proven ? undefined : 'complete, but in a state it never had'
  // Where the last head is gone, or proves nothing, nobody knows what there was.
  if (!report.proven) return undefined
  if (report.head?.sequence !== lastSequence || report.outdated) return 'proven, by an older head'
  const lost = new Set(report.lost.map(labelOf))
  const untold = Object.keys(last).filter((label) => !(label in found) && !lost.has(label))
  if (untold.length > 0) return `lost and not told: ${untold}`
  const back = Object.keys(found).filter((label) => !(label in last))
  if (back.length > 0) return `proven, but back: ${back}`
  const older = new Set(report.older.map(labelOf))
  const stale = Object.keys(found).filter((label) => last[label] !== found[label] && !older.has(label))
  if (stale.length > 0) return `older and not told: ${stale}`
  const there = [...lost].filter((label) => label in found)
  return there.length === 0 ? undefined : `told as lost, and there: ${there}`
}

/** The secrets in rows that are authentic, with their payloads. */
function authentic(keyring: Keyring, rows: readonly (readonly [string, string])[]): Map<string, number> {
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
  const values = new Map(rows.map(([key, value]) => [key, bytes(value)]))
  const found = new Map<string, number>()
  for (const [key, value] of values) {
    const rowKey = bytes(key)
    if (rowKey[0] !== 0x72) continue
    try {
      const record = openRecord(keyring, rowKey, value)
      openPayload(keyring, rowKey, record, values.get(Buffer.from(payloadRow(rowKey)).toString('latin1')))
      const { scope, name } = record.address
      found.set(`${scope.type} ${name}`, record.revision)
    } catch {
      // what does not open
    }
  }
  return found
}

const ROUNDS = times(25, 5000)

test(`${ROUNDS} damaged stores are recovered as far as anything is left, and the report is right`, async () => {
  await campaign(FILE, async (draws) => {
    const directory = await temporaryDirectory()
    const original = join(directory, 'original')
    const { states, lastSequence } = await history(original)
    const originals = await filesOf(original)
    const { file, rootKey } = await unlock(readKeyringFile(originals.get('keyring.json') as Buffer), testKey())
    const keyring = new Keyring(file, rootKey, publicRandom)
    const repairer = new Repairer()
    const progress = progressOf('recovery')
    const figures = {
      complete: 0,
      'incomplete, all told': 0,
      'incomplete, and more may be older': 0,
      'secrets lost': 0,
      'secrets older': 0,
      'secrets resurrected': 0,
      'repairs that gave fewer secrets': 0,
      'repairs that aborted the process': 0,
      'repairs that brought deleted secrets back': 0,
    }
    for (let round = 0; round < ROUNDS; round++) {
      progress(round, ROUNDS)
      const { text, files } = damaged(originals, draws)
      const location = join(directory, 'damaged')
      const destination = join(directory, `new-${round}`)
      await write(files, location)
      const report = await SecretStore.recover(location, { key: testKey(), destination })
      expect(await filesOf(location), `changed: ${text}`).toEqual(files)
      const found = await contents(destination)
      expect(Object.keys(found).length, text).toBe(report.kept)
      const wrong = fault(states, lastSequence, report, found)
      if (wrong !== undefined) throw new Error(`${text}: ${wrong}\n${JSON.stringify(report)}`)
      figures[
        report.complete ? 'complete' : report.proven ? 'incomplete, all told' : 'incomplete, and more may be older'
      ]++
      const last = states.at(-1) as State
      figures['secrets lost'] += Object.keys(last).filter((label) => !(label in found)).length
      figures['secrets older'] += Object.keys(last).filter(
        (label) => label in found && last[label] !== found[label],
      ).length
      figures['secrets resurrected'] += Object.keys(found).filter((label) => !(label in last)).length
      await rm(destination, { recursive: true })

      const rows = await repairer.repair(join(location, 'data'))
      if (rows === 'abort') {
        figures['repairs that aborted the process']++
        continue
      }
      // What does not open is gone, all of it.
      const repaired = authentic(keyring, rows === 'not opened' ? [] : rows)
      const missed = [...repaired.keys()].filter((label) => label in last && !(label in found))
      if (missed.length > 0) throw new Error(`${text}: repair has more: ${missed}`)
      if (
        [...repaired.keys()].filter((label) => label in last).length <
        Object.keys(found).filter((label) => label in last).length
      )
        figures['repairs that gave fewer secrets']++
      if ([...repaired.keys()].some((label) => !(label in last))) figures['repairs that brought deleted secrets back']++
    }
    expect((await readdir(directory)).sort()).toEqual(['damaged', 'original'])
    conclude('recovery', { 'damaged stores': ROUNDS, ...figures })
  })
})
