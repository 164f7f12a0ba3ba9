import { describe, expect, test } from 'vitest'
import { changedVariables, checkArguments, type GivenBytes, variableOf } from '../../../src/cli/raw-bytes'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const given = (words: readonly Uint8Array[], variables: readonly Uint8Array[] = []): GivenBytes => ({
  words,
  variables,
})
/** As Node has them. */
const texts = (words: readonly Uint8Array[]): string[] => words.map((word) => Buffer.from(word).toString())

describe('arguments', () => {
  test.each([
    [['set', 'caf\xe8'], "argument 2: expected UTF-8, got 'caf\\xe8'"],
    [['list', '--user', '\xff\x1b'], "argument 3: expected UTF-8, got '\\xff\\x1b'"],
    [['run', '--', 'echo', 'a', '\xe9'], "argument 3 after --: expected UTF-8, got '\\xe9'"],
    [['set', 'name', 'p\xe4ssword'], 'argument 3: expected UTF-8, got other bytes'],
    [['set', '--live', '\xe4'], "argument 3: expected UTF-8, got '\\xe4'"],
  ])('%j is refused', (words, message) => {
    const bytes = words.map(latin1)
    expect(() => checkArguments(texts(bytes), given(bytes))).toThrow(message)
  })

  test('U+FFFD itself is UTF-8 where the bytes say so, and refused where nothing does', () => {
    const words = [Buffer.from('get'), Buffer.from('\ufffd')]
    expect(() => checkArguments(texts(words), given(words))).not.toThrow()
    expect(() => checkArguments(texts(words), { words: undefined, variables: undefined })).toThrow('argument 2')
    expect(() => checkArguments(texts(words), undefined)).toThrow("argument 2: expected UTF-8, got '\ufffd'")
  })

  test('UTF-8 is taken', () => {
    const words = ['get', 'café', '💥', ''].map((word) => Buffer.from(word))
    expect(() => checkArguments(texts(words), given(words))).not.toThrow()
  })
})

describe('variables', () => {
  test('one that is not UTF-8 is refused, and not shown', () => {
    const variables = [latin1('SECRET_STORE_PASSPHRASE=p\xe4ss')]
    const env = { SECRET_STORE_PASSPHRASE: variables[0]?.subarray(24).toString() }
    const read = (): unknown => variableOf({ env, given: given([], variables) }, 'SECRET_STORE_PASSPHRASE')
    expect(read).toThrow('the variable SECRET_STORE_PASSPHRASE: expected UTF-8, got other bytes')
  })

  test('one that was changed since the start is judged by its text', () => {
    const variables = [latin1('A=\xe4')]
    expect(variableOf({ env: { A: 'new' }, given: given([], variables) }, 'A')).toBe('new')
    expect(() => variableOf({ env: { A: 'n\ufffdw' }, given: given([], variables) }, 'A')).toThrow('expected UTF-8')
  })

  test('of several of one name, the first counts', () => {
    const variables = [Buffer.from('A=a'), latin1('A=\xe4'), Buffer.from('AB=x')]
    expect(variableOf({ env: { A: 'a' }, given: given([], variables) }, 'A')).toBe('a')
  })

  test('an empty one is none, and U+FFFD is taken where the bytes are those', () => {
    expect(variableOf({ env: { A: '' } }, 'A')).toBeUndefined()
    expect(variableOf({ env: { A: '\ufffd' }, given: given([], [Buffer.from('A=\ufffd')]) }, 'A')).toBe('\ufffd')
    expect(() => variableOf({ env: { A: '\ufffd' } }, 'A')).toThrow('expected UTF-8')
  })

  test('those that a child would get otherwise are named', () => {
    const variables = [
      Buffer.from('A=a'),
      latin1('B=\xe4'),
      latin1('\xe4=1'),
      latin1('GONE=\xe4'),
      Buffer.from('U=\ufffd'),
    ]
    const env = { A: 'a', B: '\ufffd', '\ufffd': '1', U: '\ufffd' }
    expect(changedVariables(env, given([], variables))).toEqual(['B', '\\xe4'])
    expect(changedVariables(env, undefined)).toEqual(['B', '\ufffd', 'U'])
  })
})
