import { execFile } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isatty, WriteStream } from 'node:tty'
import { promisify } from 'node:util'

/** Whether a process is stopped, as by Ctrl-Z. */
export async function isStopped(pid: number): Promise<boolean> {
  return (await stateOf(pid)).startsWith('T')
}

/** Its state, as `ps` shows it; empty if there is no such process. */
async function stateOf(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux') return (await statFields('/proc', pid))[0] ?? ''
    return (await promisify(execFile)('ps', ['-o', 'state=', '-p', String(pid)])).stdout.trim()
  } catch {
    return ''
  }
}

/** Whether what is typed at a terminal, such as Ctrl-C, goes to the process group of this process. */
export async function isInForeground(): Promise<boolean> {
  try {
    if (process.platform === 'linux') {
      const [, , processGroup, , , terminalGroup] = await statFields('/proc', 'self')
      return processGroup === terminalGroup
    }
  } catch {
    // There is no /proc.
  }
  return [0, 1, 2].some((fd) => isatty(fd))
}

/** `state ppid pgrp session tty_nr tpgid …`: those after the name, which may have spaces in it. */
async function statFields(proc: string, pid: number | 'self'): Promise<string[]> {
  const text = await readFile(`${proc}/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Such as `80x24`; `undefined` without a terminal. */
export function terminalSize(): string | undefined {
  let fd: number
  try {
    fd = openSync('/dev/tty', 'r+')
  } catch {
    return undefined
  }
  try {
    const terminal = new WriteStream(fd)
    const size = terminal.getWindowSize().join('x')
    terminal.destroy()
    return size
  } catch {
    closeSync(fd)
    return undefined
  }
}
