import type { Secret } from 'app-secret-store'
import type { Command } from 'commander'
import { type Failure, usage } from '../failure'
import { readInput, readStream } from '../io'
import { printable } from '../printable'
import { askHidden } from '../prompts'
import type { Session } from '../session'
import { textOf } from '../text'
import { parseExpiry } from '../times'
import { type AddCommands, jsonHelp } from './define'
import { expiryText } from './rows'

interface SetFlags {
  readonly fromFile?: string
  readonly expires?: string
  /** `false` by --no-expiry. */
  readonly expiry: boolean
  readonly trimNewline?: boolean
}

export const addSetCommand: AddCommands = (program, run) => {
  program
    .command('set')
    .description('create a secret, or replace the one of that name')
    .argument('<name>', '1 to 5,000 characters')
    .option('--from-file <file>', 'read the payload from a file (default: stdin, or a prompt at a terminal)')
    .option(
      '--expires <when>',
      '90d, 2027-01-31 (its first moment, UTC), 2027-01-31T09:00:00Z or Unix seconds (default: that of the secret it replaces, else never)',
    )
    .option('--no-expiry', 'it never expires, even if the secret that it replaces does')
    .option('--trim-newline', 'leave out one line end at the end of the payload')
    .addHelpText('after', jsonHelp('the secret, without its payload, and "replaced": whether there was one.'))
    // A payload that is given all the same is told of without being repeated, whatever it looks like.
    .allowUnknownOption()
    .allowExcessArguments()
    .hook('preAction', (_, command) => checkWords(command))
    .action(run(setSecret))
}

const IN_THE_HISTORY = "if a payload was typed here, the shell's history has it now: delete it there"

/** @throws {Failure} If there is more than a name, or an option that there is not in its place. */
function checkWords({ args, parent }: Command & { readonly parent: Program | null }): void {
  const [name = '', more] = args
  if (more !== undefined) {
    throw usage(
      'set: expected one name and options, got more, or an unknown option',
      `pipe the payload in, or say --from-file, or neither to be asked; ${IN_THE_HISTORY}`,
    )
  }
  if (/^-./s.test(name) && !parent?.rawArgs?.includes('--')) {
    throw usage(
      'set: expected a name, got an unknown option',
      `\`secret-store set --help\` shows the options, a name that begins with \`-\` comes after \`--\`; ${IN_THE_HISTORY}`,
    )
  }
}

/** The words of the whole line, which the types of commander lack. */
type Program = Command & { readonly rawArgs?: readonly string[] }

async function setSecret(session: Session, name: string, flags: SetFlags): Promise<void> {
  const { io, output, scope } = session
  if (flags.expires !== undefined && !flags.expiry) throw usage('set: expected --expires or --no-expiry, got both')
  if (flags.fromFile === undefined && !io.stdin.isTTY) session.checkStdin('the payload')
  const expires_at = flags.expires === undefined ? keptExpiry(flags) : parseExpiry(flags.expires, io.now())
  // Whoever is asked for both is asked for the key first, and told at once if it does not open the store. A pipe is read
  // before: what fills it may have the same store open, or ask for something at the same terminal.
  const isAsked = flags.fromFile === undefined && io.stdin.isTTY === true
  const opened = isAsked ? await session.view() : undefined
  const given = await readPayload(session, name, flags)
  const bytes = flags.trimNewline ? withoutLineEnd(given) : given
  if (bytes.length === 0) throw emptyPayload()
  const view = opened ?? (await session.view())
  const secret = await view.set({ scope, name, payload: textOf(bytes) ?? bytes, expires_at, expand: ['replaced'] })
  if (flags.fromFile === undefined && bytes.at(-1) === 0x0a) await output.note(LINE_END_NOTE)
  await output.done(secret, writtenText(session, secret))
  if (expires_at === 'keep' && secret.expires_at !== null) await output.note(KEPT_NOTE)
}

const LINE_END_NOTE = 'note: the payload ends in a line end, which was kept; --trim-newline leaves it out'
const KEPT_NOTE =
  'note: the expiry of the secret that was replaced was kept; --no-expiry drops it, --expires sets another'

function keptExpiry({ expiry }: SetFlags): 'keep' | null {
  return expiry ? 'keep' : null
}

/** `created token in the account scope`. */
export function writtenText({ io, place }: Session, secret: Secret): string {
  const what = secret.replaced ? 'replaced' : 'created'
  return `${what} ${printable(secret.name)} in ${printable(place)}${expiryText(secret, io.now())}`
}

export function emptyPayload(outcome = ''): Failure {
  return usage(`payload: expected at least one byte, got none${outcome}`, 'to remove a secret, `secret-store delete`')
}

async function readPayload({ io }: Session, name: string, { fromFile }: SetFlags): Promise<Uint8Array> {
  if (fromFile !== undefined) return readInput(fromFile)
  if (!io.stdin.isTTY) return readStream(io.stdin)
  const otherwise = 'no payload was given, and there is no terminal to ask at'
  return Buffer.from(await askHidden(io, `Payload of ${printable(name)}`, otherwise))
}

export function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== 0x0a) return bytes
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1)
}
