import { open, unlink } from 'node:fs/promises'
import { extname } from 'node:path'
import type { BatchOperation, LongOptions, SecretView } from 'app-secret-store'
import { syncHandle } from '../../platform/sync'
import { decodeEntries, type Entry, encodeEntries, type FileFormat } from '../entries'
import { refused, usage } from '../failure'
import { readInput, readStream } from '../io'
import type { Session } from '../session'
import { textOf } from '../text'
import { moment } from '../times'
import { type AddCommands, choice, jsonHelp } from './define'
import { all } from './secrets'

interface ImportFlags {
  readonly format?: FileFormat
  readonly skip?: boolean
  readonly replace?: boolean
}

interface ExportFlags {
  readonly format?: FileFormat
  readonly output?: string
}

const FORMATS: readonly FileFormat[] = ['dotenv', 'json']

export const addTransferCommands: AddCommands = (program, run) => {
  program
    .command('import')
    .description('set every secret of a dotenv or JSON file, all of them or none')
    .argument('<file>', '`-` for stdin')
    .addOption(choice('--format <name>', 'what the file is (default: by its ending; dotenv)', FORMATS))
    .option('--skip', 'leave secrets of the same name as they are (default: refuse)')
    .option('--replace', 'replace secrets of the same name')
    .addHelpText('after', jsonHelp('{"created", "replaced", "skipped"}: how many.'))
    .action(run(importFile))

  program
    .command('export')
    .description('write every secret of a scope, with its payload, as dotenv or JSON')
    .addOption(choice('--format <name>', 'dotenv holds no expiry and no bytes (default: dotenv)', FORMATS))
    .option('--output <file>', 'a file that is not there yet, for you alone (default: stdout)')
    .addHelpText('after', jsonHelp('as --format json; with --output, {"exported"}: how many.'))
    .action(run(exportSecrets))
}

async function importFile(session: Session, file: string, flags: ImportFlags): Promise<void> {
  const { io, output } = session
  if (flags.skip && flags.replace) throw usage('import: expected --skip or --replace, got both')
  if (file === '-') session.checkStdin('the file')
  const format = flags.format ?? (extname(file).toLowerCase() === '.json' ? 'json' : 'dotenv')
  const entries = await decodeEntries(file === '-' ? await readStream(io.stdin) : await readInput(file), format)
  const view = await session.view()
  const plan = await session.long('import', (long) => planImport(session, view, entries, flags, long))
  if (plan.operations.length > 0) await view.batch(plan.operations)
  const { created, replaced, skipped } = plan
  const text = `imported: ${created} created, ${replaced} replaced, ${skipped} skipped`
  await output.done({ created, replaced, skipped }, text)
}

/** @throws {Failure} If something is there of the same name, and nobody said what to do. */
async function planImport(
  session: Session,
  view: SecretView,
  entries: readonly Entry[],
  { skip = false, replace = false }: ImportFlags,
  { onProgress, signal }: Required<LongOptions>,
) {
  const { scope } = session
  const operations: BatchOperation[] = []
  const there: string[] = []
  for (const [index, { name, payload, expires_at }] of entries.entries()) {
    signal.throwIfAborted()
    if (expires_at !== null && expires_at * 1000 <= session.io.now()) {
      const when = moment(expires_at, session.io.now())
      throw refused(`'${name}' has expired (${when}); nothing was imported`, 'leave it out of the file')
    }
    const exists = (await view.find({ scope, name })) !== undefined
    if (exists) there.push(name)
    if (!exists || replace) operations.push({ type: 'set', scope, name, payload, expires_at })
    onProgress({ done: index + 1, total: entries.length })
  }
  if (there.length > 0 && !skip && !replace) {
    const some = `'${there.slice(0, 3).join("', '")}'`
    const more = there.length > 3 ? ` and ${there.length - 3} more` : ''
    throw refused(`${some}${more} would be replaced; nothing was imported`, 'say --skip or --replace')
  }
  return {
    operations,
    created: entries.length - there.length,
    replaced: replace ? there.length : 0,
    skipped: replace ? 0 : there.length,
  }
}

async function exportSecrets(session: Session, flags: ExportFlags): Promise<void> {
  const { output } = session
  const format = flags.format ?? (output.json ? 'json' : 'dotenv')
  const entries = await readEntries(session, await session.view())
  const text = await encodeEntries(entries, format)
  if (flags.output === undefined) await output.write(text)
  else {
    await writeNew(flags.output, text)
    const message = `exported ${entries.length} to ${flags.output}, readable: delete it when it has served`
    await output.done({ exported: entries.length }, message)
  }
  const expiring = format === 'dotenv' ? entries.filter(({ expires_at }) => expires_at !== null).length : 0
  if (expiring > 0)
    await output.note(`note: dotenv holds no expiry, which ${expiring} of them have; --format json does`)
}

/** Every secret of the scope, text where it is UTF-8. */
export async function readEntries(session: Session, view: SecretView): Promise<Entry[]> {
  const { scope, io } = session
  const entries: Entry[] = []
  for (const { name, expires_at } of await all(view.list({ scope }))) {
    io.signal.throwIfAborted()
    const bytes = await view.getBytes({ scope, name })
    // Expired meanwhile.
    if (bytes !== undefined) entries.push({ name, payload: textOf(bytes) ?? bytes, expires_at })
  }
  return entries
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'there is such a file already' : `it cannot be written (${error.code})`
    throw refused(`${path}: ${why}`)
  })
  try {
    await file.writeFile(text)
    await syncHandle(file)
  } catch (error) {
    await unlink(path)
    throw error
  } finally {
    await file.close()
  }
}
