/** docs/cli.md, made of the same definitions as `--help`: `npm run docs:cli`. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { buildProgram } from '../src/cli/program'

const INTRODUCTION = `# The command line

\`secret-store\` shows, uses and looks after a store. A payload, a passphrase or a recovery code is never an argument: other users of the
machine see those, and the shell keeps them. README.md has a tour; this page is made of the program's own help by \`npm run docs:cli\`.

## Which store

\`--store\`, else the environment variable \`SECRET_STORE\`, else the data directory of the system: \`~/.local/share/secret-store\`
(or below \`XDG_DATA_HOME\`) on Linux, \`~/Library/Application Support/secret-store\` on macOS, \`%LOCALAPPDATA%\\secret-store\\Data\` on Windows.

## Which secrets

Those of the account, or with \`--user\` those of one user; of the app's own account, or with \`--account\` of a connected one; in test mode,
or with \`--live\` in live mode. None of these ever mix.

## Which key

One of \`--passphrase-fd\`, \`--key-file\`, \`--keyring\` and \`--recovery\`; else the environment variable \`SECRET_STORE_PASSPHRASE\`; else a prompt at the terminal, also
when stdin is a pipe. A new key is asked for by \`--new-passphrase-fd\`, \`--new-key-file\`, \`--new-keyring\`, \`--generate-key-file\`, \`SECRET_STORE_NEW_PASSPHRASE\` or a
prompt, twice. One line end behind a passphrase from a file is not part of it. An environment variable can be read by other
processes of the same user: prefer a file descriptor.

\`--keyring\` is a key in the system's keyring ([keyring.md](keyring.md)), in the entry \`secret-store/default\` or the one that \`--keyring-entry\` names, as
\`service/account\` (what stands behind the last \`/\` is the account). It needs \`@napi-rs/keyring\`, installed beside the program: \`npm install --global
app-secret-store @napi-rs/keyring\`. The keyring has a minute to answer, so that somebody can unlock it.

## Payloads

\`set\` keeps the bytes it is given. What is valid UTF-8 is stored as text, everything else as bytes. \`get\` writes them as they are, and adds a
line end only at a terminal. A payload has at least one byte.

## Times

\`--expires\` takes a duration (\`90d\`, \`12h\`, \`30m\`, \`1y\`), a date (its first moment in UTC), a time with its zone, or Unix seconds.

## Environment variables of \`run\`

A name in capital letters, with \`_\` for every character that is not A to Z or a digit, and one in front of a leading digit, behind the \`--prefix\`.
Two secrets of one variable are refused, and so is one that is in the environment already, unless \`--override\` is given. Without the secrets that a
variable cannot hold: no bytes, no NUL. \`SECRET_STORE_PASSPHRASE\` and \`SECRET_STORE_NEW_PASSPHRASE\` are not passed on. The store is closed before the command starts.

## Files of \`import\` and \`export\`

dotenv, as the npm package of that name reads it (of a name that is given twice, the last counts; a line that is no assignment is refused, with its
number), or JSON: \`{"NAME": "payload"}\`, or
\`{"data": [{"name", "payload" or "payload_base64", "expires_at"}]}\`. An import is one write: all of it or nothing. An export in dotenv that would
not be read back to the letter is refused.

## Output

Results are on stdout, everything else on stderr. With \`--json\`, results have the shape that each command's help shows, with the fields and
times (Unix seconds) of the API, and an error is \`{"error": {"code", "message", "hint", "exit_code"}}\`, on stderr, where nothing else is but the requests of
\`serve\`. \`--quiet\` leaves out notes, progress and what
was done. Colours need a terminal and no \`NO_COLOR\`. Control characters in names are shown as \`\\x1b\`.

`

export function cliReference(): string {
  const parts = [...each(buildProgram(() => async () => {}))].map(([name, command]) => {
    return `## \`${name}\`\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`
  })
  return INTRODUCTION + parts.join('\n')
}

/** What `--help` writes. */
function helpOf(command: Command): string {
  let help = ''
  command.configureOutput({
    writeOut: (text) => {
      help += text
    },
  })
  command.outputHelp()
  return help.trimEnd()
}

function* each(command: Command, prefix = ''): Generator<[name: string, command: Command], void> {
  const name = `${prefix}${command.name()}`
  yield [name, command]
  for (const child of command.createHelp().visibleCommands(command)) yield* each(child, `${name} `)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(fileURLToPath(new URL('../docs/cli.md', import.meta.url)), cliReference())
}
