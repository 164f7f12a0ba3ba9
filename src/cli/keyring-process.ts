import { type ChildProcess, spawn } from 'node:child_process'
import type { SystemKeyringEntry, SystemKeyringLibrary, SystemKeyringSelection } from 'app-secret-store/keyring'

interface Question {
  readonly method: 'getSecret' | 'setSecret'
  readonly entry: readonly [service: string, account: string, selection: SystemKeyringSelection]
  readonly given: readonly number[]
}

type Answer = { readonly value: number[] | null } | { readonly message: string }

/** Asks one question. Without its parent it ends, also when it waits at a prompt. SIGUSR1 opens no debugger in it. */
const PROGRAM = `
process.on('SIGUSR1', () => {})
const { AsyncEntry } = require(process.argv[1])
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.once('message', async ({ method, entry, given }) => {
  let answer
  try {
    const secret = method === 'setSecret' ? [Uint8Array.from(given)] : []
    const value = await new AsyncEntry(...entry)[method](...secret)
    answer = { value: value ? [...value] : null }
  } catch (error) {
    answer = { message: String(error && error.message) }
  }
  process.send(answer)
})`

/**
 * The library at `path`, in a process of its own. A call of it cannot be ended, and while it waits at a prompt its process
 * does not exit, not even by `process.exit`: Ctrl-C would do nothing.
 *
 * @param library - The same, loaded here.
 * @param signal - Ends all questions.
 */
export function keyringProcess(library: SystemKeyringLibrary, path: string, signal: AbortSignal): SystemKeyringLibrary {
  return {
    AsyncEntry: class implements SystemKeyringEntry {
      readonly #entry: Question['entry']

      constructor(...entry: Question['entry']) {
        this.#entry = entry
        // What no version takes is for the library to refuse: by that its version is told.
        if (entry[2].linux.store !== 'secret-service') new library.AsyncEntry(...entry)
      }

      getSecret(expired?: AbortSignal): Promise<number[] | null> {
        return this.#ask('getSecret', [], expired)
      }

      async setSecret(secret: Uint8Array, expired?: AbortSignal): Promise<void> {
        await this.#ask('setSecret', [...secret], expired)
      }

      async #ask(method: Question['method'], given: number[], expired?: AbortSignal): Promise<number[] | null> {
        signal.throwIfAborted()
        const child = spawn(process.execPath, ['-e', PROGRAM, path], {
          stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
          windowsHide: true,
        })
        const end = (): void => void child.kill('SIGKILL')
        const signals = [signal, ...(expired === undefined ? [] : [expired])]
        for (const each of signals) each.addEventListener('abort', end, { once: true })
        try {
          return await answerOf(child, { method, entry: this.#entry, given })
        } finally {
          for (const each of signals) each.removeEventListener('abort', end)
          given.fill(0)
          end()
        }
      }
    },
  }
}

function answerOf(child: ChildProcess, question: Question): Promise<number[] | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`keyring process: expected an answer, got its end (${code})`)))
    child.once('message', (answer: Answer) => {
      if ('message' in answer) reject(new Error(answer.message))
      else resolve(answer.value)
    })
    child.send(question, (error) => {
      if (error) reject(error)
    })
  })
}
