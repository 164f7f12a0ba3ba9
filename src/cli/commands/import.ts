import { extname } from 'node:path'
import type { BatchOperation, LongOptions, SecretView } from 'app-secret-store'
import { decodeEntries, type FileEntry, whereOf } from '../decode-entries'
import type { FileFormat, Place } from '../entries'
import { Failure, failureOf, usage } from '../failure'
import { readInput, readStream } from '../io'
import { jsonText } from '../json'
import { Problems } from '../problems'
import { placeText, type Session } from '../session'
import { moment } from '../times'
import { type AddCommands, choice, jsonHelp } from './define'

interface ImportFlags {
  readonly format?: FileFormat
  readonly skip?: boolean
  readonly replace?: boolean
  readonly skipEmpty?: boolean
  readonly allScopes?: boolean
}

export const FORMATS: readonly FileFormat[] = ['dotenv', 'json']

export const addImportCommand: AddCommands = (program, run) => {
  program
    .command('import')
    .description('set every secret of a dotenv or JSON file, all of them or none')
    .argument('<file>', '`-` for stdin')
    .addOption(choice('--format <name>', 'what the file is (default: by its ending; dotenv)', FORMATS))
    .option('--skip', 'leave secrets of the same name as they are (default: refuse)')
    .option('--replace', 'replace secrets of the same name')
    .option('--skip-empty', 'leave out empty payloads (default: refuse)')
    .option(
      '--all-scopes',
      'each into the scope that the file says, as `export --all-scopes` writes it; one write for each account and mode',
    )
    .addHelpText('after', jsonHelp('{"created", "replaced", "skipped", "empty"}: how many.'))
    .action(run(importFile))
}

async function importFile(session: Session, file: string, flags: ImportFlags): Promise<void> {
  const { io, output } = session
  if (flags.skip && flags.replace) throw usage('import: expected --skip or --replace, got both')
  if (file === '-') session.checkStdin('the file')
  const { allScopes = false } = flags
  const format = flags.format ?? (allScopes || extname(file).toLowerCase() === '.json' ? 'json' : 'dotenv')
  if (allScopes) checkAllScopes(session, format)
  const problems = new Problems()
  const bytes = file === '-' ? await readStream(io.stdin) : await readInput(file)
  const { skipEmpty = false } = flags
  const { entries, empty } = await decodeEntries(bytes, format, { allScopes, skipEmpty }, problems)
  checkExpiry(session, entries, problems)
  // What is wrong with the file needs no key.
  if (entries.length === 0) problems.check(summary, FRAME)
  const store = await session.open()
  const viewOf = (place: Place | undefined): SecretView =>
    place === undefined ? session.viewOf(store) : store.view(partitionOf(place))
  const plan = await session.long('import', (long) => planImport(session, viewOf, entries, flags, problems, long))
  problems.check(summary, FRAME)
  await write(plan.writes)
  const { created, replaced, skipped } = plan
  const left = empty > 0 ? `, ${empty} empty left out` : ''
  const text = `imported: ${created} created, ${replaced} replaced, ${skipped} skipped${left}`
  await output.done({ created, replaced, skipped, empty }, text)
}

const FRAME = { label: 'import: ', outcome: '; nothing was imported' }

function summary(count: number): string {
  return `import: ${count} things are in the way${FRAME.outcome}`
}

/** @throws {Failure} If something else says where the secrets go. */
export function checkAllScopes({ options }: Session, format: FileFormat): void {
  const { user, account, live } = options
  if (user !== undefined || account !== undefined || live)
    throw usage('--all-scopes: expected it without --user, --account and --live, got both')
  if (format !== 'json')
    throw usage('--all-scopes: expected JSON, got dotenv', 'dotenv holds no scope; say --format json')
}

function checkExpiry({ io }: Session, entries: readonly FileEntry[], problems: Problems): void {
  for (const entry of entries) {
    const { name, expires_at } = entry
    if (expires_at === null || expires_at * 1000 > io.now()) continue
    const message = `'${name}' has expired (${moment(expires_at, io.now())})`
    problems.add({ ...whereOf(entry), message, hint: 'leave it out of the file' })
  }
}

/** What is to be written to one account and mode, as one write. */
interface Write {
  readonly view: SecretView
  readonly operations: BatchOperation[]
}

async function planImport(
  session: Session,
  viewOf: (place: Place | undefined) => SecretView,
  entries: readonly FileEntry[],
  { skip = false, replace = false }: ImportFlags,
  problems: Problems,
  { onProgress, signal }: Required<LongOptions>,
) {
  const writes = new Map<string, Write>()
  let there = 0
  for (const [index, entry] of entries.entries()) {
    const { name, payload, expires_at, place, isUnsure } = entry
    signal.throwIfAborted()
    const key = place === undefined ? '' : jsonText([place.account, place.livemode])
    const write = writes.get(key) ?? { view: viewOf(place), operations: [] }
    writes.set(key, write)
    const scope = place?.scope ?? session.scope
    const exists = (await write.view.find({ scope, name })) !== undefined
    if (exists) there++
    if (exists && !skip && !replace) {
      const message = `${isUnsure ? 'a secret' : `'${name}'`}${place === undefined ? '' : ` in ${placeOf(place)}`} would be replaced`
      problems.add({ ...whereOf(entry), message, hint: 'say --skip or --replace' })
    }
    if (!exists || replace) write.operations.push({ type: 'set', scope, name, payload, expires_at })
    onProgress({ done: index + 1, total: entries.length })
  }
  return {
    writes: [...writes.values()].filter(({ operations }) => operations.length > 0),
    created: entries.length - there,
    replaced: replace ? there : 0,
    skipped: replace ? 0 : there,
  }
}

/** @throws {Failure} That says so if something was written before a write failed. */
async function write(writes: readonly Write[]): Promise<void> {
  let done = 0
  for (const { view, operations } of writes) {
    try {
      await view.batch(operations)
    } catch (error) {
      if (done === 0) throw error
      const { message, exitCode, code, hint } = failureOf(error)
      const more = `${done} of ${writes.length} accounts and modes were imported before; say --skip to go on, or --replace`
      throw new Failure(exitCode, message, {
        hint: hint === undefined ? more : `${hint}\n${more}`,
        ...(code !== undefined && { code }),
      })
    }
    done++
  }
}

function placeOf({ scope, account, livemode }: Place): string {
  const user = scope.type === 'user' ? { user: scope.user } : {}
  return placeText({ ...user, ...(account !== undefined && { account }), live: livemode })
}

function partitionOf({ account, livemode }: Place): { readonly livemode: boolean; readonly account?: string } {
  return { livemode, ...(account !== undefined && { account }) }
}
