import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from '@lydell/node-pty'
import headless from '@xterm/headless'
import { COLUMNS, type Row, type Run, textOf } from './session-picture'

/** What somebody does: types this when asked that. */
type Step = readonly [seen: string, typed: string]

const PROMPT = '$ '
const PASSPHRASE = 'gibbon radish tundra'
const HOME = '/home/ada'
const LIMIT_MS = 180_000

const STEPS: readonly Step[] = [
  [PROMPT, 'secret-store init'],
  ['New passphrase', PASSPHRASE],
  ['The same again', PASSPHRASE],
  [PROMPT, 'secret-store set stripe.api-key'],
  ['Passphrase', PASSPHRASE],
  ['Payload of stripe.api-key', 'example-key'],
  [PROMPT, 'secret-store list'],
  ['Passphrase', PASSPHRASE],
  [PROMPT, `secret-store run -- sh -c 'echo "the command sees $STRIPE_API_KEY"'`],
  ['Passphrase', PASSPHRASE],
  [PROMPT, 'exit'],
]

/**
 * Plays the session with the real program, in a real shell, at a real terminal.
 *
 * @param program - A shell's words for the program.
 * @returns What is on the screen at the end, as a terminal shows it.
 */
export async function recordSession(program: string): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'session-'))
  mkdirSync(join(home, 'bin'))
  writeFileSync(join(home, 'bin', 'secret-store'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 })
  const screen = new headless.Terminal({ cols: COLUMNS, rows: 60, allowProposedApi: true })
  const { PATH = '' } = process.env
  const pty = spawn('bash', ['--norc', '--noprofile', '-i'], {
    cols: COLUMNS,
    rows: 60,
    cwd: home,
    env: { HOME: home, TERM: 'xterm-256color', PS1: PROMPT, PATH: `${join(home, 'bin')}:${PATH}` },
  })
  try {
    await play(pty, screen)
    return rowsOf(screen, home)
  } finally {
    pty.kill()
    rmSync(home, { recursive: true, force: true })
  }
}

async function play(pty: ReturnType<typeof spawn>, screen: InstanceType<typeof headless.Terminal>): Promise<void> {
  let changed = (): void => {}
  let ended = false
  pty.onData((text) => screen.write(text, () => changed()))
  pty.onExit(() => {
    ended = true
    changed()
  })
  // Ends what hangs, and says where.
  const limit = setTimeout(() => pty.kill(), LIMIT_MS)
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    }
  }
  for (const [seen, typed] of STEPS) {
    await until(() => {
      if (ended) throw new Error(`session: expected '${seen}', got the end, and before it: ${shownOn(screen)}`)
      return isAt(screen, seen)
    })
    pty.write(`${typed}\r`)
    // Typed to the end, before the same words are looked for again.
    await until(() => ended || !isAt(screen, seen))
  }
  await until(() => ended)
  clearTimeout(limit)
}

function shownOn(screen: InstanceType<typeof headless.Terminal>): string {
  const buffer = screen.buffer.active
  return Array.from({ length: buffer.length }, (_, y) => buffer.getLine(y)?.translateToString(true))
    .join('\n')
    .trimEnd()
}

/** Whether the cursor is at a prompt of the shell, or at a question. */
function isAt(screen: InstanceType<typeof headless.Terminal>, seen: string): boolean {
  const { baseY, cursorY } = screen.buffer.active
  const line = screen.buffer.active.getLine(baseY + cursorY)?.translateToString(true) ?? ''
  return seen === PROMPT ? line === PROMPT : line.startsWith(seen) && line.trimEnd().endsWith(':')
}

function rowsOf(screen: InstanceType<typeof headless.Terminal>, home: string): Row[] {
  const rows: Row[] = []
  const buffer = screen.buffer.active
  for (let y = 0; y < buffer.length; y++) {
    const line = buffer.getLine(y)
    const runs: Run[] = []
    for (let column = 0; column < COLUMNS; column++) {
      const cell = line?.getCell(column)
      if (cell === undefined || cell.getWidth() === 0) continue
      const colour = cell.isFgPalette() ? cell.getFgColor() : undefined
      const look = { colour, bold: cell.isBold() !== 0, dim: cell.isDim() !== 0 }
      const last = runs.at(-1)
      const text = cell.getChars() || ' '
      if (last && last.colour === look.colour && last.bold === look.bold && last.dim === look.dim) {
        runs[runs.length - 1] = { ...last, text: last.text + text }
      } else runs.push({ column, text, ...look })
    }
    rows.push(runs)
  }
  const shown = rows.map((row) => trimmed(row.map((run) => ({ ...run, text: run.text.replaceAll(home, HOME) }))))
  while (shown.at(-1)?.length === 0) shown.pop()
  // The last line is `exit`, which is nobody's.
  return shown.slice(
    0,
    shown.findLastIndex((row) => textOf(row) === `${PROMPT}exit`),
  )
}

function trimmed(row: readonly Run[]): Run[] {
  const last = row.at(-1)
  if (last === undefined) return []
  const text = last.text.trimEnd()
  if (text !== '') return [...row.slice(0, -1), { ...last, text }]
  return trimmed(row.slice(0, -1))
}
