import type { SecretStore, StoreHolder } from 'app-secret-store'
import { durationEnd } from './durations'
import { EXIT, Failure, failureOf, usage } from './failure'
import type { Io } from './io'
import type { Output } from './output'
import { printable } from './printable'
import { variableOf } from './raw-bytes'

const WAIT_VARIABLE = 'SECRET_STORE_WAIT'
const DEFAULT_MS = 5000
const MOST_MS = 86_400_000
const FORMS = 'expected seconds (0, 10, 0.5) or a duration (500ms, 30s, 2min) of a day at the most'

/** How long to wait for a store that something else has open alone. @throws {Failure} Usage. */
export function waitMsOf(io: Io, given: string | undefined): number {
  const [text, label] = given === undefined ? [variableOf(io, WAIT_VARIABLE), WAIT_VARIABLE] : [given, '--wait']
  if (text === undefined) return DEFAULT_MS
  const ms = millisecondsOf(text)
  if (ms !== undefined && ms <= MOST_MS) return ms
  throw usage(`${label}: ${FORMS}, got '${text.slice(0, 50)}'`)
}

function millisecondsOf(text: string): number | undefined {
  if (/^\d{1,9}(\.\d{1,3})?$/.test(text)) return Math.round(1000 * Number(text))
  const [, milliseconds] = /^(\d{1,9}) ?ms$/.exec(text) ?? []
  return milliseconds === undefined ? durationEnd(text, 0) : Number(milliseconds)
}

/** Who has the store open, as far as the system tells. */
export type Look = () => Promise<StoreHolder | undefined>

const TELL_MS = 1000
/** A process that shares the store has a moment more: the key may still be on its way to it. */
const LOOKS_AT_SHARED = 3

/** After a second of work that waits, whoever watches is told for whom. Nobody else is. */
export async function tellingWait<T>(
  { io, output }: { readonly io: Io; readonly output: Output },
  look: Look,
  work: () => Promise<T>,
): Promise<T> {
  if (!io.stderr.isTTY) return work()
  let looks = 0
  const tell = async (): Promise<void> => {
    const holder = await look().catch(() => undefined)
    const isQuiet = holder === undefined || holder.pid === process.pid || (holder.shared && ++looks < LOOKS_AT_SHARED)
    if (isQuiet || timer === undefined) return
    end()
    const does = holder.shared ? 'shares the store, to answer' : 'has the store open alone (--wait says how long)'
    await output.note(`waiting for ${holderText(holder)}, which ${does}; Ctrl-C ends the wait`)
  }
  let timer: NodeJS.Timeout | undefined = setInterval(() => void tell().catch(() => {}), TELL_MS)
  const end = (): void => {
    clearInterval(timer)
    timer = undefined
  }
  try {
    return await work()
  } finally {
    end()
  }
}

/**
 * Opens a store for others to share. A place where processes cannot meet, such as a network file system, is still one for a
 * single process.
 *
 * @param look - Given if nobody is to be waited for: whoever shares a store waits a moment for others that do.
 */
export async function sharedOrAlone(
  output: Output,
  look: Look | undefined,
  open: (shared: true | 'follow') => Promise<SecretStore>,
): Promise<SecretStore> {
  if ((await look?.())?.shared === false) return open('follow')
  try {
    return await open(true)
  } catch (error) {
    const { code = '', message } = failureOf(error)
    if (!['ERR_UNSAFE_LOCATION', 'ERR_IO'].includes(code)) throw error
    const store = await open('follow')
    await output.note(`note: no other command can use the store meanwhile: ${printable(message)}`)
    return store
  }
}

/** `process 4242 (node server.js)`, as far as the system tells. */
export function holderText({ pid, program }: StoreHolder): string {
  if (pid === undefined) return 'a process of which the system tells nothing'
  return printable(`process ${pid}${program === undefined ? '' : ` (${program})`}`)
}

const CLOSE =
  'close what has the store open, wait longer with --wait, or have the app share it (`shared: true`, docs/cli.md)'
const SILENT = 'it does not answer: continue or end it, then try again; `secret-store status --holder` shows it'

/**
 * What a refused opening fails with: how long was waited, and what is to be done about whoever has the store open.
 *
 * @param hints - Others than the usual ones, about a process that shares the store, and about one that does not.
 */
export async function explainLocked(
  error: unknown,
  look: Look,
  waitMs: number,
  { shared = SILENT, alone = CLOSE }: { readonly shared?: string; readonly alone?: string } = {},
): Promise<unknown> {
  const { code, message } = failureOf(error)
  if (code !== 'ERR_LOCKED') return error
  const isShared = (await look().catch(() => undefined))?.shared ?? false
  const waited = isShared || waitMs === 0 ? '' : ` (waited for ${waitMs / 1000} s)`
  return new Failure(EXIT.locked, `${message}${waited}`, { code, hint: isShared ? shared : alone })
}
