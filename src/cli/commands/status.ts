import type { StoreHolder, StoreSharing } from 'app-secret-store'
import type { Session } from '../session'
import { moment } from '../times'
import { type AddCommands, jsonHelp } from './define'

export const addStatusCommand: AddCommands = (program, run) => {
  program
    .command('status')
    .description('show what the store holds, under which keys, and who has it open')
    .option('--holder', 'only who has it open: needs no key, and waits for nobody')
    .addHelpText(
      'after',
      jsonHelp(
        '{"store", "records", "names", "slots": […], "dataKeys": [{"id", "created", "active", "records"}], "holder", "sharing": {"role", "processes": [{"pid", "owner", "program", "since"}]}}. "holder" is another process, {"shared", "pid", "program", "since"}, or null. With --holder: {"store", "holder"}.',
      ),
    )
    .action(run(status))
}

async function status(session: Session, { holder = false }: { readonly holder?: boolean }): Promise<void> {
  if (holder) return showHolder(session)
  const { output, io } = session
  const store = await session.open()
  const location = await session.location()
  const found = await store.status()
  await output.result({ store: location, ...found, holder: otherHolder(found.sharing) }, async () => {
    const now = io.now()
    const keys = found.dataKeys.map(({ id, created, records, active }) => {
      return [String(id), moment(created, now), String(records), active ? 'yes' : '']
    })
    const { sharing } = found
    const facts = [
      ['store', location],
      ['records', String(found.records)],
      ['names', found.names],
      ['key slots', String(found.slots.length)],
      ['sealed by', found.aead.map(({ library }) => library).join(', ')],
      ['open in', sharing ? `${sharing.processes.length} processes` : 'this command alone'],
    ]
    const tables = [
      await output.table([], facts),
      await output.table(['DATA KEY', 'CREATED', 'RECORDS', 'ACTIVE'], keys),
    ]
    if (sharing !== undefined) {
      tables.push(await output.table(['PROCESS', 'ROLE', 'PROGRAM', 'RUNS SINCE'], processRows(sharing, now)))
    }
    return tables.join('\n')
  })
}

function processRows({ processes }: StoreSharing, now: number): string[][] {
  return processes.map(({ pid, owner, program, since }) => [
    String(pid),
    `${owner ? 'owner' : 'follower'}${pid === process.pid ? ', this command' : ''}`,
    program ?? '',
    since === undefined ? '' : moment(since, now),
  ])
}

/** The process that holds the files, if that is another one. */
function otherHolder(sharing: StoreSharing | undefined): StoreHolder | null {
  const owner = sharing?.role === 'follower' ? sharing.processes.find(({ owner }) => owner) : undefined
  if (owner === undefined) return null
  const { owner: _, ...facts } = owner
  return { shared: true, ...facts }
}

async function showHolder(session: Session): Promise<void> {
  const { output, io } = session
  const store = await session.occupiedLocation()
  const found = await session.holder()
  await output.result({ store, holder: found ?? null }, () => {
    if (found === undefined)
      return output.table(
        [],
        [
          ['store', store],
          ['open in', NOBODY],
        ],
      )
    const { pid, program, since, shared } = found
    const facts = [
      ['store', store],
      ['open in', pid === undefined ? 'a process' : `process ${pid}`],
      ['program', program],
      ['runs since', since === undefined ? undefined : moment(since, io.now())],
      ['shared', shared ? 'yes: commands work beside it' : 'no: commands wait for it'],
    ]
    return output.table(
      [],
      facts.filter((fact): fact is [string, string] => fact[1] !== undefined),
    )
  })
}

/** Only of those who share it do other systems tell. */
const NOBODY = ['linux', 'win32'].includes(process.platform)
  ? 'no process'
  : 'no process that shares it; this system does not tell of others'
