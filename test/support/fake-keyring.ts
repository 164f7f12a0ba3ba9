import type { SystemKeyringEntry, SystemKeyringLibrary, SystemKeyringSelection } from '../../src/os-keyring/index'

/** A keyring in memory, which can be made to misbehave, and the library of version 2.1.2 over it. */
export class FakeKeyring {
  readonly entries: Map<string, Uint8Array> = new Map()
  /** What was asked of it, in order. */
  readonly calls: string[] = []
  /** Stands before each call; what it throws, the call does. */
  before: (call: string, signal: AbortSignal | undefined) => unknown = () => {}
  /** What `new AsyncEntry` throws. */
  refusal: Error | undefined
  /** Whether the library is one of those that do not know of a choice of the back end. */
  isOld = false
  /** What it gave out, which is to be overwritten. */
  readonly given: number[][] = []
  /** What it was given, which is to be overwritten. */
  readonly taken: Uint8Array[] = []
  /** A copy of the library; each puts one question at a time. */
  readonly library: SystemKeyringLibrary

  constructor() {
    this.library = this.anotherCopy()
  }

  /** As another process has one. */
  anotherCopy(): SystemKeyringLibrary {
    const keyring = this
    return {
      AsyncEntry: class implements SystemKeyringEntry {
        readonly #key: string

        constructor(service: string, account: string, selection: SystemKeyringSelection) {
          this.#key = `${service}/${account}`
          if (selection.linux.store !== 'secret-service') {
            if (keyring.isOld) return
            throw failed('no variant of LinuxStore')
          }
          keyring.calls.push('connect')
          if (keyring.refusal !== undefined) throw keyring.refusal
        }

        async getSecret(signal?: AbortSignal): Promise<number[] | null> {
          keyring.calls.push('get')
          await keyring.before('get', signal)
          const found = keyring.entries.get(this.#key)
          if (found === undefined) return null
          const bytes = [...found]
          keyring.given.push(bytes)
          return bytes
        }

        async setSecret(secret: Uint8Array, signal?: AbortSignal): Promise<void> {
          keyring.calls.push('set')
          keyring.taken.push(secret)
          const copy = secret.slice()
          await keyring.before('set', signal)
          keyring.entries.set(this.#key, copy)
        }
      },
    }
  }

  /** The text of an entry. */
  text(name: string): string | undefined {
    const bytes = this.entries.get(name)
    return bytes && Buffer.from(bytes).toString('latin1')
  }

  put(name: string, text: string | Uint8Array): void {
    this.entries.set(name, Buffer.from(text as string))
  }
}

/** As the library's errors are: one code for all, and what was in the way in the words. */
export function failed(message: string): Error {
  return Object.assign(new Error(message), { code: 'GenericFailure' })
}
