/** docs/cli.md, made of the same definitions as `--help`: `npm run docs:cli`. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { LOADERS } from '../src/cli/loader-names'
import { buildProgram } from '../src/cli/program'

/** The variables that `run` makes only when told to, in lines of at most 110 characters. */
function loaderTable(): string {
  const width = Math.max(...LOADERS.map(({ what }) => what.length)) + 2
  return LOADERS.flatMap(({ what, names }) => {
    const lines = ['']
    for (const name of names) {
      const line = lines.at(-1) as string
      if (width + line.length + name.length + 1 <= 110) lines[lines.length - 1] = line === '' ? name : `${line} ${name}`
      else lines.push(name)
    }
    return lines.map((line, index) => (index === 0 ? what : '').padEnd(width) + line)
  }).join('\n')
}

const INTRODUCTION = `# The command line

\`secret-store\` shows, uses and looks after a store. No payload, passphrase or recovery code is ever an argument, because other users of the machine see
arguments and the shell keeps them. \`npm run docs:cli\` makes the second half of this page from the program's own help.

The package brings the program: \`npm install -g\` of the tarball, or \`npx -p app-secret-store secret-store\`.

## A tour

\`\`\`console
$ export SECRET_STORE=~/app/secrets
$ secret-store init --generate-key-file ~/app/key
made a store at /home/ada/app/secrets, opened by raw-key
note: without its key nothing opens it; \`secret-store keys recovery\` makes a second one, for paper
$ printf example-key | secret-store set stripe.api-key --expires 90d --key-file ~/app/key
set stripe.api-key in the account scope, until 2027-02-22 11:40:02Z (in 90 days)
$ secret-store get stripe.api-key --key-file ~/app/key; echo
example-key
$ secret-store run --key-file ~/app/key -- sh -c 'echo "the command sees $STRIPE_API_KEY"'
the command sees example-key
$ printf 'DB_URL=postgres://localhost\\nMAIL_KEY=example\\n' > .env
$ secret-store import .env --key-file ~/app/key
imported: 2 created, 0 replaced, 0 skipped
$ secret-store list --key-file ~/app/key
NAME            ID                                  CREATED                     EXPIRES
DB_URL          appsecret_gK2qN5vLxW0cRtB7mZ1yHd3a  2026-11-24 11:40:03Z (now)  never
MAIL_KEY        appsecret_Tz8fUe4sJp6iQo9wXa1rVb5c  2026-11-24 11:40:03Z (now)  never
stripe.api-key  appsecret_Lm3nYk7hDg2jCv0xSb9qEt4u  2026-11-24 11:40:02Z (1 second ago)  2027-02-22 11:40:02Z (in 90 days)
$ secret-store backup ~/app/backup --key-file ~/app/key
backed up: 3 records, 2038 bytes, in /home/ada/app/backup
$ secret-store verify --key-file ~/app/key
sound: 3 records read and authenticated
$ secret-store get nothing --key-file ~/app/key; echo "exit code $?"
error: there is no secret 'nothing' in the account scope
hint: \`secret-store list --all\` shows the names; --user, --account and --live say where to look
exit code 1
\`\`\`

Without \`--key-file\` the program asks for a passphrase at the terminal, hidden:

\`\`\`console
$ export SECRET_STORE=~/app/secrets SECRET_STORE_PASSPHRASE='gibbon radish tundra'
$ secret-store init --quiet
$ printf example | secret-store set token --user usr_1 --quiet
$ secret-store find token --user usr_1 --json | grep name
  "name": "token",
$ secret-store keys recovery --label paper
BZR7T-2QX9M-K4WPL-H8DVN-C6GJY-E3FSA-U5T0Z-9XQ2M
note: write it down now, it is shown once; it is slot Qm8_x2LkTzA, a recovery-code (paper), and --recovery asks for it
\`\`\`

## Which store

The program opens the store of \`--store\`. Without that option it takes the environment variable \`SECRET_STORE\`, and without that the data directory of the system:

- on Linux \`~/.local/share/secret-store\`, or \`secret-store\` in \`XDG_DATA_HOME\`
- on macOS \`~/Library/Application Support/secret-store\`
- on Windows \`%LOCALAPPDATA%\\secret-store\\Data\`

A place that others could exchange is refused ([errors.md](errors.md#err_unsafe_location)). \`--allow-unsafe-location\` takes it whatever its owners and modes are,
such as on WSL's \`/mnt/c\`, but follows no links all the same.

\`restore --minimum TOKEN\` refuses a backup of an older state, or of another store, than the app's checkpoint names. A token is no secret.

## Which secrets

A command works on the secrets of the account. \`--user\` selects those of one user, \`--account\` those of a connected account, and \`--live\` live mode instead of
test mode. None of these ever mix.

## Which key

Give one of \`--passphrase-fd\`, \`--key-file\`, \`--keyring\` and \`--recovery\`. Without any of them the program takes the environment variable
\`SECRET_STORE_PASSPHRASE\`, and without that it asks at the terminal, even when stdin is a pipe.

For a new key give one of \`--new-passphrase-fd\`, \`--new-key-file\`, \`--new-keyring\` and \`--generate-key-file\`. Without any of them the program takes
\`SECRET_STORE_NEW_PASSPHRASE\`, and without that it asks twice.

One line end after a passphrase from a file is not part of the passphrase. Other processes of the same user can read environment variables, so prefer a file
descriptor.

A key file has the rule that OpenSSH has for private keys, because a key that others know protects nothing:

| whose file                   | which modes          | why                                                                   |
| ---------------------------- | -------------------- | --------------------------------------------------------------------- |
| yours                        | nothing for others   | 0600 or 0400: another user could read the key                         |
| root's, and you are not root | others may not write | root decides who reads it: 0444 or 0440 under \`/run/secrets\` is usual |
| another user's               | none                 | its owner knows the key, and can exchange it                          |

The last row holds for a named pipe, too. \`/dev/stdin\`, \`/dev/fd/N\` and \`<(…)\` are what the program was started with, and work whoever owns the file. A file
there that others may read causes a warning. Root in a container owns its secrets itself, so mount them with mode 0400, or say
\`--key-file /dev/stdin </run/secrets/key\`. Windows has access lists in place of modes, and the program does not look at them.

\`--keyring\` takes a key from the system keyring ([keyring.md](keyring.md)), from the entry \`secret-store/default\`. \`--keyring-entry\` names another entry as
\`service/account\`; the account is the part after the last \`/\`. The option needs \`@napi-rs/keyring\`, installed beside the program:
\`npm install --global app-secret-store @napi-rs/keyring\`. The system keyring has a minute to answer, so that somebody can unlock it.

## Payloads

\`set\` keeps the bytes that it reads from stdin. It stores valid UTF-8 as text and everything else as bytes. \`get\` writes the payload as it is, and adds a line
end only at a terminal. A payload has at least one byte.

## Times

\`--expires\` takes a duration (\`90d\`, \`12h\`, \`30m\`, \`1y\`), a date (its first moment in UTC), a time with its zone, or Unix seconds.

## Environment variables of \`run\`

The name of a secret becomes a variable in capital letters. Every character other than A to Z and the digits becomes \`_\`, a leading digit gets a \`_\` in front, and
\`--prefix\` comes before all of it.

- Two secrets that give one variable are refused. So is a variable that the environment has already, unless you give \`--override\`.
- A variable can hold neither bytes nor NUL. Secrets with such payloads are refused; \`--only\` chooses the others.
- A variable that decides what code runs is refused, with or without \`--override\`: the table below has them, in capital and in small letters. To pass one all
  the same, name its secret with \`--only\` and say \`--allow-loader-names\`.
- A prefix holds letters of A to Z, digits and \`_\`, and begins with no digit.
- \`SECRET_STORE_PASSPHRASE\` and \`SECRET_STORE_NEW_PASSPHRASE\` are not passed on.
- The command gets stdin, stdout and stderr, and no other open file. Where the passphrase or the key file came through one of the three, the command gets
  \`/dev/null\` in its place, because it could go back to the start of the file.
- The store is closed before the command starts.

Whoever may set a secret chooses its name. Without this rule a secret named \`ld-preload\` would run code in every command. The table has what glibc withholds
from set-user-ID programs, what sudo never passes on, and what the manuals of shells, runtimes and tools name. It cannot be complete: other programs have
variables of their own. If others than you set secrets, choose with \`--only\`.

\`\`\`text
${loaderTable()}
\`\`\`

## Files of \`import\` and \`export\`

The formats are dotenv and JSON. JSON is \`{"NAME": "payload"}\`, or \`{"data": [{"name", "payload" or "payload_base64", "expires_at"}]}\`.

dotenv is read as the npm package of that name reads it: the last of several assignments to a name counts. A line that is no assignment is refused, with its number.
An import is one write: all of it or nothing.

An export in dotenv is read the same by the package and by a shell that sources it, and neither expands anything in it. A payload stands in single quotes, or in
double quotes if it has an apostrophe and nothing that a shell expands. Everything else is refused, and \`--format json\` takes it: a name with other characters
than letters of A to Z, digits and \`_\`, a carriage return, a backslash at the end, some mixtures of quotes. So is a name of the table above.

## Output

Results go to stdout, and everything else goes to stderr. Colours need a terminal and no \`NO_COLOR\`. Control characters in names are shown as \`\\x1b\`.

In JSON, control characters and changes of direction are escapes such as \`\\u009b\`, which read as the same.

With \`--json\`, results have the shape that each command's help shows, with the fields of the API and times in Unix seconds. An error is
\`{"error": {"code", "message", "hint", "exit_code"}}\` on stderr, where nothing else is written but the requests of \`serve\`.

\`--quiet\` leaves out notes, progress and reports of what was done. Progress is shown on a terminal only.

## Completion

\`secret-store completion SHELL\` writes a script for bash, zsh, fish or PowerShell. It asks the program, so it is never out of date, and may be sourced twice:

\`\`\`sh
source <(secret-store completion bash)   # in ~/.bashrc; in zsh the same with zsh, after compinit
secret-store completion fish | source    # in ~/.config/fish/config.fish
\`\`\`

TAB completes commands, options, their choices, files where a file is meant, and after \`run --\` what the other command's own completion
has. No script evaluates what is typed, and none completes a path with \`$\` or a backtick in it. zsh has a habit of its own that no script can change: its TAB expands
a \`$(…)\` under the cursor, in the command lines of all programs, unless you say \`bindkey '^I' complete-word\`.

## Commands

The options under \`secret-store\` work with every command, before or after its name.

`

export function cliReference(): string {
  const parts = [...each(buildProgram(() => async () => {}))].map(([name, command]) => {
    return `### \`${name}\`\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`
  })
  return INTRODUCTION + parts.join('\n')
}

/** What `--help` writes, but for the global options: this page has those once, under the program itself. */
function helpOf(command: Command): string {
  let help = ''
  command.configureHelp({ ...command.configureHelp(), showGlobalOptions: false })
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
