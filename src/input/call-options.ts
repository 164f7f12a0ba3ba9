import { checkBoolean, checkFunction, checkSignal, optionsOf } from '../base/checks'
import type { KeyProvider } from '../keys/provider'
import type { Partition } from '../model'
import { checkProvider } from './options'
import { checkAccount, checkUser } from './params'

/** How far something long has come. */
export interface Progress {
  /** Records seen to. */
  readonly done: number
  /** Of about so many; others may come and go meanwhile. */
  readonly total: number
}

/** What every call takes after its parameters. */
export interface CallOptions {
  /**
   * Ends the call early: it rejects with what the signal is aborted with. A write that has had its turn by then ends as it
   * would have, so that an aborted one has changed nothing.
   */
  readonly signal?: AbortSignal
}

/** What everything that takes long takes. */
export interface LongOptions extends CallOptions {
  /** Called with how far the work has come. An error it throws ends the work. */
  readonly onProgress?: (progress: Progress) => void
}

/** What `rotate` takes. */
export interface RotateOptions extends LongOptions {
  /** Whether to replace the root key as well, because it may have leaked. Needs `keys`. @defaultValue `false` */
  readonly root?: boolean
  /**
   * With `root`: the keys that are to open the store afterwards, by one slot each; with `from` and `to`, a new key in the
   * place of one that opens it now. All other slots are dropped.
   */
  readonly keys?: readonly (KeyProvider | KeyExchange)[]
}

/** A key that opens the store, and the one that is to open it in its place. */
export interface KeyExchange {
  /** Opens a slot now, and none afterwards. */
  readonly from: KeyProvider
  /** Opens the slot that takes its place. */
  readonly to: KeyProvider
}

/** What part of the store a view sees. */
export interface ViewOptions {
  /** A connected account, 1 to 5,000 characters. @defaultValue none: the app's own */
  readonly account?: string
  /** Live mode (`true`) or test mode. @defaultValue `false` */
  readonly livemode?: boolean
  /** Restricts the view to the account scope and this user's own. @defaultValue none: every scope */
  readonly user?: string
}

/** As they are carried out: a key that is kept is exchanged for itself. */
export type RotateSettings = LongOptions & { readonly keys?: readonly KeyExchange[] }

export const LONG_NAMES = ['onProgress', 'signal'] as const

/** @returns The keys only together with `root`. */
export function parseRotateOptions(options: unknown): RotateSettings {
  const given = optionsOf<RotateOptions>(options as RotateOptions, 'rotate', [...LONG_NAMES, 'root', 'keys'])
  const { root = false, keys } = given
  if (!checkBoolean(root, 'root')) {
    if (keys !== undefined) throw new TypeError("rotate: expected 'keys' only together with root: true, got it alone")
    return longOptions(given)
  }
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new TypeError('rotate keys: expected the keys that are to open the store afterwards, got none')
  }
  return { ...longOptions(given), keys: keys.map(checkKeptKey) }
}

function checkKeptKey(given: KeyProvider | KeyExchange): KeyExchange {
  const { from, to } = (given ?? {}) as Partial<KeyExchange>
  if (from === undefined && to === undefined) {
    const key = checkProvider(given as KeyProvider)
    return { from: key, to: key }
  }
  return { from: checkProvider(from), to: checkProvider(to) }
}

export function parseLongOptions(options: unknown, label: string): LongOptions {
  return longOptions(optionsOf<LongOptions>(options as LongOptions, label, LONG_NAMES))
}

export function longOptions({ onProgress, signal }: LongOptions): LongOptions {
  return {
    ...(onProgress === undefined ? {} : { onProgress: checkFunction(onProgress, 'onProgress') }),
    ...(signal === undefined ? {} : { signal: checkSignal(signal) }),
  }
}

/** The signal of a call, if it has one. */
export function signalOf(options: CallOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined
  const { signal } = optionsOf<CallOptions>(options, 'options', ['signal'])
  return signal === undefined ? undefined : checkSignal(signal)
}

/** Which partition a view is over, and whose it is, if it is one user's. */
export function parseViewOptions(options: unknown): { readonly partition: Partition; readonly user?: string } {
  const given = optionsOf<ViewOptions>(options as ViewOptions, 'view', ['account', 'livemode', 'user'])
  const { account, livemode = false, user } = given
  const partition = {
    account: account === undefined ? undefined : checkAccount(account),
    livemode: checkBoolean(livemode, 'livemode'),
  }
  return user === undefined ? { partition } : { partition, user: checkUser(user) }
}
