import { setTimeout } from 'node:timers/promises'
import type { Secret } from 'app-secret-store'
import { payloadField } from '../entries'
import { noSecret, usage } from '../failure'
import { readStream } from '../io'
import { closeInheritable } from '../key-descriptors'
import { count, printable } from '../printable'
import type { Session } from '../session'
import { textOf } from '../text'
import { type AddCommands, integer, jsonHelp } from './define'

interface GetFlags {
  readonly copy?: boolean
  readonly clearAfter?: number
}

const CLEAR_AFTER_SECONDS = 30
const MOST_SECONDS = 86_400

export const addGetCommand: AddCommands = (program, run) => {
  program
    .command('get')
    .description("write a secret's payload to stdout, as it is")
    .argument('<name>')
    .option('--copy', 'copy it to the clipboard instead, which is emptied after 30 seconds if it is still there')
    .option(
      '--clear-after <seconds>',
      'with --copy: another time, up to 86400; 0 leaves it there',
      integer(0, MOST_SECONDS),
    )
    .addHelpText(
      'after',
      jsonHelp(
        'the secret, with "payload", or "payload_base64" if it is not UTF-8; with --copy without either,\nbut with "clears_after", in seconds or null.',
      ),
    )
    .action(run(getSecret))

  // What `get --copy` leaves behind.
  program
    .command('clear-clipboard', { hidden: true })
    .description('empty the clipboard later, as stdin says')
    .action(run(clearClipboard))
}

async function getSecret(session: Session, name: string, flags: GetFlags): Promise<void> {
  const { io, output, scope } = session
  if (flags.clearAfter !== undefined && !flags.copy)
    throw usage('--clear-after: expected it with --copy, got it alone', 'say --copy, too')
  if (flags.copy) return copySecret(session, name, flags.clearAfter ?? CLEAR_AFTER_SECONDS)
  const view = await session.view()
  const bytes = await view.getBytes({ scope, name })
  if (bytes === undefined) throw noSecret(session, name)
  if (output.json) {
    const secret = await view.find({ scope, name })
    if (secret === undefined) throw noSecret(session, name)
    return output.result({ ...secret, ...payloadField(textOf(bytes) ?? bytes) }, () => '')
  }
  await output.write(bytes)
  if (io.stdout.isTTY && bytes.at(-1) !== 0x0a) await output.write('\n')
}

async function copySecret(session: Session, name: string, seconds: number): Promise<void> {
  const { io, output } = session
  const { clearingOrder, clearNow, copyText, findClipboard, startClearing } = await import('../clipboard')
  const clipboard = findClipboard(process.platform, io.env)
  const { secret, text } = await readText(session, name)
  await session.close()
  // A clipboard is kept by a process that goes on.
  closeInheritable()
  // First what empties it: nothing is copied that would stay.
  const clearing = seconds === 0 ? undefined : await startClearing(clearingOrder(clipboard, text, seconds), io.env)
  try {
    await copyText(clipboard, io.env, text)
  } catch (error) {
    // It may have failed after the payload was there.
    if (clearing !== undefined) await clearNow(clearing)
    throw error
  }
  const until = seconds === 0 ? '; it stays there' : `, for ${count(seconds, 'second')}`
  const clears_after = seconds === 0 ? null : seconds
  await output.done(
    { ...secret, clears_after },
    `copied ${printable(name)} to the clipboard (${clipboard.name})${until}`,
  )
  if (text.endsWith('\n')) await output.note('note: the payload ends in a line end, which was copied, too')
}

async function readText(session: Session, name: string): Promise<{ readonly secret: Secret; readonly text: string }> {
  const { scope } = session
  const view = await session.view()
  const secret = await view.find({ scope, name })
  const bytes = secret && (await view.getBytes({ scope, name }))
  if (secret === undefined || bytes === undefined) throw noSecret(session, name)
  const text = textOf(bytes)
  if (text === undefined || text.includes('\0')) {
    throw usage('--copy: expected a payload of text, got one that is no UTF-8 or has a NUL', 'leave --copy out')
  }
  return { secret, text }
}

/** Says so as soon as it has the order. */
async function clearClipboard({ io }: Session): Promise<void> {
  const ended = new AbortController()
  // At the end of a session, for one, it is emptied at once.
  const giveBack = io.takeSignals((signal) => {
    if (signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') ended.abort()
  })
  try {
    const { clearIfSame, parseClearingOrder } = await import('../clipboard')
    const order = parseClearingOrder(await readStream(io.stdin))
    io.stdout.write('\n')
    await setTimeout(order.seconds * 1000, undefined, { signal: ended.signal }).catch(() => {})
    await clearIfSame(order, io.env)
  } finally {
    giveBack()
  }
}
