import type { Listing, ListParams, Secret, SecretList, SecretStore } from 'app-secret-store'
import { type Elsewhere, lookElsewhere } from '../elsewhere'
import { Interrupted, refused, usage } from '../failure'
import { jsonText } from '../json'
import { printable } from '../printable'
import type { Session } from '../session'
import { type AddCommands, integer, jsonHelp } from './define'
import { HEADINGS, row } from './rows'

interface ListFlags {
  readonly all?: boolean
  readonly limit?: number
  readonly startingAfter?: string
  readonly endingBefore?: string
}

export const addListCommand: AddCommands = (program, run) => {
  program
    .command('list')
    .alias('ls')
    .description('show the secrets of a scope, in order of name')
    .argument('[prefix]', 'only those whose names begin with it (default: all)')
    .option('--limit <n>', 'so many, 1 to 100 (default: 10)', integer(1, 100))
    .option('--all', 'every one')
    .option('--starting-after <id>', 'those after the secret of this id')
    .option('--ending-before <id>', 'those before the secret of this id')
    .addHelpText('after', jsonHelp('{"object": "list", "url", "has_more", "data": [secrets without payloads]}.'))
    .action(run(listSecrets))
}

async function listSecrets(session: Session, prefix: string | undefined, flags: ListFlags): Promise<void> {
  const cursors = [flags.startingAfter, flags.endingBefore].filter((cursor) => cursor !== undefined)
  if (cursors.length > 1) throw usage('list: expected --starting-after or --ending-before, got both')
  if (flags.all && (flags.limit !== undefined || cursors.length > 0)) {
    throw usage('list: expected --all, or --limit and a cursor, got both')
  }
  if (flags.all) await limitMemory()
  const store = await session.open()
  const params = { scope: session.scope, ...(prefix !== undefined && { prefix }) }
  const list = flags.all ? listAll : listPage
  const shown = await list(session, session.viewOf(store).list({ ...params, ...pageOf(flags) }), flags).catch(
    (error) => {
      throw isSealed(error) ? withoutPrefix() : error
    },
  )
  await noteOthers(session, store, prefix, shown)
}

function pageOf({ limit, startingAfter, endingBefore }: ListFlags): Partial<ListParams> {
  return {
    ...(limit !== undefined && { limit }),
    ...(startingAfter !== undefined && { starting_after: startingAfter }),
    ...(endingBefore !== undefined && { ending_before: endingBefore }),
  }
}

/** The library tells by a TypeError that the names are sealed. */
function isSealed(error: unknown): boolean {
  return error instanceof TypeError && /^prefix: .*sealed names/.test(error.message)
}

function withoutPrefix(): Error {
  return refused(
    'list: this store seals names, so that it cannot look for their beginnings',
    '`secret-store list --all` shows every name, to be searched with grep',
  )
}

/** What a list has shown, and what follows. */
interface Shown {
  readonly count: number
  /** How to see more; `undefined` if that was all. */
  readonly more: string | undefined
  /** Whether it began with the first one and had them all in its range. */
  readonly fromStart: boolean
}

async function listPage(session: Session, listing: Listing, flags: ListFlags): Promise<Shown> {
  const { output, io } = session
  const page = await listing
  if (page.data.length > 0 || output.json) {
    await output.result(page, () =>
      output.table(
        HEADINGS,
        page.data.map((secret) => row(secret, io.now())),
      ),
    )
  }
  const fromStart = flags.startingAfter === undefined && flags.endingBefore === undefined
  return { count: page.data.length, more: page.has_more ? more(flags, page.data) : undefined, fromStart }
}

/** What there is beside it. Programs, which read JSON, are not kept waiting for that. */
async function noteOthers(
  session: Session,
  store: SecretStore,
  prefix: string | undefined,
  shown: Shown,
): Promise<void> {
  const { output, scope, options } = session
  if (output.json || output.quiet) return
  const { account, live } = options
  const place = { scope, ...(account !== undefined && { account }), ...(live !== undefined && { live }) }
  const { here, others } = await lookElsewhere(store, place).catch((error): Elsewhere => {
    // The list itself is whole.
    if (error instanceof Interrupted) throw error
    return { here: undefined, others: 'the other scopes cannot be counted; `secret-store verify` says why' }
  })
  if (shown.count === 0) {
    const beginning = prefix ? ` that begins with '${printable(prefix)}'` : ''
    await output.note(`nothing${beginning} in ${printable(session.place)}${others === undefined ? '' : `; ${others}`}`)
    return
  }
  const isCounted = here !== undefined && here > shown.count && shown.fromStart && !prefix
  const following = shown.more && `${isCounted ? `${here - shown.count} more` : 'there are more'}: ${shown.more}`
  if (following !== undefined) await output.note(following)
  if (others !== undefined) await output.note(others)
}

function more({ endingBefore }: ListFlags, data: readonly Secret[]): string {
  const [option, id] =
    endingBefore === undefined ? ['--starting-after', data.at(-1)?.id] : ['--ending-before', data[0]?.id]
  return `${option} ${id}, or --all`
}

/** So many at a time are written, and decide how wide the columns are. */
const CHUNK = 100

/** Writes secrets as they come, and reads no more until those are written. */
async function listAll(session: Session, listing: Listing): Promise<Shown> {
  const { output, io } = session
  const writer = output.json ? jsonWriter(session) : tableWriter(session)
  let chunk: Secret[] = []
  let count = 0
  for await (const secret of listing) {
    io.signal.throwIfAborted()
    count++
    if (chunk.push(secret) < CHUNK) continue
    await writer.write(chunk)
    chunk = []
  }
  await writer.write(chunk)
  await writer.end()
  return { count, more: undefined, fromStart: true }
}

interface Writer {
  write(secrets: readonly Secret[]): Promise<void>
  end(): Promise<void>
}

function tableWriter({ output, io }: Session): Writer {
  let layout: Awaited<ReturnType<typeof output.tableLayout>> | undefined
  return {
    async write(secrets) {
      if (secrets.length === 0) return
      const rows = secrets.map((secret) => row(secret, io.now()))
      const head = layout === undefined
      layout ??= await output.tableLayout(HEADINGS, rows)
      await output.write((head ? layout.head() : '') + rows.map((cells) => layout?.row(cells)).join(''))
    },
    async end() {},
  }
}

/** As the whole list at once would be written. */
function jsonWriter({ output }: Session): Writer {
  const empty: SecretList = { object: 'list', url: '/v1/apps/secrets', has_more: false, data: [] }
  const [start = '', end = ''] = jsonText(empty, 2).split('[]')
  let begun = false
  return {
    async write(secrets) {
      if (secrets.length === 0) return
      const items = secrets.map((secret) => jsonText(secret, 2).replaceAll(/^/gm, '    '))
      await output.write(`${begun ? ',\n' : `${start}[\n`}${items.join(',\n')}`)
      begun = true
    },
    async end() {
      await output.write(begun ? `\n  ]${end}\n` : `${start}[]${end}\n`)
    },
  }
}

/**
 * Long lists are made of objects that are gone at once, and V8 lets them take 60 MB before it looks. For 200,000 secrets
 * this brings 162 MB down to 136, of which 80 are files that the system has mapped, and costs no time that could be measured.
 */
async function limitMemory(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  for (const flag of ['--optimize-for-size', '--max-semi-space-size=2', '--semi-space-growth-factor=1']) {
    setFlagsFromString(flag)
  }
}
