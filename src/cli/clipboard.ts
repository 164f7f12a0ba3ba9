import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { parse } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { environmentWithoutKeys } from './children'
import { type Failure, refused, usage } from './failure'
import { findProgram } from './find-program'
import { jsonText } from './json'

type Environment = Readonly<Record<string, string | undefined>>
type Line = readonly [file: string, ...args: string[]]

/** What puts text into a clipboard, takes it out, and empties it. No text is ever an argument. */
export interface Clipboard {
  readonly name: string
  readonly copy: Line
  readonly paste: Line
  readonly clear: Line
  /** How text goes in and out, where a system would change it on its way. */
  readonly encoding?: 'base64'
}

const WAYLAND: Clipboard = {
  name: 'wl-copy',
  copy: ['wl-copy', '--type', 'text/plain'],
  paste: ['wl-paste', '--no-newline'],
  clear: ['wl-copy', '--clear'],
}
const X11: readonly Clipboard[] = [
  {
    name: 'xclip',
    copy: ['xclip', '-selection', 'clipboard', '-in'],
    paste: ['xclip', '-selection', 'clipboard', '-out'],
    clear: ['xclip', '-selection', 'clipboard', '-in'],
  },
  {
    name: 'xsel',
    copy: ['xsel', '--clipboard', '--input'],
    paste: ['xsel', '--clipboard', '--output'],
    clear: ['xsel', '--clipboard', '--clear'],
  },
]
const MACOS: Clipboard = { name: 'pbcopy', copy: ['pbcopy'], paste: ['pbpaste'], clear: ['pbcopy'] }

const powershell = (script: string): Line => [
  'powershell.exe',
  '-NoProfile',
  '-NonInteractive',
  '-STA',
  '-Command',
  `$ErrorActionPreference = 'Stop'; Add-Type -AssemblyName System.Windows.Forms; ${script}`,
]
/** The three formats by which a program asks the history of Windows and the cloud to leave its text out. */
const WINDOWS: Clipboard = {
  name: 'PowerShell',
  copy: powershell(
    '$text = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String([Console]::In.ReadToEnd())); ' +
      '$data = New-Object System.Windows.Forms.DataObject; $data.SetText($text); ' +
      "foreach ($format in 'ExcludeClipboardContentFromMonitorProcessing', 'CanIncludeInClipboardHistory', " +
      "'CanUploadToCloudClipboard') " +
      '{ $data.SetData($format, (New-Object IO.MemoryStream (, [byte[]] (0, 0, 0, 0)))) }; ' +
      '[System.Windows.Forms.Clipboard]::SetDataObject($data, $true)',
  ),
  paste: powershell(
    '[Console]::Out.Write([Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes(' +
      '[System.Windows.Forms.Clipboard]::GetText())))',
  ),
  clear: powershell('[System.Windows.Forms.Clipboard]::Clear()'),
  encoding: 'base64',
}

/** @throws {Failure} If there is none. */
export function findClipboard(platform: NodeJS.Platform, env: Environment): Clipboard {
  const found = candidates(platform, env).find(({ copy, paste }) =>
    [copy, paste].every(([file]) => findProgram(file, env['PATH'] ?? env['Path']) !== undefined),
  )
  if (found === undefined) throw noClipboard(platform, env)
  return found
}

function candidates(platform: NodeJS.Platform, env: Environment): Clipboard[] {
  if (platform === 'darwin') return [MACOS]
  if (platform === 'win32') return [WINDOWS]
  return [
    ...(env['WAYLAND_DISPLAY'] ? [WAYLAND] : []),
    ...(env['DISPLAY'] ? X11 : []),
    ...(env['WSL_DISTRO_NAME'] ? [WINDOWS] : []),
  ]
}

function noClipboard(platform: NodeJS.Platform, env: Environment): Failure {
  if (platform === 'darwin') return refused('--copy: there is no clipboard, because pbcopy is not in PATH')
  if (platform === 'win32') return refused('--copy: there is no clipboard, because powershell.exe is not in PATH')
  if (env['WAYLAND_DISPLAY'] || env['DISPLAY']) {
    const wanted = env['WAYLAND_DISPLAY'] ? 'wl-clipboard' : 'xclip or xsel'
    return refused('--copy: there is no program that reaches the clipboard', `install ${wanted}`)
  }
  return refused(
    '--copy: there is no clipboard, because neither WAYLAND_DISPLAY nor DISPLAY is set',
    'without a desktop, as over ssh, leave --copy out: `get` writes to stdout',
  )
}

/** @throws {Failure} If the program fails. */
export async function copyText(clipboard: Clipboard, env: Environment, text: string): Promise<void> {
  const [file, ...args] = clipboard.copy
  const hiding = clipboard === WAYLAND && (await canHide(env)) ? ['--sensitive'] : []
  const bytes = Buffer.from(text)
  await runTool([file, ...hiding, ...args], env, clipboard.encoding ? bytes.toString('base64') : bytes)
  if (X11.includes(clipboard)) await arrival(clipboard, env, bytes)
}

/** These come back a little before the clipboard is theirs, and somebody may paste at once. */
async function arrival(clipboard: Clipboard, env: Environment, bytes: Uint8Array): Promise<void> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    if ((await pasted(clipboard, env))?.equals(bytes)) return
    await setTimeout(LOOK_MS)
  }
}

const MOST_LOOKS = 20
const LOOK_MS = 25

/** Newer ones tell managers of a clipboard's history that it is a password. */
async function canHide(env: Environment): Promise<boolean> {
  const help = await readTool(['wl-copy', '--help'], env).catch(() => Buffer.alloc(0))
  return help.includes('--sensitive')
}

/** What is in the clipboard, if it can be told. */
async function pasted(clipboard: Clipboard, env: Environment): Promise<Buffer | undefined> {
  const output = await readTool(clipboard.paste, env).catch(() => undefined)
  return output && clipboard.encoding ? Buffer.from(output.toString('latin1'), clipboard.encoding) : output
}

/** How long one of these programs may take: one that asks another for the clipboard waits for it. */
const TOOL_MS = 10_000

/** The program that keeps a clipboard goes on after this, so nothing of ours may be left open in it. */
function runTool([file, ...args]: Line, env: Environment, input: string | Uint8Array = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: environmentWithoutKeys(env),
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: TOOL_MS,
    })
    child.once('error', (error: NodeJS.ErrnoException) => reject(toolFailed(file, error.code ?? error.message)))
    child.once('exit', (code) => (code === 0 ? resolve() : reject(toolFailed(file, `exit code ${code}`))))
    // It says why by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function readTool([file, ...args]: Line, env: Environment): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: environmentWithoutKeys(env),
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TOOL_MS,
    })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(Buffer.concat(parts)) : reject(toolFailed(file, `${code}`))))
  })
}

function toolFailed(file: string, why: string): Failure {
  return refused(`--copy: ${file} has failed (${why})`, 'is there a desktop that it can reach?')
}

/** What the process that empties the clipboard knows: not the text, but how to recognize it. */
export interface ClearingOrder {
  /** Which clipboard. */
  readonly name: string
  readonly seconds: number
  readonly salt: string
  readonly digest: string
}

export function clearingOrder(clipboard: Clipboard, text: string, seconds: number): ClearingOrder {
  const salt = randomBytes(32).toString('hex')
  return { name: clipboard.name, seconds, salt, digest: digestOf(salt, Buffer.from(text)) }
}

/** @throws {Failure} If it is none. */
export function parseClearingOrder(bytes: Uint8Array): ClearingOrder {
  let order: unknown
  try {
    order = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw notAnOrder()
  }
  const { name, seconds, salt, digest } = (order ?? {}) as Readonly<Partial<Record<keyof ClearingOrder, unknown>>>
  if (typeof name !== 'string' || typeof salt !== 'string' || typeof digest !== 'string') throw notAnOrder()
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw notAnOrder()
  return { name, seconds, salt, digest }
}

function notAnOrder(): Failure {
  return usage('clear-clipboard: expected an order of `get --copy` at stdin, got something else')
}

function digestOf(salt: string, bytes: Uint8Array): string {
  return createHmac('sha256', Buffer.from(salt, 'hex')).update(bytes).digest('hex')
}

/**
 * Starts this program again as one that outlives the terminal and gets the order from a pipe: others see arguments.
 *
 * @returns The process; it is waited for by nobody.
 */
export async function startClearing(order: ClearingOrder, env: Environment): Promise<ChildProcess> {
  const [, program = ''] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, program, 'clear-clipboard'], {
    // It keeps no folder busy, and has a session of its own.
    cwd: parse(process.cwd()).root,
    detached: true,
    windowsHide: true,
    env: environmentWithoutKeys(env),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  // It says when it has the order: from then on the clipboard will be emptied.
  await new Promise<void>((resolve, reject) => {
    const failed = (): void => reject(refused('--copy: the process that empties the clipboard cannot be started'))
    child.once('error', failed)
    child.once('exit', failed)
    child.stdout.once('data', () => resolve())
    child.stdin.on('error', () => {})
    child.stdin.end(jsonText(order))
  })
  child.stdout.destroy()
  child.unref()
  return child
}

/** Has it empty the clipboard now. On Windows, where it would only be killed, it does so at its time. */
export async function clearNow(clearing: ChildProcess): Promise<void> {
  if (process.platform === 'win32') return
  const ended = new Promise<void>((resolve) => clearing.once('exit', () => resolve()))
  clearing.ref()
  if (clearing.kill('SIGTERM')) await ended
}

/** Empties the clipboard unless something else is in it by now. */
export async function clearIfSame({ name, salt, digest }: ClearingOrder, env: Environment): Promise<void> {
  const clipboard = [WAYLAND, ...X11, MACOS, WINDOWS].find((candidate) => candidate.name === name)
  if (clipboard === undefined) throw notAnOrder()
  const bytes = await pasted(clipboard, env)
  if (bytes !== undefined && digestOf(salt, bytes) === digest) await runTool(clipboard.clear, env)
}
