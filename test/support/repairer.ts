import type { ChildProcess } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { startChild } from './programs'
import type { RepairedRows } from './programs/repairer'

/** Has LevelDB repair databases, in a child, which is replaced when that takes it down. It ends with the test. */
export class Repairer {
  #child: ChildProcess | undefined

  constructor() {
    onTestFinished(() => void this.#child?.kill('SIGKILL'))
  }

  /** @returns All rows, keys and values in latin1. */
  repair(directory: string): Promise<RepairedRows | 'abort'> {
    this.#child ??= startChild('repairer')
    const child = this.#child
    return new Promise((resolve) => {
      const ended = (): void => {
        this.#child = undefined
        resolve('abort')
      }
      child.once('exit', ended)
      child.once('message', (rows) => {
        child.off('exit', ended)
        resolve(rows as RepairedRows)
      })
      child.send(directory)
    })
  }
}
