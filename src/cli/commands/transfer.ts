import type { AddCommands } from './define'
import { addExportCommand } from './export'
import { addImportCommand } from './import'

export const addTransferCommands: AddCommands = (program, run) => {
  addImportCommand(program, run)
  addExportCommand(program, run)
}
