import { checkFunction, checkText, optionsOf } from '../base/checks'
import { SecretStoreError } from '../errors'
import { SLOT_KIND } from '../format/constants'
import { OPEN_NAMES, type OpenOptions } from '../input/options'
import type { KeyProvider } from '../keys/provider'
import { generateRecoveryCode, recoveryCode } from '../keys/recovery-code'
import { entries, joinPath, status } from '../platform/files'
import { SecretStore } from '../store'
import { partsOf } from '../view'
import { BASIC_TEXT, type ElectronSafeStorage } from './keychain'
import { type SafeStorageOptions, safeStorage } from './safe-storage'

/** What is used of the module `electron`. */
export interface Electron {
  /** Says where the files of the app are. */
  readonly app: { whenReady(): Promise<unknown>; getPath(name: 'userData' | 'appData'): string }
  /** Encrypts by the system's keychain. */
  readonly safeStorage: ElectronSafeStorage
}

/** Options of `openInUserData`: those of `SecretStore.open` without `key`, and these. */
export interface UserDataOptions extends Omit<OpenOptions, 'key'>, Pick<SafeStorageOptions, 'allowBasicText'> {
  /**
   * Shows a new recovery code to the user, who writes it down. Called at each start until the store has one.
   *
   * @returns Whether the user has it: only then does it open the store.
   */
  offerRecoveryCode(code: string): boolean | Promise<boolean>
  /**
   * Asks the user for the recovery code when the keychain does not open the store, and again after a wrong code. With
   * the right one the store gets a slot for this keychain, beside those of up to seven others.
   *
   * @param reason - Why it is asked: `ERR_WRONG_KEY`, `ERR_NO_KEYRING`, or a `TypeError` for a mistyped code.
   * @param attempt - 1 at first; from 2 on, the reason is what was wrong with the code.
   * @returns `undefined` to give up: opening then fails as it would have without it.
   * @defaultValue nobody is asked
   */
  askRecoveryCode?(reason: Error, attempt: number): string | undefined | Promise<string | undefined>
  /** The name of the store's directory, in the app's `userData`. @defaultValue `'secrets'` */
  readonly directory?: string
  /**
   * Names that the app had before, each of which had another `userData`. If the present one has no store and that of a
   * former name has, that is opened, where it is. @defaultValue none
   */
  readonly formerNames?: readonly string[]
}

/** Of one store. Beyond it, the oldest makes room: a keychain that was emptied never opens its slot again. */
const MOST_KEYCHAINS = 8

const OPTION_NAMES = [
  ...(['offerRecoveryCode', 'askRecoveryCode', 'directory', 'formerNames', 'allowBasicText'] as const),
  ...OPEN_NAMES.filter((name) => name !== 'key'),
]

/**
 * The store of an Electron app: in its `userData`, opened by the system's keychain, or by a recovery code if that is
 * lost. Nothing is ever created in the place of a store that does not open.
 *
 * @param electron - The module `electron`, in the main process.
 * @throws {TypeError} On bad options. @throws What `offerRecoveryCode` or `askRecoveryCode` throw.
 * @throws {SecretStoreError} As `SecretStore.open`, and `ERR_NO_KEYRING`. `ERR_LOCKED` is most often a second instance
 *   of the app: `app.requestSingleInstanceLock` tells.
 */
export async function openInUserData(electron: Electron, options: UserDataOptions): Promise<SecretStore> {
  const given = optionsOf<UserDataOptions>(options, 'options', OPTION_NAMES)
  const { offerRecoveryCode, askRecoveryCode, directory = 'secrets', formerNames = [], allowBasicText, ...rest } = given
  checkFunction(offerRecoveryCode, 'offerRecoveryCode')
  if (askRecoveryCode !== undefined) checkFunction(askRecoveryCode, 'askRecoveryCode')
  checkFolderName(directory, 'directory')
  if (!Array.isArray(formerNames)) throw new TypeError('formerNames: expected an array, got something else')
  for (const name of formerNames) checkFolderName(name, 'formerNames')
  if (typeof electron?.app?.whenReady !== 'function' || typeof electron.app.getPath !== 'function') {
    throw new TypeError('electron: expected the module, in the main process, got something else')
  }
  const key = safeStorage(electron.safeStorage, allowBasicText === undefined ? {} : { allowBasicText })
  await electron.app.whenReady()
  const { location, exists } = await findLocation(electron, directory, formerNames)
  // What was there when it was looked for is not made anew if it is gone by now.
  const mayCreate = exists ? { createIfMissing: false } : {}
  const open: Open = (provider) => SecretStore.open(location, { ...rest, ...mayCreate, key: provider })
  const store = await openWithKeychain(open, key, exists ? askRecoveryCode : undefined, rest.readOnly !== true)
  try {
    if (!rest.readOnly && !store.keys().some(({ kind }) => kind === SLOT_KIND.recoveryCode)) {
      const code = generateRecoveryCode()
      // Shown before it is added: a code that nobody has seen would be in the store for ever.
      if (await offerRecoveryCode(code)) await store.addKey(recoveryCode(code))
    }
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

type Open = (key: KeyProvider) => Promise<SecretStore>

async function openWithKeychain(
  open: Open,
  key: KeyProvider,
  ask: UserDataOptions['askRecoveryCode'],
  mayChange: boolean,
): Promise<SecretStore> {
  try {
    return await open(key)
  } catch (error) {
    if (ask === undefined || !isKeychainLost(error)) throw error
    const store = await openWithCode(open, error, ask)
    if (error.code === 'ERR_WRONG_KEY' && mayChange) await addKeychainSlot(store, key)
    return store
  }
}

function isKeychainLost(error: unknown): error is SecretStoreError {
  return error instanceof SecretStoreError && (error.code === 'ERR_WRONG_KEY' || error.code === 'ERR_NO_KEYRING')
}

/** @throws `lost` if the user gives up. */
async function openWithCode(
  open: Open,
  lost: SecretStoreError,
  ask: NonNullable<UserDataOptions['askRecoveryCode']>,
): Promise<SecretStore> {
  for (let reason: unknown = lost, attempt = 1; ; attempt++) {
    const code = await ask(reason as Error, attempt)
    if (code === undefined || code === null) throw lost
    if (typeof code !== 'string') {
      throw new TypeError('askRecoveryCode: expected a string, or undefined to give up, got something else')
    }
    let key: KeyProvider
    try {
      key = recoveryCode(code)
    } catch (mistyped) {
      reason = mistyped
      continue
    }
    try {
      return await open(key)
    } catch (error) {
      if (!isKeychainLost(error)) throw error
      reason = error
    }
  }
}

/**
 * Lets this keychain, too, open the store. The slots that it did not open stay: they may be those of other machines and
 * desktops that use the same `userData`. A failure goes to `onError`, and the code is asked for again at the next start.
 */
async function addKeychainSlot(store: SecretStore, key: KeyProvider): Promise<void> {
  try {
    const added = await store.addKey(key)
    const own = store.keys().filter(({ kind }) => kind === key.kind)
    const [oldest] = own
    // What protects does not make room for what does not.
    const mayReplace = added.label !== BASIC_TEXT
    if (oldest !== undefined && own.length > MOST_KEYCHAINS && mayReplace) await store.removeKey(oldest.id)
  } catch (error) {
    partsOf(store)?.context.report(error)
  }
}

async function findLocation({ app }: Electron, directory: string, formerNames: readonly string[]) {
  const former = formerNames.map((name) => joinPath(app.getPath('appData'), name, directory))
  const present = joinPath(app.getPath('userData'), directory)
  for (const location of [present, ...former]) {
    if (!(await isVacant(location))) return { location, exists: true }
  }
  return { location: present, exists: false }
}

/** Whether a store could be created there. What is no directory is for the opening to judge. */
async function isVacant(path: string): Promise<boolean> {
  const { kind } = await status(path)
  return kind === 'absent' || (kind === 'directory' && (await entries(path)).length === 0)
}

function checkFolderName(name: unknown, label: string): void {
  checkText(name, label, 255)
  if (!/^[^/\\\0]+$/.test(name as string) || name === '.' || name === '..') {
    throw new TypeError(`${label}: expected the name of a folder, got a path`)
  }
}
