import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  account,
  type BatchOperation,
  type KeyProvider,
  rawKey,
  SecretStore,
  SecretStoreError,
} from '../../../src/index'
import { slotOf } from '../../support/programs/rekeyer'

/** Every public operation, on a store of known contents, with an account of what was promised and seen on the way. */

/** By name, as `abridged`. */
export type Secrets = ReadonlyMap<string, string>

/** What a step makes of the store if it takes effect. */
export interface Effect {
  /** By name, what they hold then; `null` is gone. */
  readonly secrets?: Readonly<Record<string, string | null>>
  /** The labels of the key slots then. */
  readonly keys?: readonly string[]
  /** Whatever its error, it may have taken effect. */
  readonly partly?: true
}

/** What is told of an attempt, at once, in order. */
export type Event =
  | { readonly begun: string; readonly number: number; readonly effect: Effect }
  /** `done`, the code of the error, or what else happened. */
  | { readonly ended: number; readonly outcome: string }
  /** What the store answered to reads: by name a payload, `absent` or the code of an error. */
  | { readonly saw: Readonly<Record<string, string>> }

/** How something is made to go wrong. */
export interface Arming<T> {
  arm(): void
  disarm(): T
  /** Does what is not to be counted. */
  aside?(work: () => Promise<void>): Promise<void>
}

export interface Operation {
  readonly name: string
  /** It begins with a closed store, or without one. */
  readonly unopened?: true
  run(session: Session): Promise<void>
}

/** The parts of a directory in which an operation is tried. */
export const STORE = 'secrets'
/** A backup of the store as it is in the beginning. */
export const GIVEN_BACKUP = 'given'
export const NEW_BACKUP = 'backup'
export const RESTORED = 'restored'
export const CREATED = 'created'
export const RECOVERED = 'recovered'

const STEP_TIMEOUT_MS = 60_000
const DAY_MS = 86_400_000
const FIRST = 7
const SECOND = 8
const LARGE_BYTES = 3000
/** Six of them are more than LevelDB keeps in memory. */
const HUGE_BYTES = 900_000

export function keyOf(number: number): KeyProvider {
  return rawKey(new Uint8Array(32).fill(number), { label: `${number}` })
}

/** Opens all that is made here. */
export const FIRST_KEY: KeyProvider = keyOf(FIRST)
export const FIRST_LABELS: readonly string[] = [`${FIRST}`, `${SECOND}`]

function payload(mark: string, sizeBytes = 40): string {
  return mark.padEnd(sizeBytes, '.')
}

/** So that histories can be told in a few words. */
export function abridged(text: string): string {
  return text.replace(/\.{8,}$/, ({ length }) => ` and ${length} more`)
}

const FIRST_SECRETS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`small-${n}`, payload(`first ${n}`)])),
  ...Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`large-${n}`, payload(`first ${n}`, LARGE_BYTES)])),
}
const EXPIRED_NAMES: readonly string[] = ['expired-0', 'expired-1', 'expired-2']

export const FIRST_STATE: Secrets = new Map(
  Object.entries(FIRST_SECRETS).map(([name, text]) => [name, abridged(text)] as const),
)

export function openAt(location: string, createIfMissing = false, now: () => number = Date.now): Promise<SecretStore> {
  const timers = { sweepIntervalMs: 0, compactIntervalMs: 0 }
  return SecretStore.open(location, { key: FIRST_KEY, createIfMissing, now, onError: () => {}, ...timers })
}

/** Makes what every attempt begins with a copy of. */
export async function makeTemplate(directory: string): Promise<void> {
  const store = await openAt(join(directory, STORE), true, () => Date.now() - 10 * DAY_MS)
  const expires_at = Math.floor((Date.now() - 5 * DAY_MS) / 1000)
  await store.addKey(keyOf(SECOND))
  for (const [name, text] of Object.entries(FIRST_SECRETS)) await store.set({ scope: account, name, payload: text })
  for (const name of EXPIRED_NAMES) await store.set({ scope: account, name, payload: payload(name), expires_at })
  await store.backup(join(directory, GIVEN_BACKUP))
  await store.close()
}

/** One attempt at an operation: calls what it calls, and tells of it. */
export class Session {
  readonly directory: string
  readonly #tell: (event: Event) => void
  #steps = 0
  #names = new Set([...Object.keys(FIRST_SECRETS), ...EXPIRED_NAMES])
  #store: SecretStore | undefined

  constructor(directory: string, tell: (event: Event) => void) {
    this.directory = directory
    this.#tell = tell
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  get opened(): boolean {
    return this.#store !== undefined
  }

  get store(): SecretStore {
    if (this.#store === undefined) throw new Error('session: expected an open store, got none')
    return this.#store
  }

  async open(createIfMissing = false, name: string = STORE): Promise<void> {
    this.#store = await openAt(this.path(name), createIfMissing)
  }

  /** Does one thing that either takes effect or fails. */
  async step(what: string, effect: Effect, work: () => Promise<unknown>): Promise<void> {
    const number = this.#steps++
    const secrets = Object.entries(effect.secrets ?? {})
    for (const [name] of secrets) this.#names.add(name)
    const told = Object.fromEntries(secrets.map(([name, text]) => [name, text === null ? null : abridged(text)]))
    this.#tell({ begun: what, number, effect: { ...effect, secrets: told } })
    this.#tell({ ended: number, outcome: await outcomeOf(work) })
  }

  /** Sets secrets of one step: one by `set`, several by `batch`; `null` deletes. */
  async write(secrets: Readonly<Record<string, string | null>>): Promise<void> {
    const changes = Object.entries(secrets).map(([name, text]): BatchOperation => {
      if (text === null) return { type: 'delete', scope: account, name }
      return { type: 'set', scope: account, name, payload: text }
    })
    const [only, ...others] = changes
    await this.step(`write ${Object.keys(secrets)}`, { secrets }, async () => {
      if (only === undefined || others.length > 0) return this.store.batch(changes)
      if (only.type === 'delete') return this.store.delete({ scope: only.scope, name: only.name })
      const { type: _, ...params } = only
      return this.store.set(params)
    })
  }

  /** Reads all names there could be, in each way there is. */
  async look(): Promise<void> {
    const { store } = this
    const one = async (read: (name: string) => unknown): Promise<void> => {
      const saw: Record<string, string> = {}
      for (const name of this.#names) saw[name] = await seenBy(async () => read(name))
      this.#tell({ saw })
    }
    await one((name) => store.get({ scope: account, name }))
    await one((name) => store.getSync({ scope: account, name }))
    const listed = new Map<string, string>()
    const outcome = await outcomeOf(async () => {
      for (const [name, text] of await secretsOf(store)) listed.set(name, text)
    })
    const rest = outcome === 'done' ? 'absent' : outcome
    this.#tell({ saw: Object.fromEntries([...this.#names].map((name) => [name, listed.get(name) ?? rest])) })
  }
}

/** All secrets of the account, abridged. */
export async function secretsOf(store: SecretStore): Promise<Secrets> {
  const found = new Map<string, string>()
  for await (const { name, payload: text } of store.list({ scope: account, expand: ['data.payload'] })) {
    found.set(name, abridged(text as string))
  }
  return found
}

async function outcomeOf(work: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('hung'), STEP_TIMEOUT_MS)
  })
  try {
    return await Promise.race([work().then(() => 'done'), late])
  } catch (error) {
    return told(error)
  } finally {
    clearTimeout(timer)
  }
}

async function seenBy(read: () => Promise<unknown>): Promise<string> {
  try {
    const found = await read()
    return found === undefined ? 'absent' : abridged(found as string)
  } catch (error) {
    return told(error)
  }
}

function told(error: unknown): string {
  return error instanceof SecretStoreError ? error.code : `not coded: ${error instanceof Error ? error.stack : error}`
}

/** Tries an operation, then reads, writes once more, and closes. What was armed stays so to the end. */
export async function attempt<T>(
  operation: Operation,
  directory: string,
  arming: Arming<T>,
  tell: (event: Event) => void,
): Promise<T> {
  const session = new Session(directory, tell)
  const look = (): Promise<void> => arming.aside?.(() => session.look()) ?? session.look()
  if (!operation.unopened) await session.open()
  arming.arm()
  await operation.run(session)
  if (session.opened) {
    await look()
    await session.write({ 'written after': payload('after') })
    await look()
    await session.step('close', {}, () => session.store.close())
  }
  return arming.disarm()
}

type Recover = (
  location: string,
  options: { readonly key: KeyProvider; readonly destination: string },
) => Promise<unknown>

const recovery: readonly Operation[] =
  'recover' in SecretStore
    ? [
        {
          name: 'recover',
          unopened: true,
          async run(session) {
            const { recover } = SecretStore as unknown as { recover: Recover }
            const destination = session.path(RECOVERED)
            await session.step(RECOVERED, {}, () =>
              recover.call(SecretStore, session.path(STORE), { key: FIRST_KEY, destination }),
            )
          },
        },
      ]
    : []

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'open',
    unopened: true,
    run: (session) => session.step('open', {}, () => session.open()),
  },
  {
    name: 'create',
    unopened: true,
    run: (session) => session.step(CREATED, {}, async () => (await openAt(session.path(CREATED), true)).close()),
  },
  {
    name: 'create in an empty directory',
    unopened: true,
    async run(session) {
      await mkdir(session.path(CREATED), { mode: 0o700 }).catch(() => {})
      await session.step(CREATED, {}, async () => (await openAt(session.path(CREATED), true)).close())
    },
  },
  { name: 'set', run: (session) => session.write({ new: payload('set') }) },
  { name: 'replace', run: (session) => session.write({ 'large-0': payload('set', LARGE_BYTES) }) },
  { name: 'delete', run: (session) => session.write({ 'large-1': null }) },
  {
    name: 'batch',
    run: (session) =>
      session.write({
        'small-0': payload('batch', LARGE_BYTES),
        'large-0': payload('batch'),
        new: payload('batch'),
        'small-1': null,
        'large-1': null,
      }),
  },
  {
    name: 'many at once',
    async run(session) {
      const names = ['small-0', 'small-1', 'new-0', 'new-1', 'large-0', 'large-1']
      await Promise.all(names.map((name) => session.write({ [name]: payload('at once', LARGE_BYTES) })))
    },
  },
  {
    name: 'more than LevelDB keeps in memory',
    async run(session) {
      for (let n = 0; n < 6; n++) await session.write({ [`small-${n}`]: payload('huge', HUGE_BYTES) })
    },
  },
  { name: 'read', run: (session) => session.look() },
  { name: 'sweep', run: (session) => session.step('sweep', {}, () => session.store.sweep()) },
  { name: 'compact', run: (session) => session.step('compact', {}, () => session.store.compact()) },
  { name: 'rotate', run: (session) => session.step('rotate', {}, () => session.store.rotate()) },
  {
    name: 'rotate root',
    run: (session) =>
      session.step('rotate root', { keys: [`${FIRST}`], partly: true }, () =>
        session.store.rotate({ root: true, keys: [FIRST_KEY] }),
      ),
  },
  {
    name: 'addKey',
    run: (session) => session.step('addKey', { keys: [...FIRST_LABELS, '9'] }, () => session.store.addKey(keyOf(9))),
  },
  {
    name: 'removeKey',
    run: (session) =>
      session.step('removeKey', { keys: [`${FIRST}`] }, () => session.store.removeKey(slotOf(session.store, SECOND))),
  },
  {
    name: 'replaceKey',
    run: (session) =>
      session.step('replaceKey', { keys: [`${FIRST}`, '9'] }, () =>
        session.store.replaceKey(slotOf(session.store, SECOND), keyOf(9)),
      ),
  },
  {
    name: 'backup',
    run: (session) => session.step(NEW_BACKUP, {}, () => session.store.backup(session.path(NEW_BACKUP))),
  },
  {
    name: 'restore',
    unopened: true,
    run: (session) =>
      session.step(RESTORED, {}, () =>
        SecretStore.restore(session.path(GIVEN_BACKUP), session.path(RESTORED), { key: FIRST_KEY }),
      ),
  },
  { name: 'verify', run: (session) => session.step('verify', {}, () => wholeOrFail(session.store)) },
  { name: 'checkpoint', run: (session) => session.step('checkpoint', {}, () => session.store.checkpoint()) },
  ...recovery,
]

async function wholeOrFail(store: SecretStore): Promise<void> {
  const { ok, problems } = await store.verify()
  // A store that is not read to its end is not whole; that is an answer, too.
  if (!ok) throw new SecretStoreError('ERR_CORRUPT', problems.map(({ message }) => message).join('; '))
}
