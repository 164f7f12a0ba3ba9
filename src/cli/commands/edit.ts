import { type Failure, noSecret, refused, usage } from '../failure'
import { childStdio } from '../key-descriptors'
import { printable } from '../printable'
import type { Session } from '../session'
import { textOf } from '../text'
import { type AddCommands, jsonHelp } from './define'
import { emptyPayload, withoutLineEnd, writtenText } from './set'

export const addEditCommand: AddCommands = (program, run) => {
  program
    .command('edit')
    .description('change a payload in an editor (VISUAL, else EDITOR), or by a command; the expiry stays')
    .argument('<name>')
    .argument('[command...]', 'after `--`: it gets the payload at stdin, and what it writes to stdout is stored')
    .addHelpText(
      'after',
      `\nOther commands, and apps that share the store, can use it meanwhile. If one of them changes the payload, it stays.\n${jsonHelp('the secret, without its payload, and "changed": whether it was written.')}`,
    )
    .action(run(editSecret))
}

async function editSecret(session: Session, name: string, command: readonly string[]): Promise<void> {
  const { output, scope, options } = session
  // Before somebody has typed what then could not be stored.
  if (options.readOnly) throw usage('edit: expected a store to write to, got --read-only', 'leave --read-only out')
  const view = session.viewOf(await session.open({ shared: true }))
  const secret = await view.find({ scope, name })
  const before = secret && (await view.getBytes({ scope, name }))
  if (secret === undefined || before === undefined) throw noSecret(session, name)
  const after = await (command.length === 0 ? edited(session, name, before) : filtered(session, command, before))
  if (after.length === 0) throw emptyPayload('; nothing was changed')
  if (Buffer.compare(before, after) === 0) {
    return output.done({ ...secret, changed: false }, `unchanged: ${printable(name)} was not written`)
  }
  const now = await view.getBytes({ scope, name })
  const { expires_at } = secret
  const hasExpired = (): boolean => expires_at !== null && expires_at * 1000 <= session.io.now()
  if (now === undefined) throw hasExpired() ? expiredMeanwhile(name) : changedMeanwhile(name, 'deleted')
  if (Buffer.compare(before, now) !== 0) throw changedMeanwhile(name, 'changed')
  const payload = textOf(after) ?? after
  // The store refuses one that has passed, where `keep` would make a secret that never expires.
  const { replaced, ...written } = await view
    .set({ scope, name, payload, expires_at, expand: ['replaced'] })
    .catch((error) => {
      throw hasExpired() && error instanceof RangeError ? expiredMeanwhile(name) : error
    })
  if (command.length > 0 && after.at(-1) === LINE_END && before.at(-1) !== LINE_END) {
    await output.note('note: the payload ends in a line end now, as the command wrote it')
  }
  await output.done({ ...written, changed: true }, writtenText(session, { ...written, replaced: replaced ?? false }))
}

function changedMeanwhile(name: string, how: 'changed' | 'deleted'): Failure {
  return refused(
    `'${name}': another process has ${how} it meanwhile; what you made of it was not written`,
    'edit it again',
  )
}

function expiredMeanwhile(name: string): Failure {
  return refused(`'${name}': it has expired meanwhile; nothing was changed`)
}

const LINE_END = 0x0a

async function edited(session: Session, name: string, before: Uint8Array): Promise<Uint8Array> {
  const { io, output, options } = session
  if (textOf(before) === undefined) {
    throw usage(
      `'${name}' is no UTF-8 text, which an editor would change`,
      '`edit NAME -- COMMAND` gives it to a command as it is',
    )
  }
  const { editBytes } = await import('../editor')
  const { bytes, isSoon } = await editBytes(io, output, options, before)
  if (textOf(bytes) === undefined) {
    throw usage('editor: expected it to leave UTF-8 text, got something else; nothing was changed')
  }
  const after = withOwnEnd(bytes, before)
  if (isSoon && Buffer.compare(before, after) === 0) {
    await output.note('note: the editor ended at once; one that opens a window has to be told to wait: `code --wait`')
  }
  return after
}

/** Editors end the last line. One line end is left out where the payload had none; where it had one, nothing is. */
function withOwnEnd(bytes: Uint8Array, before: Uint8Array): Uint8Array {
  return before.at(-1) === LINE_END ? bytes : withoutLineEnd(bytes)
}

/** No more is kept of what a command writes; the store takes less. */
const MOST_BYTES = 2 ** 26

/** What a command makes of the payload. The file system sees nothing of it. */
async function filtered(
  session: Session,
  [file = '', ...args]: readonly string[],
  before: Uint8Array,
): Promise<Uint8Array> {
  const { io, options } = session
  const { environmentWithoutKeys, runBeside } = await import('../children')
  const parts: Buffer[] = []
  let length = 0
  const [, , stderr = 'inherit'] = childStdio(options)
  const { code, interrupted } = await runBeside(
    io,
    file,
    args,
    { env: environmentWithoutKeys(io.env), stdio: ['pipe', 'pipe', stderr] },
    (child) => {
      child.stdout?.on('data', (part: Buffer) => {
        length += part.length
        if (length > MOST_BYTES) child.kill('SIGKILL')
        else parts.push(part)
      })
      // Not every command reads what it gets.
      child.stdin?.on('error', () => {})
      child.stdin?.end(before)
    },
  )
  if (interrupted !== undefined) throw interrupted
  if (length > MOST_BYTES) throw refused(`${file}: expected up to 64 MiB from it, got more; nothing was changed`)
  if (code !== 0) {
    const why = code === 127 ? 'there is no such command' : `it has failed (exit code ${code})`
    throw refused(`${file}: ${why}; nothing was changed`)
  }
  return Buffer.concat(parts)
}
