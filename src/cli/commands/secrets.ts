import type { DeletedSecret } from 'app-secret-store'
import { textOf } from '../entries'
import { noSecret, usage } from '../failure'
import { readInput, readStream } from '../io'
import { printable } from '../printable'
import { askHidden } from '../prompts'
import type { Session } from '../session'
import { parseExpiry } from '../times'
import { type AddCommands, jsonHelp } from './define'
import { addGetCommand } from './get'
import { addListCommand } from './list'
import { expiryText, HEADINGS, row } from './rows'

interface SetFlags {
  readonly fromFile?: string
  readonly expires?: string
  readonly trimNewline?: boolean
}

export const addSecretCommands: AddCommands = (program, run) => {
  program
    .command('set')
    .description('create a secret, or replace the one of that name')
    .argument('<name>', '1 to 5,000 characters')
    .option('--from-file <file>', 'read the payload from a file (default: stdin, or a prompt at a terminal)')
    .option(
      '--expires <when>',
      '90d, 2027-01-31 (its first moment, UTC), 2027-01-31T09:00:00Z or Unix seconds (default: never)',
    )
    .option('--trim-newline', 'leave out one line end at the end of the payload')
    .addHelpText('after', jsonHelp('the secret, without its payload.'))
    .action(run(setSecret))

  addGetCommand(program, run)

  program
    .command('find')
    .description('show a secret, without its payload')
    .argument('<name>')
    .addHelpText('after', jsonHelp('the secret, without its payload.'))
    .action(run(findSecret))

  addListCommand(program, run)

  program
    .command('delete')
    .alias('rm')
    .description('delete a secret (`compact` makes its bytes leave the disk)')
    .argument('<name>')
    .addHelpText('after', jsonHelp('what was deleted, with "deleted": true.'))
    .action(run(deleteSecret))
}

async function setSecret(session: Session, name: string, flags: SetFlags): Promise<void> {
  const { io, output, scope } = session
  const expiry = flags.expires === undefined ? {} : { expires_at: parseExpiry(flags.expires, io.now()) }
  const given = await readPayload(session, name, flags)
  const bytes = flags.trimNewline ? withoutLineEnd(given) : given
  if (bytes.length === 0)
    throw usage('payload: expected at least one byte, got none', 'to remove a secret, `secret-store delete`')
  const view = await session.view()
  const secret = await view.set({ scope, name, payload: textOf(bytes) ?? bytes, ...expiry })
  if (flags.fromFile === undefined && bytes.at(-1) === 0x0a) {
    await output.note('note: the payload ends in a line end, which was kept; --trim-newline leaves it out')
  }
  await output.done(secret, `set ${printable(name)} in ${printable(session.place)}${expiryText(secret, io.now())}`)
}

async function readPayload({ io, options }: Session, name: string, { fromFile }: SetFlags): Promise<Uint8Array> {
  if (fromFile !== undefined) return readInput(fromFile)
  if (io.stdin.isTTY) {
    const text = await askHidden(
      io,
      `Payload of ${printable(name)}`,
      'no payload was given, and there is no terminal to ask at',
    )
    return Buffer.from(text)
  }
  if (options.passphraseFd === 0)
    throw usage('stdin: expected the passphrase or the payload, got both', 'use --passphrase-fd 3 3<FILE')
  return readStream(io.stdin)
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== 0x0a) return bytes
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1)
}

async function findSecret(session: Session, name: string): Promise<void> {
  const { output, scope, io } = session
  const secret = await (await session.view()).find({ scope, name })
  if (secret === undefined) throw noSecret(session, name)
  await output.result(secret, () => output.table(HEADINGS, [row(secret, io.now())]))
}

async function deleteSecret(session: Session, name: string): Promise<void> {
  const { output, scope } = session
  const deleted: DeletedSecret | undefined = await (await session.view()).delete({ scope, name })
  if (deleted === undefined) throw noSecret(session, name)
  await output.done(deleted, `deleted ${printable(name)} from ${printable(session.place)}`)
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
