import { setFlagsFromString } from 'node:v8'
import type { Secret, SecretList, SecretView } from 'app-secret-store'
import { usage } from '../failure'
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
    .option('--limit <n>', 'so many, 1 to 100 (default: 10)', integer(1, 100))
    .option('--all', 'every one')
    .option('--starting-after <id>', 'those after the secret of this id')
    .option('--ending-before <id>', 'those before the secret of this id')
    .addHelpText('after', jsonHelp('{"object": "list", "url", "has_more", "data": [secrets without payloads]}.'))
    .action(run(listSecrets))
}

async function listSecrets(session: Session, flags: ListFlags): Promise<void> {
  const cursors = [flags.startingAfter, flags.endingBefore].filter((cursor) => cursor !== undefined)
  if (cursors.length > 1) throw usage('list: expected --starting-after or --ending-before, got both')
  if (flags.all && (flags.limit !== undefined || cursors.length > 0)) {
    throw usage('list: expected --all, or --limit and a cursor, got both')
  }
  if (flags.all) limitYoungObjects()
  const view = await session.view()
  if (flags.all) await listAll(session, view)
  else await listPage(session, view, flags)
}

async function listPage(session: Session, view: SecretView, flags: ListFlags): Promise<void> {
  const { output, scope, io } = session
  const page = await view.list({
    scope,
    ...(flags.limit !== undefined && { limit: flags.limit }),
    ...(flags.startingAfter !== undefined && { starting_after: flags.startingAfter }),
    ...(flags.endingBefore !== undefined && { ending_before: flags.endingBefore }),
  })
  if (page.data.length > 0 || output.json) {
    await output.result(page, () =>
      output.table(
        HEADINGS,
        page.data.map((secret) => row(secret, io.now())),
      ),
    )
  } else await output.note(`nothing in ${printable(session.place)}`)
  if (page.has_more) await output.note(more(flags, page.data))
}

function more({ endingBefore }: ListFlags, data: readonly Secret[]): string {
  const [option, id] =
    endingBefore === undefined ? ['--starting-after', data.at(-1)?.id] : ['--ending-before', data[0]?.id]
  return `there are more: ${option} ${id}, or --all`
}

/** So many at a time are written, and decide how wide the columns are. */
const CHUNK = 100

/** Writes secrets as they come, and reads no more until those are written. */
async function listAll(session: Session, view: SecretView): Promise<void> {
  const { output, scope, io } = session
  const writer = output.json ? jsonWriter(session) : tableWriter(session)
  let chunk: Secret[] = []
  let isEmpty = true
  for await (const secret of view.list({ scope })) {
    io.signal.throwIfAborted()
    isEmpty = false
    if (chunk.push(secret) < CHUNK) continue
    await writer.write(chunk)
    chunk = []
  }
  await writer.write(chunk)
  await writer.end()
  if (isEmpty) await output.note(`nothing in ${printable(session.place)}`)
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
 * Long lists are made of objects that are gone at once. V8 would let them take 50 MB before it looks; this costs no
 * time that could be measured.
 */
function limitYoungObjects(): void {
  setFlagsFromString('--max-semi-space-size=2')
  setFlagsFromString('--semi-space-growth-factor=1')
}
