import { describe, expect, test } from 'vitest'
import { run, SHELL_COMMAND } from '../../support/cli-program'
import { hasTerminals, Terminal } from '../../support/terminal'

/** As the terminal shows it: the lines, without what ends them. What comes after them is waited for, so that all is there. */
async function shown(args: readonly string[], columns: number, env: Record<string, string> = {}): Promise<string[]> {
  return seenAfter(`${SHELL_COMMAND} ${args.join(' ')}`, columns, env)
}

async function seenAfter(line: string, columns: number, env: Record<string, string> = {}): Promise<string[]> {
  const terminal = new Terminal('sh', ['-c', `${line}; echo "--- the"" end"; read -r _`], {
    columns,
    env: { TERM: 'xterm', ...env },
  })
  await terminal.sees('--- the end')
  terminal.type('\r')
  await terminal.exitCode
  const [text = ''] = terminal.text.split('--- the end')
  return text.trimEnd().split('\r\n')
}

/** Those that a terminal would break, but for lines to copy and words as long as they are. */
function tooLong(lines: readonly string[], columns: number): string[] {
  return lines.filter((line) => line.length > columns && !/^ *\$ /.test(line) && /\S\s+\S/.test(line.trim()))
}

describe.skipIf(!hasTerminals)('help at a terminal', () => {
  test.each([40, 59, 60, 80, 200])('of %i columns has no line that is longer', async (columns) => {
    for (const args of [['--help'], ['set', '-h'], ['help', 'run'], ['keys', 'add', '--help'], ['completion', '-h']]) {
      const lines = await shown(args, columns)
      expect(lines[0]).toMatch(/^Usage: secret-store/)
      expect(tooLong(lines, columns), args.join(' ')).toEqual([])
    }
  })

  test('uses the columns that there are', async () => {
    const longest = async (columns: number): Promise<number> => {
      return Math.max(...(await shown(['--help'], columns)).map((line) => line.length))
    }
    expect(await longest(40)).toBeGreaterThan(34)
    expect(await longest(80)).toBeGreaterThan(74)
    expect(await longest(200)).toBeGreaterThan(100)
  })

  test('at 40 columns has what an option does under its name', async () => {
    const lines = await shown(['set', '--help'], 40)
    const at = lines.indexOf('  --from-file <file>')
    expect(at).toBeGreaterThan(0)
    expect(lines[at + 1]).toMatch(/^ {6}read the payload from a file/)
  })

  test.each([20, 39])('of %i columns is as at 40', async (columns) => {
    expect(await shown(['--help'], columns)).toEqual(await shown(['--help'], 40))
  })

  test('of 0 columns, which some terminals say, is as at 80', async () => {
    const [size, ...lines] = await seenAfter(`stty cols 0; stty size; ${SHELL_COMMAND} --help`, 80)
    expect(size).toMatch(/ 0$/)
    expect(lines).toEqual(await shown(['--help'], 80))
  })

  test.each([{ TERM: 'xterm-256color' }, { TERM: 'dumb' }, { NO_COLOR: '1' }, { FORCE_COLOR: '3' }])(
    'has no colours: %j',
    async (env) => {
      for (const args of [['--help'], ['set', '-h'], ['keys']]) {
        expect((await shown(args, 80, env)).join('\n')).not.toContain('\u001b')
      }
    },
  )
})

test('help in a pipe is as at 80 columns, whatever COLUMNS says', async () => {
  const { stdout } = await run(['--help'], { env: { COLUMNS: '40' } })
  const lines = stdout.toString().trimEnd().split('\n')
  expect(tooLong(lines, 80)).toEqual([])
  expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(74)
})

test('the program alone shows its help as an error of the command line', async () => {
  const alone = await run([])
  expect(alone.code).toBe(2)
  expect(alone.stdout.toString()).toBe('')
  expect(alone.stderr).toBe((await run(['--help'])).stdout.toString())
})
