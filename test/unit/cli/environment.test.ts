import { describe, expect, test } from 'vitest'
import { CommandEnvironment, isPrefix } from '../../../src/cli/environment'
import { Failure } from '../../../src/cli/failure'
import { LOADERS, loaderOf } from '../../../src/cli/loader-names'

type Options = Partial<ConstructorParameters<typeof CommandEnvironment>[1]>

const SIZELESS = { stringBytes: Number.POSITIVE_INFINITY, totalBytes: Number.POSITIVE_INFINITY }

/** The environment of a command, with these secrets. */
function environmentOf(
  secrets: Readonly<Record<string, string | Uint8Array>>,
  inherited: Record<string, string> = {},
  options: Options = {},
): Record<string, string> {
  const environment = new CommandEnvironment(inherited, {
    prefix: '',
    override: false,
    allowLoaders: false,
    skipBinary: false,
    ignoreCase: false,
    limits: SIZELESS,
    command: ['true'],
    ...options,
  })
  for (const name of Object.keys(secrets)) environment.addName(name)
  for (const [name, payload] of Object.entries(secrets)) environment.addPayload(name, payload)
  return environment.finish()
}

function made(names: readonly string[], inherited: Record<string, string> = {}, options: Options = {}): unknown {
  return environmentOf(Object.fromEntries(names.map((name) => [name, `payload of ${name}`])), inherited, options)
}

/** What is wrong, with all that is listed. */
function refusal(work: () => unknown): Failure {
  try {
    work()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('expected a failure, got none')
}

describe('everything that is wrong', () => {
  test('is told of at once', () => {
    const { message, hint, problems } = refusal(() =>
      environmentOf(
        { 'a-b': '1', 'a.b': '2', path: '/', there: '3', nul: 'a\0b', bytes: Uint8Array.of(0xff), fine: '4' },
        { THERE: 'x' },
      ),
    )
    expect(message).toBe('5 secrets cannot be variables of the command, which was not run')
    expect(problems?.listed.map(({ name }) => name)).toEqual(['a.b', 'path', 'there', 'nul', 'bytes'])
    expect(problems?.unlisted).toBe(0)
    expect(hint).toContain('--except')
  })

  test('is listed up to a bound, and counted beyond', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`nul${n}`, '\0']))
    const { message, problems } = refusal(() => environmentOf(many))
    expect(message).toContain('50 secrets')
    expect(problems?.listed.length).toBe(20)
    expect(problems?.unlisted).toBe(30)
  })

  test('holds no payload', () => {
    const { message, hint, problems } = refusal(() =>
      environmentOf(
        { nul: 's3cret\0', large: 's3cret'.repeat(100) },
        {},
        { limits: { ...SIZELESS, stringBytes: 100 } },
      ),
    )
    expect(JSON.stringify([message, hint, problems])).not.toContain('s3cret')
  })
})

describe('what is too large', () => {
  test('is refused by its names alone, before a payload is asked for', () => {
    const environment = new CommandEnvironment(
      { HOME: '/' },
      {
        prefix: '',
        override: false,
        allowLoaders: false,
        skipBinary: false,
        ignoreCase: false,
        limits: { ...SIZELESS, totalBytes: 1000 },
        command: ['true'],
      },
    )
    let added = 0
    const { message } = refusal(() => {
      for (; added < 1000; added++) environment.addName(`name-${added}`)
    })
    expect(added).toBeLessThan(60)
    expect(message).toContain('this system passes on 1,000 bytes')
  })

  test('is refused with the names that are to blame, the largest first', () => {
    const secrets = { small: 'x', huge: 'x'.repeat(600), large: 'x'.repeat(500), tiny: 'x' }
    const { message } = refusal(() => environmentOf(secrets, {}, { limits: { ...SIZELESS, totalBytes: 1000 } }))
    expect(message).toMatch(
      /the largest of those read are 'huge' \(614 bytes\), 'large' \(515 bytes\), '\w+' \(\d+ bytes\)$/,
    )
  })

  test('is not what a secret replaces, nor what is left out', () => {
    const limits = { ...SIZELESS, totalBytes: 1000 }
    const inherited = { HUGE: 'x'.repeat(600) }
    expect(environmentOf({ huge: 'y'.repeat(600) }, inherited, { limits, override: true })).toEqual({
      HUGE: 'y'.repeat(600),
    })
    // What is inherited stays where its secret is left out, and counts again.
    const skipping = { limits, override: true, skipBinary: true }
    const none = Uint8Array.of(0xff)
    expect(environmentOf({ huge: none, a: 'x'.repeat(300) }, inherited, skipping)).toEqual({
      ...inherited,
      A: 'x'.repeat(300),
    })
    expect(() => environmentOf({ huge: none, a: 'x'.repeat(400) }, inherited, skipping)).toThrow('too much for one')
  })

  test('is told of by name where it is one string', () => {
    const { message } = refusal(() =>
      environmentOf({ big: 'x'.repeat(97) }, {}, { limits: { ...SIZELESS, stringBytes: 100 } }),
    )
    expect(message).toBe("'big' is too large for a variable: 102 bytes, and this system passes on 100")
    expect(environmentOf({ big: 'x'.repeat(95) }, {}, { limits: { ...SIZELESS, stringBytes: 100 } })).toEqual({
      BIG: 'x'.repeat(95),
    })
  })
})

describe('a variable that programs take code from', () => {
  test.each([
    ...['LD_PRELOAD', 'LD_AUDIT', 'DYLD_INSERT_LIBRARIES', 'GCONV_PATH', 'OPENSSL_CONF', 'HOSTALIASES', 'MALLOC_TRACE'],
    ...['PATH', 'PATHEXT', 'COMSPEC', 'HOME', 'SHELL', 'ENV', 'BASH_ENV', 'IFS', 'PS4', 'PROMPT_COMMAND', 'ZDOTDIR'],
    ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_REPL_EXTERNAL_MODULE', 'ELECTRON_RUN_AS_NODE', 'NPM_CONFIG_SCRIPT_SHELL'],
    ...[
      'PYTHONSTARTUP',
      'PYTHONPATH',
      'PERL5OPT',
      'PERL5LIB',
      'RUBYOPT',
      'RUBYLIB',
      'LUA_INIT_5_4',
      'PHPRC',
      'R_PROFILE',
    ],
    ...[
      'JAVA_TOOL_OPTIONS',
      '_JAVA_OPTIONS',
      'JDK_JAVA_OPTIONS',
      'CLASSPATH',
      'DOTNET_STARTUP_HOOKS',
      'CORECLR_PROFILER',
    ],
    ...['GIT_SSH_COMMAND', 'GIT_EXTERNAL_DIFF', 'GIT_CONFIG_COUNT', 'GIT_PAGER', 'GIT_EXEC_PATH', 'GIT_ASKPASS'],
    ...['PAGER', 'EDITOR', 'VISUAL', 'BROWSER', 'LESSOPEN', 'LESSCLOSE', 'MANPAGER', 'SSH_ASKPASS', 'MAKEFLAGS'],
    ...['GOFLAGS', 'RUSTC_WRAPPER', 'TERMINFO', 'QT_PLUGIN_PATH', 'GTK_MODULES', 'SYSTEMD_PAGER', 'BASH_FUNC_TRUE__'],
  ])('%s is made by no secret, whatever its letters and its prefix', (variable) => {
    const lower = variable.toLowerCase()
    for (const name of [variable, lower, lower.replaceAll('_', '.'), lower.replaceAll('_', '-')]) {
      expect(() => made([name])).toThrow(`would be ${variable}`)
      expect(() => made([name], {}, { override: true })).toThrow(`would be ${variable}`)
    }
    for (let at = 1; at < variable.length; at++) {
      const [prefix, name] = [variable.slice(0, at), variable.slice(at)]
      if (/\d$/.test(prefix)) continue
      expect(() => made([name], {}, { prefix })).toThrow('would be')
      expect(() => made([name], {}, { prefix: prefix.toLowerCase() })).toThrow('would be')
    }
    expect(made([variable], {}, { allowLoaders: true })).toEqual({ [variable]: `payload of ${variable}` })
  })

  test('is told apart from the names that secrets have', () => {
    const usual =
      'STRIPE_API_KEY DATABASE_URL DB_URL GIT_TOKEN GITHUB_TOKEN NPM_TOKEN NODE_AUTH_TOKEN NODE_ENV CARGO_REGISTRY_TOKEN ' +
      'AWS_SECRET_ACCESS_KEY PGPASSWORD HTTPS_PROXY MY_PATH HOME_ASSISTANT_TOKEN EDITOR_KEY BROWSER_TOKEN JAVA_KEY LDAP_PASSWORD'
    for (const name of usual.split(' ')) expect(loaderOf(name), name).toBeUndefined()
    expect(() => made(usual.split(' '))).not.toThrow()
  })

  test('is in the table once', () => {
    const names = LOADERS.flatMap(({ names }) => names)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[A-Z_][A-Z0-9_]*\*?$/)
  })
})

test('a prefix is the beginning of a name that every shell takes', () => {
  for (const prefix of ['A=', 'A=B', 'a b', '1', '-', 'ü', 'A\n', '\0', '$(x)', 'A.']) {
    expect(isPrefix(prefix), prefix).toBe(false)
  }
  for (const prefix of ['', 'A', 'my_', '_', 'A1_']) expect(isPrefix(prefix), prefix).toBe(true)
})

describe('a variable that is there already', () => {
  test('is not replaced by what a prefix makes of a name', () => {
    expect(() => made(['token'], { MY_TOKEN: 'there' }, { prefix: 'MY_' })).toThrow(
      'MY_TOKEN is in the environment already',
    )
  })

  test('is the same in other letters where the system says so', () => {
    expect(made(['token'], { Token: 'there' })).toEqual({ Token: 'there', TOKEN: 'payload of token' })
    expect(() => made(['token'], { Token: 'there' }, { ignoreCase: true })).toThrow('in the environment already')
    expect(made(['token'], { Token: 'there' }, { ignoreCase: true, override: true })).toEqual({
      TOKEN: 'payload of token',
    })
    const passphrase = { Secret_Store_Passphrase: 'kept' }
    expect(made([], passphrase, { ignoreCase: true })).toEqual({})
  })

  test('is refused where two secrets would make it', () => {
    expect(() => made(['a-b', 'a.b'], {}, { prefix: 'X_', override: true })).toThrow(
      "'a-b' and 'a.b' would both be X_A_B",
    )
  })
})
