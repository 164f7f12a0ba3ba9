import type { KeySlotInfo } from 'app-secret-store'
import { checkDescriptors } from '../descriptors'
import { ANOTHER_KEY, type NewKey, newKey, usingNewKey } from '../new-key'
import { printable } from '../printable'
import type { Session } from '../session'
import { moment } from '../times'
import { type AddCommands, addNewKeyOptions, jsonHelp, type NewKeyFlags, newKeyFlags } from './define'

export const addKeysCommands: AddCommands = (program, run) => {
  const keys = program.command('keys').description('the keys that open the store, one slot each').helpCommand(false)
  const slot = '{"id", "kind", "label", "created"}'

  keys
    .command('list')
    .description('show the slots')
    .addHelpText('after', jsonHelp(`[${slot}, …].`))
    .action(run(listKeys))

  addNewKeyOptions(keys.command('add').description('make one more key open the store (default: a passphrase)'))
    .addHelpText('after', jsonHelp(`the new slot, ${slot}.`))
    .action(run(addKey))

  keys
    .command('remove')
    .description('make a key open the store no more (if it may have leaked, `rotate --root` as well)')
    .argument('<slot>', 'its id, from `keys list`')
    .addHelpText('after', jsonHelp(`the slot that was removed, ${slot}.`))
    .action(run(removeKey))

  addNewKeyOptions(
    keys
      .command('replace')
      .description('exchange a key for another, such as a new passphrase, in one step')
      .argument('<slot>', 'its id, from `keys list`'),
  )
    .addHelpText('after', jsonHelp(`the new slot, ${slot}.`))
    .action(run(replaceKey))

  keys
    .command('recovery')
    .description('make a recovery code, write it to stdout once, and let it open the store')
    .option('--label <text>', 'a name for it, which is not secret')
    .addHelpText('after', jsonHelp(`{"code", "slot": ${slot}}.`))
    .action(run(addRecoveryCode))
}

async function listKeys(session: Session): Promise<void> {
  const { output, io } = session
  const slots = (await session.open()).keys()
  const now = io.now()
  const rows = slots.map(({ id, kind, label, created }) => [id, kind, label ?? '', moment(created, now)])
  await output.result(slots, () => output.table(['SLOT', 'KIND', 'LABEL', 'CREATED'], rows))
}

async function addKey(session: Session, flags: NewKeyFlags): Promise<void> {
  checkDescriptors(session.options, newKeyFlags(flags, undefined))
  const store = await session.open()
  const made = await anotherKey(session, flags)
  const slot = await usingNewKey(made, await session.location(), () => store.addKey(made.key))
  await session.output.done(slot, `added ${described(slot)}`)
}

async function removeKey(session: Session, id: string): Promise<void> {
  const slot = await (await session.open()).removeKey(id)
  await session.output.done(slot, `removed ${described(slot)}`)
}

async function replaceKey(session: Session, id: string, flags: NewKeyFlags): Promise<void> {
  checkDescriptors(session.options, newKeyFlags(flags, undefined))
  const store = await session.open()
  const made = await anotherKey(session, flags)
  const slot = await usingNewKey(made, await session.location(), () => store.replaceKey(id, made.key))
  await session.output.done(slot, `replaced ${printable(id)} by ${described(slot)}`)
}

function anotherKey({ io, output, options }: Session, flags: NewKeyFlags): Promise<NewKey> {
  return newKey(io, output, newKeyFlags(flags, options.keyringEntry), ANOTHER_KEY, flags)
}

async function addRecoveryCode(session: Session, { label }: { readonly label?: string }): Promise<void> {
  const { output } = session
  const store = await session.open()
  const { generateRecoveryCode, recoveryCode } = await import('app-secret-store')
  const code = generateRecoveryCode()
  const slot = await store.addKey(recoveryCode(code, label === undefined ? {} : { label }))
  await output.result({ code, slot }, () => `${code}\n`)
  await output.note(`note: write it down now, it is shown once; it is ${described(slot)}, and --recovery asks for it`)
}

function described({ id, kind, label }: KeySlotInfo): string {
  return `slot ${id}, a ${kind}${label === null ? '' : ` (${printable(label)})`}`
}
