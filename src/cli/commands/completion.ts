import { Argument } from 'commander'
import { complete, encodeCompletion } from '../completion/candidates'
import { completionScript, SHELLS, type Shell } from '../completion/scripts'
import type { Session } from '../session'
import type { AddCommands } from './define'

export const addCompletionCommands: AddCommands = (program, run) => {
  program
    .command('completion')
    .description('write a completion script for a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText(
      'after',
      '\nFor bash: source <(secret-store completion bash)\nFor zsh, after compinit: source <(secret-store completion zsh)\nFor fish: secret-store completion fish | source\nFor PowerShell: a file that your profile dot-sources.',
    )
    .action(run((session: Session, shell: Shell) => session.output.write(completionScript(shell))))

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
