import type { DeletedSecret, SecretView } from 'app-secret-store'
import { noSecret, refused, usage } from '../failure'
import { printable } from '../printable'
import type { Session } from '../session'
import { type AddCommands, jsonHelp } from './define'
import { addEditCommand } from './edit'
import { addGetCommand } from './get'
import { addListCommand } from './list'
import { HEADINGS, row } from './rows'
import { addSetCommand } from './set'

export const addSecretCommands: AddCommands = (program, run) => {
  addSetCommand(program, run)
  addGetCommand(program, run)

  program
    .command('find')
    .description('show a secret, without its payload')
    .argument('<name>')
    .addHelpText('after', jsonHelp('the secret, without its payload.'))
    .action(run(findSecret))

  addListCommand(program, run)
  addEditCommand(program, run)

  program
    .command('mv')
    .description('give a secret another name: the payload and the expiry move, the id is a new one')
    .argument('<old>')
    .argument('<new>')
    .option('--replace', 'replace the secret that has the new name, and keep its id (default: refuse)')
    .addHelpText('after', jsonHelp('the secret of the new name, without its payload, and "replaced".'))
    .action(run(moveSecret))

  program
    .command('delete')
    .alias('rm')
    .description('delete a secret (`compact` makes its bytes leave the disk)')
    .argument('<name>')
    .addHelpText('after', jsonHelp('what was deleted, with "deleted": true.'))
    .action(run(deleteSecret))
}

async function findSecret(session: Session, name: string): Promise<void> {
  const { output, scope, io } = session
  const secret = await (await session.view()).find({ scope, name })
  if (secret === undefined) throw noSecret(session, name)
  await output.result(secret, () => output.table(HEADINGS, [row(secret, io.now())]))
}

interface MoveFlags {
  readonly replace?: boolean
}

/** In one write: at no moment are there both or neither. */
async function moveSecret(session: Session, old: string, name: string, { replace }: MoveFlags): Promise<void> {
  const { output, scope } = session
  if (old === name) throw usage('mv: expected two names, got the same twice')
  const view = await session.view()
  const from = await view.find({ scope, name: old })
  const payload = from && (await storedPayload(view, session, old))
  if (from === undefined || payload === undefined) throw noSecret(session, old)
  const there = await view.find({ scope, name })
  if (there !== undefined && !replace) {
    throw refused(`there is a secret '${name}' in ${session.place} already`, 'say --replace, or another name')
  }
  const [moved] = await view.batch([
    { type: 'set', scope, name, payload, expires_at: from.expires_at, expand: ['replaced'] },
    { type: 'delete', scope, name: old },
  ])
  const how = there !== undefined ? ', which was replaced' : ''
  const text = `moved ${printable(old)} to ${printable(name)}${how}, in ${printable(session.place)}`
  await output.done(moved ?? {}, text)
}

/** Of the type that it is stored as: text stays text, and bytes stay bytes, even if they are UTF-8. */
async function storedPayload(
  view: SecretView,
  { scope }: Session,
  name: string,
): Promise<string | Uint8Array | undefined> {
  try {
    return await view.get({ scope, name })
  } catch (error) {
    // So the library says that the payload is bytes.
    if (error instanceof TypeError) return view.getBytes({ scope, name })
    throw error
  }
}

async function deleteSecret(session: Session, name: string): Promise<void> {
  const { output, scope } = session
  const deleted: DeletedSecret | undefined = await (await session.view()).delete({ scope, name })
  if (deleted === undefined) throw noSecret(session, name)
  await output.done(deleted, `deleted ${printable(name)} from ${printable(session.place)}`)
}
