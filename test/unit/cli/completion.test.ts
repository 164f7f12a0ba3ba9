import { describe, expect, test } from 'vitest'
import { complete, encodeCompletion } from '../../../src/cli/completion/candidates'
import { completionScript, SHELLS } from '../../../src/cli/completion/scripts'
import { buildProgram } from '../../../src/cli/program'

const program = buildProgram(() => async () => {})
const at = (...words: string[]): ReturnType<typeof complete> => complete(program, words)
const values = (...words: string[]): string[] => at(...words).candidates.map(({ value }) => value)

describe('what may stand at the cursor', () => {
  test('commands, with options of all commands before them', () => {
    expect(values('')).toEqual(expect.arrayContaining(['set', 'get', 'run', 'keys', 'completion']))
    expect(values('')).not.toContain('complete')
    expect(values('--store', '/x', '--live', '')).toContain('rotate')
    expect(values('keys', '')).toEqual(expect.arrayContaining(['list', 'add', 'remove', 'replace', 'recovery']))
  })

  test('the commands that there is help of', () => {
    expect(values('help', '')).toEqual(expect.arrayContaining(['set', 'keys', 'help']))
    expect(values('help', 'keys', '')).toEqual(['list', 'add', 'remove', 'replace', 'recovery'])
    expect(values('help', 'nothing', '')).toEqual([])
    expect(values('help', 'set', '')).toEqual([])
  })

  test('other names of commands, as the command itself', () => {
    const aliased = buildProgram(() => async () => {})
    aliased.commands.find((command) => command.name() === 'import')?.alias('load')
    const found = complete(aliased, ['']).candidates.filter(({ value }) => value === 'import' || value === 'load')
    expect(found.map(({ value }) => value)).toEqual(['import', 'load'])
    expect(found[0]?.description).toBe(found[1]?.description)
    expect(complete(aliased, ['load', '--format', ''])).toEqual(complete(aliased, ['import', '--format', '']))
    expect(complete(aliased, ['load', ''])).toEqual({ candidates: [], more: 'files' })
  })

  test('options of the command, of its parents and of all commands', () => {
    expect(values('list', '--')).toEqual(expect.arrayContaining(['--all', '--limit', '--help', '--store', '--json']))
    expect(values('keys', 'add', '-')).toEqual(expect.arrayContaining(['--kdf', '--passphrase-fd']))
    expect(values('restore', '--')).toEqual(expect.arrayContaining(['--minimum', '--allow-unsafe-location']))
    expect(values('list', '--')).not.toContain('--prefix')
    const all = values('set', '--')
    expect(new Set(all).size).toBe(all.length)
  })

  test('choices of options and arguments', () => {
    expect(values('init', '--kdf', '')).toEqual(['scrypt', 'argon2id'])
    expect(values('init', '--kdf=')).toEqual(['--kdf=scrypt', '--kdf=argon2id'])
    expect(values('init', '--kdf', '=')).toEqual(['scrypt', 'argon2id'])
    expect(values('init', '--kdf', '=', 's')).toEqual(['scrypt', 'argon2id'])
    expect(values('completion', '')).toEqual([...SHELLS])
  })

  test.each([
    [['--key-file', ''], 'files'],
    [['get', '--key-file', ''], 'files'],
    [['get', '--key-file=x'], 'files'],
    [['get', '--key-file', '=', 'x'], 'files'],
    [['set', 'name', '--from-file', ''], 'files'],
    [['export', '--output', ''], 'files'],
    [['keys', 'replace', 'slot', '--new-key-file', ''], 'files'],
    [['import', ''], 'files'],
    [['import', '--', ''], 'files'],
    [['backup', '--json', ''], 'files'],
    [['--store', ''], 'directories'],
    [['recover', ''], 'directories'],
    [['get', ''], undefined],
    [['import', 'a', ''], undefined],
    [['get', '--user', ''], undefined],
    [['restore', '--minimum', ''], undefined],
    [['restore', '--minimum', 'x', ''], 'files'],
    [['get', '--limit=x'], undefined],
  ])('%j: %s', (words, more) => {
    expect(at(...words)).toEqual({ candidates: [], ...(more !== undefined && { more }) })
  })

  test('another command, after `--` of run', () => {
    expect(at('run', '--', '')).toEqual({ candidates: [], more: { commandFrom: 2 } })
    expect(at('run', '--only', 'a', 'b', '--prefix', 'X_', '--', 'git', 'checkout', '--')).toEqual({
      candidates: [],
      more: { commandFrom: 7 },
    })
    expect(values('run', '--only', 'a', '--')).toContain('--override')
    expect(values('run', '')).toEqual(['--'])
  })

  test('is told in lines', () => {
    expect(encodeCompletion(at('init', '--kdf', ''))).toBe('scrypt\t\nargon2id\t\n')
    expect(encodeCompletion(at('import', ''))).toBe(':files\n')
    expect(encodeCompletion(at('run', '--', ''))).toBe(':command 2\n')
    for (const line of encodeCompletion(at('')).trimEnd().split('\n')) expect(line).toMatch(/^[a-z]+\t\S[^\t]*$/)
  })
})

test.each(SHELLS)('the script for %s evaluates no text', (shell) => {
  const script = completionScript(shell).replaceAll(/^#.*$/gm, '')
  expect(script).not.toMatch(/\b(?:eval|iex|Invoke-Expression|Invoke-Command|ScriptBlock\]::Create|source)\b/i)
  expect(script).not.toMatch(/\bcompgen -W|\$\{\(e\)|\bsh -c\b|\$\{[^}]*@P\}/)
})

test('the script for PowerShell hands words to no batch file, which would be read by cmd.exe', () => {
  expect(completionScript('powershell')).toContain("-notmatch '\\.(cmd|bat)$'")
})
