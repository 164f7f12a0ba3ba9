import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, type TestContext } from 'vitest'
import { KeyringSession } from '../../support/keyring-session'
import { fromRoot } from '../../support/paths'
import {
  copyApp,
  type ElectronApplication,
  type LaunchOptions,
  launch,
  needElectron,
  needKeyring,
  type Page,
  run,
} from './harness'

/** The app of examples/electron, as somebody uses it who has a keyring. */

const root = fromRoot()

/** Leaves the test out, and says why, where the app cannot be used. */
export function needExample(context: TestContext): void {
  needElectron(context)
  needKeyring(context)
}

/** A computer with the app on it: its files, its `userData`, and a keyring. */
export class Computer {
  readonly userData: string
  readonly #app: string
  readonly #keyring: KeyringSession

  private constructor(app: string, userData: string, keyring: KeyringSession) {
    this.#app = app
    this.userData = userData
    this.#keyring = keyring
  }

  static async make(): Promise<Computer> {
    const app = await copyApp(join(root, 'examples/electron'))
    const userData = await mkdtemp(join(tmpdir(), 'secret-store-user-data-'))
    onTestFinished(() => rm(userData, { recursive: true, force: true }))
    return new Computer(app, userData, await KeyringSession.start('unlocked'))
  }

  async start(passwordStore = 'gnome-libsecret'): Promise<Running> {
    const app = await launch(this.#app, this.#options(passwordStore))
    return { app, page: await app.firstWindow() }
  }

  /** Starts it while it runs. @returns Its exit code. */
  async startAgain(): Promise<number | null> {
    const { exitCode } = await run(this.#app, this.#options('gnome-libsecret'))
    return exitCode
  }

  #options(passwordStore: string): LaunchOptions & { readonly userData: string } {
    const switches = [`--password-store=${passwordStore}`, '--lang=en-US']
    return { userData: this.userData, switches, env: { ...this.#keyring.env, TZ: 'UTC' } }
  }

  /** Starts it for the first time. @returns Its window, and the code that was written down. */
  async startNew(): Promise<Running & { readonly code: string }> {
    const { app, page: offer } = await this.start()
    await offer.locator('#code:not(:empty)').waitFor()
    const code = ((await offer.locator('#code').textContent()) as string).trim()
    return { app, code, page: await nextWindow(app, () => press(offer, 'I have written it down')) }
  }

  /** The keys of its keyring are gone: it has another one. */
  async loseKeyring(): Promise<void> {
    await this.#keyring.forgetKeyrings()
    await this.#keyring.restart('unlocked')
  }
}

export interface Running {
  readonly app: ElectronApplication
  readonly page: Page
}

/** The window that opens when something is done. */
export async function nextWindow(app: ElectronApplication, act: () => Promise<void>): Promise<Page> {
  const [window] = await Promise.all([app.waitForEvent('window'), act()])
  await window.waitForLoadState()
  return window
}

export async function newWindow(app: ElectronApplication): Promise<Page> {
  return nextWindow(app, () =>
    app.evaluate(({ Menu }) => Menu.getApplicationMenu()?.getMenuItemById('new-window')?.click()),
  )
}

export async function press(page: Page, button: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click()
}

export interface Added {
  readonly name: string
  readonly payload: string
  readonly amount?: number
  readonly unit?: 'seconds' | 'minutes' | 'hours' | 'days'
}

/** By the form. */
export async function add(page: Page, { name, payload, amount, unit = 'days' }: Added): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('Secret', { exact: true }).fill(payload)
  await page.getByLabel('Expires in').fill(amount === undefined ? '' : String(amount))
  await page.getByLabel('Unit of time').selectOption(unit)
  await press(page, 'Add')
}

export async function names(page: Page): Promise<string[]> {
  return page.locator('#list .name').allTextContents()
}

/** For CI to keep. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const directory = join(root, 'output/screenshots')
  await mkdir(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), animations: 'disabled' })
}
