/**
 * The transcripts in a document: blocks marked `console`, with `$` before each command and what it writes below. Each
 * block is one session in one shell; `/home/ada` stands for the user's own directory.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Printed before each command, so that the outputs can be told apart. */
const MARK = '--- command'

/**
 * @param {string} text
 * @returns {{ line: number, text: string }[]}
 */
export function consoleBlocks(text) {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length + 1,
    text: match[1],
  }))
}

/**
 * Runs a block's commands anew.
 *
 * @param {string} block
 * @param {string} prologue - What the shell needs so that `secret-store` is the program.
 * @param {Record<string, string>} env
 * @returns {string} The block as it is now, with ids, times and rates made alike.
 */
export function runConsole(block, prologue, env) {
  const home = mkdtempSync(join(tmpdir(), 'console-'))
  const cwd = join(home, 'app')
  mkdirSync(cwd)
  const commands = [...block.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command)
  const script = commands.map((command, index) => `echo '${MARK} ${index}'\n${command}\n`).join('')
  try {
    const options = { cwd, env: { ...env, HOME: home }, encoding: 'utf8' }
    const { stdout } = spawnSync('bash', ['-c', `exec 2>&1\n${prologue}\n${script}`], options)
    const outputs = stdout.split(new RegExp(`${MARK} \\d+\\n`)).slice(1)
    return alike(
      outputs
        .map((output, index) => `$ ${commands[index]}\n${output}`)
        .join('')
        .replaceAll(home, '/home/ada'),
    )
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * What differs each time, made alike.
 *
 * @param {string} text
 * @returns {string}
 */
export function alike(text) {
  return text
    .replace(/appsecret_\w{24}/g, 'appsecret_ID')
    .replace(/(?<=slot )[\w-]{11}/g, 'SLOT')
    .replace(/\b(?:[A-Z0-9]{5}-){7}[A-Z0-9]{5}\b/g, 'CODE')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \([^)]*\)/g, 'TIME')
    .replace(/\d+ bytes/g, 'BYTES')
    .replace(/ +/g, ' ')
}
