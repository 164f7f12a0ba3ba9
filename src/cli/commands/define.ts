import { type Command, InvalidArgumentError, Option } from 'commander'
import { type KeyringEntryName, parseKeyringEntry } from '../keyring'
import type { KeyFlags } from '../keys'
import type { Session } from '../session'

/** Makes an action of what a command does in its session. What it resolves with is the exit code, if it is a number. */
export type Run = <A extends readonly unknown[]>(
  work: (session: Session, ...given: A) => Promise<unknown>,
) => (...given: unknown[]) => Promise<void>

/** Adds its commands to the program. */
export type AddCommands = (program: Command, run: Run) => void

/** What `--help` says of `--json`, and docs/cli.md with it. */
export function jsonHelp(shape: string): string {
  return `\nWith --json: ${shape}`
}

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
  }
}

/** The options that every command takes. */
export function addGlobalOptions(program: Command): void {
  program
    .optionsGroup('Which store, for all commands:')
    .option('--store <dir>', 'where the store is (default: SECRET_STORE, else the data directory of the system)')
    .option('--read-only', 'write nothing: for read-only disks and copies')
    .option(
      '--wait <duration>',
      'how long to wait for a store that something else has open alone (default: SECRET_STORE_WAIT, else 5s)',
    )
    .option('--allow-unsafe-location', 'take the place of a store whatever its owners and modes are')
    .optionsGroup('Which secrets:')
    .option('--user <id>', "the secrets of this user (default: the account's)")
    .option('--account <id>', "a connected account (default: the app's own)")
    .option('--live', 'live mode (default: test mode)')
    .optionsGroup('Which key (default: that of the environment, else a prompt):')
    .option('--key-file <file>', 'a file with 32 random bytes, as they are, in hexadecimal or in base64')
    .option('--passphrase-fd <n>', 'read the passphrase from this file descriptor', integer(0, 65_535))
    .option('--keyring', 'ask the system keyring for the key')
    .option('--keyring-entry <entry>', 'which one of it, as service/account (default: secret-store/default)', entryName)
    .option('--recovery', 'ask for a recovery code')
    .optionsGroup('Output:')
    .option('--json', 'write results and errors as JSON')
    .option('--quiet', 'say nothing but what was asked for, and errors')
    .optionsGroup('Options:')
}

/** Of a command that makes a key, beside the one that opens the store. */
export function addNewKeyOptions(command: Command): Command {
  return command
    .option('--new-passphrase-fd <n>', 'read the new passphrase from this file descriptor', integer(0, 65_535))
    .option('--new-key-file <file>', 'a key file that is there')
    .option('--new-keyring', 'a random key in the system keyring, where --keyring-entry says')
    .option('--generate-key-file <file>', 'make this key file, with a new random key')
    .option('--label <text>', 'a name for the key, which is not secret')
    .addOption(kdfOption())
}

export function kdfOption(): Option {
  return choice('--kdf <name>', 'how a passphrase is stretched', ['scrypt', 'argon2id'])
}

export function choice(flags: string, description: string, values: readonly string[]): Option {
  return new Option(flags, description).choices(values)
}

export interface NewKeyFlags {
  readonly newPassphraseFd?: number
  readonly newKeyFile?: string
  readonly newKeyring?: boolean
  readonly generateKeyFile?: string
  readonly label?: string
  readonly kdf?: 'scrypt' | 'argon2id'
}

/** @param entry - Of the keyring, as the options of all commands say. */
export function newKeyFlags(
  { newPassphraseFd, newKeyFile, newKeyring, generateKeyFile }: NewKeyFlags,
  entry: KeyringEntryName | undefined,
): KeyFlags {
  return {
    ...(newPassphraseFd !== undefined && { passphraseFd: newPassphraseFd }),
    ...(newKeyFile !== undefined && { keyFile: newKeyFile }),
    ...(newKeyring !== undefined && { keyring: newKeyring }),
    ...(entry !== undefined && { keyringEntry: entry }),
    ...(generateKeyFile !== undefined && { generateKeyFile }),
  }
}

function entryName(text: string): KeyringEntryName {
  const entry = parseKeyringEntry(text)
  if (entry === undefined) throw new InvalidArgumentError('Expected a service and an account, with a `/` between.')
  return entry
}
