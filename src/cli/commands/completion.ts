import { Argument } from 'commander'
import { complete, encodeCompletion } from '../completion/candidates'
import { completionScript, PLACES, SHELLS, type Shell } from '../completion/scripts'
import type { Session } from '../session'
import type { AddCommands } from './define'

export const addCompletionCommands: AddCommands = (program, run) => {
  const completion = program
    .command('completion')
    .description('write a completion script for a shell, to a file that the shell reads')
    .addArgument(new Argument('[shell]', 'which one').choices(SHELLS))
    .addHelpText('after', `\n${SHELLS.map((shell) => [`For ${shell}:`, ...PLACES[shell]].join('\n  $ ')).join('\n')}`)
    .action(
      run(async (session: Session, shell: Shell | undefined) => {
        if (shell === undefined) return completion.help({ error: true })
        await session.output.write(completionScript(shell))
      }),
    )

  program
    .command('complete', { hidden: true })
    .description('what may stand at the cursor, for the scripts of `completion`')
    .argument('[words...]', 'the words after the name of the program, as far as the cursor, each after a dot')
    .action(
      run((session: Session, words: readonly string[]) =>
        session.output.write(
          encodeCompletion(
            complete(
              program,
              words.map((word) => word.slice(1)),
            ),
          ),
        ),
      ),
    )
}
