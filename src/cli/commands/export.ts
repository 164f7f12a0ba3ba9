import { open, unlink } from 'node:fs/promises'
import type { SecretStore, SecretView } from 'app-secret-store'
import { syncHandle } from '../../platform/sync'
import { dotenvEncoder, type Entry, encodeJsonEntry, type FileFormat, jsonFrame, type Place } from '../entries'
import { refused, usage } from '../failure'
import { count } from '../printable'
import { Problems } from '../problems'
import type { Session } from '../session'
import { textOf } from '../text'
import { type AddCommands, choice, jsonHelp } from './define'
import { checkAllScopes, FORMATS } from './import'
import { chosenSecrets } from './run'

interface ExportFlags {
  readonly format?: FileFormat
  readonly output?: string
  readonly except?: readonly string[]
  readonly skipBinary?: boolean
  readonly allScopes?: boolean
}

export const addExportCommand: AddCommands = (program, run) => {
  program
    .command('export')
    .description('write every secret of a scope, with its payload, as dotenv or JSON')
    .addOption(choice('--format <name>', 'dotenv holds no expiry and no bytes (default: dotenv)', FORMATS))
    .option('--output <file>', 'a file that is not there yet, for you alone (default: stdout)')
    .option('--except <name...>', 'all secrets but these')
    .option('--skip-binary', 'leave out payloads that are no UTF-8 text')
    .option('--all-scopes', 'the secrets of all scopes, accounts and modes, in JSON')
    .addHelpText('after', jsonHelp('as --format json; with --output, {"exported"}: how many.'))
    .action(run(exportSecrets))
}

/** A secret that is written, and where it is if that is written, too. */
interface Exported {
  readonly entry: Entry
  readonly place?: Place
}

/** What was met on the way. */
interface Tally {
  exported: number
  expiring: number
  skipped: number
}

async function exportSecrets(session: Session, flags: ExportFlags): Promise<void> {
  const { output } = session
  const { allScopes = false } = flags
  const format = flags.format ?? (output.json || allScopes ? 'json' : 'dotenv')
  if (allScopes) checkAllScopes(session, format)
  if (allScopes && flags.except !== undefined) throw usage('export: expected --all-scopes or --except, got both')
  const store = await session.open()
  const tally: Tally = { exported: 0, expiring: 0, skipped: 0 }
  const read = (counted: Tally): AsyncIterable<Exported> => exportedOf(session, store, flags, counted)
  const text = format === 'json' ? jsonOf(read(tally), allScopes) : await dotenvOf(read, tally)
  if (flags.output === undefined) await writeChunks(text, (chunk) => output.write(chunk))
  else {
    // A signal takes the unfinished file away before the program ends.
    session.endsInOrder = true
    await writeNew(flags.output, text)
    session.endsInOrder = false
  }
  const { exported, expiring, skipped } = tally
  if (flags.output !== undefined) {
    const message = `exported ${exported} to ${flags.output}, readable: delete it when it has served`
    await output.done({ exported }, message)
  }
  if (skipped > 0) await output.note(`note: --skip-binary left out ${count(skipped, 'secret')}`)
  if (format === 'dotenv' && expiring > 0)
    await output.note(`note: dotenv holds no expiry, which ${expiring} of them have; --format json does`)
}

/** Every secret that is asked for, one after the other, text where it is UTF-8. */
async function* exportedOf(
  session: Session,
  store: SecretStore,
  { except, skipBinary = false, allScopes = false }: ExportFlags,
  tally: Tally,
): AsyncGenerator<Exported, void, undefined> {
  for await (const { view, place } of placesOf(session, store, allScopes)) {
    const { scope } = place
    for await (const { name, expires_at } of chosenSecrets(session, view, except, scope)) {
      const bytes = await view.getBytes({ scope, name })
      // Expired meanwhile.
      if (bytes === undefined) continue
      const payload = textOf(bytes) ?? bytes
      if (typeof payload !== 'string' && skipBinary) {
        tally.skipped++
        continue
      }
      tally.exported++
      if (expires_at !== null) tally.expiring++
      yield { entry: { name, payload, expires_at }, ...(allScopes && { place }) }
    }
  }
}

async function* placesOf(
  session: Session,
  store: SecretStore,
  allScopes: boolean,
): AsyncGenerator<{ readonly view: SecretView; readonly place: Place }, void, undefined> {
  if (!allScopes) {
    yield { view: session.viewOf(store), place: { scope: session.scope, livemode: session.options.live ?? false } }
    return
  }
  for await (const { scope, livemode, account } of store.scopes()) {
    const partition = { livemode, ...(account !== undefined && { account }) }
    yield { view: store.view(partition), place: { scope, ...partition } }
  }
}

async function* jsonOf(secrets: AsyncIterable<Exported>, allScopes: boolean): AsyncGenerator<string, void, undefined> {
  const { head, tail, empty } = jsonFrame(allScopes)
  yield head
  let index = 0
  for await (const { entry, place } of secrets) yield encodeJsonEntry(entry, place, index++)
  yield index === 0 ? empty : tail
}

/**
 * Reads everything twice: nothing is written of what cannot be written whole.
 *
 * @throws {Failure} With all that dotenv cannot hold.
 */
async function dotenvOf(
  read: (tally: Tally) => AsyncIterable<Exported>,
  tally: Tally,
): Promise<AsyncGenerator<string, void, undefined>> {
  const encode = await dotenvEncoder()
  const problems = new Problems()
  for await (const { entry } of read({ exported: 0, expiring: 0, skipped: 0 })) {
    const encoded = encode(entry)
    if ('problem' in encoded) problems.add(encoded.problem)
  }
  problems.check((count) => `export: ${count} secrets cannot be written as dotenv; nothing was written`, {
    label: 'export: ',
  })
  return (async function* () {
    for await (const { entry } of read(tally)) {
      const encoded = encode(entry)
      if ('line' in encoded) yield encoded.line
    }
  })()
}

const CHUNK_CHARACTERS = 64 * 1024

/** Writes little pieces as large ones. */
async function writeChunks(pieces: AsyncIterable<string>, write: (chunk: string) => Promise<unknown>): Promise<void> {
  let chunk = ''
  for await (const piece of pieces) {
    chunk += piece
    if (chunk.length < CHUNK_CHARACTERS) continue
    await write(chunk)
    chunk = ''
  }
  if (chunk !== '') await write(chunk)
}

async function writeNew(path: string, text: AsyncIterable<string>): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'there is such a file already' : `it cannot be written (${error.code})`
    throw refused(`${path}: ${why}`)
  })
  try {
    await writeChunks(text, (chunk) => file.writeFile(chunk))
    await syncHandle(file)
  } catch (error) {
    await unlink(path)
    throw error
  } finally {
    await file.close()
  }
}
