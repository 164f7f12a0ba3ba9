import { resolve } from 'node:path'
import type { KeyProvider, RecoveryReport, RestoreReport } from 'app-secret-store'
import { EXIT, ofBackup, usage } from '../failure'
import { checkReadable } from '../io'
import { checkEntry } from '../keys'
import { FIRST_KEY, newKey } from '../new-key'
import { count, printable } from '../printable'
import type { Session } from '../session'
import { type AddCommands, choice, jsonHelp, kdfOption } from './define'

interface InitFlags {
  readonly names: 'plain' | 'sealed'
  readonly kdf?: 'scrypt' | 'argon2id'
  readonly label?: string
  readonly generateKeyFile?: string
}

export const addCareCommands: AddCommands = (program, run) => {
  program
    .command('init')
    .description('make a store, and its first key')
    .option('--generate-key-file <file>', 'make this key file, with a new random key (default: a passphrase)')
    .option('--label <text>', 'a name for the key, which is not secret')
    .addOption(kdfOption())
    .addOption(choice('--names <how>', 'whether names can be read on disk', ['plain', 'sealed']).default('plain'))
    .addHelpText('after', jsonHelp('{"store", "slot": {"id", "kind", "label", "created"}}.'))
    .action(run(init))

  program
    .command('verify')
    .description('read and authenticate everything')
    .addHelpText('after', jsonHelp('{"ok", "records", "problems": [{"kind", "what", "message", …}]}.'))
    .action(run(verify))

  program
    .command('sweep')
    .description('delete what has expired, in all scopes, accounts and modes')
    .addHelpText('after', jsonHelp('{"deleted"}: how many.'))
    .action(run(sweep))

  program
    .command('compact')
    .description('sweep, and make what was deleted or replaced leave the disk')
    .addHelpText('after', jsonHelp('{"compacted": true}.'))
    .action(run(compact))

  program
    .command('rotate')
    .description('put everything under a new data key, and destroy the old one')
    .option('--root', 'replace the root key too: of all keys, only the one given now opens the store afterwards')
    .addHelpText('after', jsonHelp('{"dataKey", "records", "resealed", "dropped": [slots]}.'))
    .action(run(rotate))

  program
    .command('backup')
    .description('write the whole store into one sealed file, which the same keys open')
    .argument('<file>', 'a file that is not there yet, or `-` for stdout')
    .addHelpText('after', jsonHelp('{"records", "bytes"}; nothing with `-`.'))
    .action(run(backup))

  program
    .command('restore')
    .description('make a store of a backup, where there is none')
    .argument('<file>', 'a backup, or `-` for stdin')
    .option('--minimum <token>', 'refuse a backup of an older state than this checkpoint, or of another store')
    .addHelpText('after', jsonHelp('{"store", "records", "bytes"}.'))
    .action(run(restore))

  program
    .command('recover')
    .description('make a new store of what is left of a damaged one, which is only read')
    .argument('<destination>', 'where the new store is to be')
    .addHelpText(
      'after',
      jsonHelp('{"store", "complete", "kept", "deleted", "lost", "resurrected", "older", "missing", "surplus", …}.'),
    )
    .action(run(recover))
}

const NOBODY_WRITES =
  'a recovery reads the files while nobody writes to them: end what has the store open, then try again'

async function recover(session: Session, path: string): Promise<number | undefined> {
  const { output } = session
  // What is not there is found out before anybody is asked for a key.
  const location = await session.occupiedLocation()
  const destination = resolve(path)
  const { SecretStore } = await import('app-secret-store')
  const more = { ...session.safety, destination }
  const report = await session
    .withKey((key) => session.long('recover', (long) => SecretStore.recover(location, { ...long, ...more, key })))
    .catch(async (error) => {
      const { explainLocked } = await import('../waiting')
      throw await explainLocked(error, () => session.holder(), 0, { shared: NOBODY_WRITES, alone: NOBODY_WRITES })
    })
  await output.result({ store: destination, ...report }, () => recoveredText(report, destination))
  return report.complete ? undefined : EXIT.damaged
}

/** A recovery's report for people: a line for each secret that is not as it was, then the whole. */
export function recoveredText(report: RecoveryReport, destination: string): string {
  const { lost, resurrected, older, missing, surplus, unlisted = 0 } = report
  const named = [
    ['lost', lost],
    ['may have been deleted', resurrected],
    ['may be an older version', older],
  ] as const
  const lines = named.flatMap(([what, secrets]) =>
    secrets.map(({ name, rowKey }) => `${what}: ${printable(name ?? `the row ${rowKey}`)}`),
  )
  if (unlisted > 0) lines.push(`and ${unlisted} more of these`)
  if (missing > 0) lines.push(`${count(missing, 'more secret')} lost at least, of unknown name`)
  if (surplus > 0) lines.push(`${count(surplus, 'more secret')} kept at least that had been deleted, of unknown name`)
  if (report.outdated) lines.push('all of it is an older state: the last writes are lost')
  if (report.rolledBack)
    lines.push('keyring.json and the data are of different times: see which keys open the new store')
  if (!report.proven) lines.push('what is kept cannot be proven: there may be older versions among it')
  const whole = report.complete ? 'complete, as of the last write that was found' : 'INCOMPLETE'
  lines.push(`recovered: ${count(report.kept, 'record')}, at ${printable(destination)}; ${whole}`)
  return `${lines.join('\n')}\n`
}

async function init(session: Session, flags: InitFlags): Promise<void> {
  const { io, output, given } = session
  if (given.recovery)
    throw usage(
      'init: expected a passphrase, a key file or the system keyring, got --recovery',
      '`secret-store keys recovery` adds a code to a store',
    )
  checkEntry(given)
  const { generateKeyFile, ...more } = flags
  const keyFlags = generateKeyFile === undefined ? session.options : { ...given, generateKeyFile }
  const store = await session.create(() => newKey(io, output, keyFlags, FIRST_KEY, more), flags.names)
  const [slot] = store.keys()
  const location = await session.location()
  await output.done({ store: location, slot }, `made a store at ${printable(location)}, opened by ${slot?.kind}`)
  await output.note(
    'note: without its key nothing opens it; `secret-store keys recovery` makes a second one, for paper',
  )
}

async function verify(session: Session): Promise<number | undefined> {
  const { output } = session
  const store = await session.open({ damaged: true })
  const report = await session.long('verify', (options) => store.verify(options))
  const lines = report.problems.map(({ kind, what, name, message }) => {
    return `${kind} ${what}${name === undefined ? '' : ` of '${printable(name)}'`}: ${printable(message)}\n`
  })
  if (report.unlisted !== undefined) lines.push(`and ${count(report.unlisted, 'more problem')}\n`)
  lines.push(`${report.ok ? 'sound' : 'DAMAGED'}: ${count(report.records, 'record')} read and authenticated\n`)
  await output.result(report, () => lines.join(''))
  if (report.ok) return undefined
  await output.note(
    'hint: `secret-store restore` makes a store of a backup, `secret-store recover` one of what is left; keep this one until that has worked',
  )
  return EXIT.damaged
}

async function sweep(session: Session): Promise<void> {
  const deleted = await (await session.open()).sweep()
  await session.output.done({ deleted }, `deleted ${deleted} that had expired`)
}

async function compact(session: Session): Promise<void> {
  const store = await session.open()
  await session.output.note('compact: rewriting the files')
  await store.compact()
  await session.output.done({ compacted: true }, 'compacted: what was deleted or replaced has left the disk')
}

async function rotate(session: Session, { root = false }: { readonly root?: boolean }): Promise<void> {
  const { output } = session
  const store = await session.open()
  const more = root ? { root, keys: [await session.key()] } : {}
  const report = await session.long('rotate', (options) => store.rotate({ ...options, ...more }))
  const dropped = report.dropped.length === 0 ? '' : `; ${count(report.dropped.length, 'other key')} dropped`
  await output.done(report, `rotated: ${count(report.records, 'record')} under data key ${report.dataKey}${dropped}`)
}

async function backup(session: Session, file: string): Promise<void> {
  const { io, output } = session
  if (file === '-' && io.stdout.isTTY) throw usage('backup: expected a file or a pipe, got a terminal')
  const store = await session.open()
  const report = await session.long('backup', async (options) => {
    if (file !== '-') return store.backup(file, options)
    const write = (bytes: Uint8Array): Promise<void> => output.write(bytes)
    return store.backup(new WritableStream({ write }), options)
  })
  if (file === '-') return
  const size = `${count(report.records, 'record')}, ${count(report.bytes, 'byte')}`
  await output.done(report, `backed up: ${size}, in ${printable(file)}`)
}

async function restore(session: Session, file: string, flags: { readonly minimum?: string }): Promise<void> {
  const { io, output } = session
  if (file === '-') session.checkStdin('the backup')
  // What is not there is found out before anybody is asked for a key.
  if (file !== '-') await checkReadable(file)
  const location = await session.emptyLocation()
  const { SecretStore } = await import('app-secret-store')
  const restoring = async (key: KeyProvider): Promise<RestoreReport> => {
    const source = file === '-' ? io.stdin : file
    const more = { ...session.safety, ...flags, key }
    await session.makeParents(location)
    return session.long('restore', (long) => SecretStore.restore(source, location, { ...long, ...more }))
  }
  // A stream is read once.
  const report = await session.withKey(restoring, { slots: noSlots, isOnce: file === '-' }).catch((error) => {
    throw ofBackup(error)
  })
  const text = `restored: ${count(report.records, 'record')}, at ${printable(location)}`
  await output.done({ store: location, ...report }, text)
}

/** A backup is opened by keys of its own time. */
async function noSlots(): Promise<never[]> {
  return []
}
