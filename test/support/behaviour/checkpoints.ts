import { account, type CheckpointStorage, type OpenOptions, type SecretStore } from 'app-secret-store'
import { vi } from '../runner'
import { copyStore, newLocation, openStore } from '../stores'

/** Sets a secret of the account. */
export function set(store: SecretStore, name: string, payload = 'p'): Promise<unknown> {
  return store.set({ scope: account, name, payload })
}

/** A place for checkpoints that can be made slow, and made to fail. */
export class Place implements CheckpointStorage {
  readonly saved: string[] = []
  readonly onError: ReturnType<typeof vi.fn<(error: unknown) => void>> = vi.fn<(error: unknown) => void>()
  /** What the next saves fail with. */
  failures: unknown[] = []
  loads = 0
  calls = 0
  busy = 0
  mostBusy = 0
  #gate: Promise<void> | undefined
  #open: (() => void) | undefined
  #waiting: (() => void)[] = []

  constructor(token?: string) {
    if (token !== undefined) this.saved.push(token)
  }

  get last(): string | undefined {
    return this.saved.at(-1)
  }

  load(): string | undefined {
    this.loads++
    return this.last
  }

  async save(token: string): Promise<void> {
    this.calls++
    this.busy++
    this.mostBusy = Math.max(this.mostBusy, this.busy)
    for (const wake of this.#waiting.splice(0)) wake()
    await this.#gate
    this.busy--
    if (this.failures.length > 0) throw this.failures.shift()
    this.saved.push(token)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  hold(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve))
  }

  release(): void {
    this.#open?.()
    this.#gate = undefined
  }

  /** Resolves when something has happened that makes it true. */
  async until(happened: () => boolean): Promise<void> {
    while (!happened()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  get options(): Partial<OpenOptions> {
    return { checkpoints: this, onError: this.onError }
  }
}

/** A store whose directory was put back to an earlier state, and what its place had by then. */
export async function rolledBack(writes = 5): Promise<{ location: string; newer: string; place: Place }> {
  const [location, older, newer, place] = [await newLocation(), await newLocation(), await newLocation(), new Place()]
  let store = await openStore(location, place.options)
  await set(store, 'n', 'old')
  await store.close()
  await copyStore(location, older)
  store = await openStore(location, place.options)
  for (let n = 0; n < writes; n++) await set(store, 'n', `new ${n}`)
  await store.close()
  await copyStore(location, newer)
  return { location: older, newer, place }
}
