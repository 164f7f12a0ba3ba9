import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { startChild } from './programs'
import type { Answer, Command } from './programs/keyring-user'
import { temporaryDirectory } from './stores'

/** A file that a prompt makes when it opens. */
const PROMPTED = 'prompted'

/** What there has to be on the machine for tests with a real keyring. */
const PROGRAMS = ['dbus-daemon', 'dbus-send', 'gnome-keyring-daemon']

/** Why there is no real keyring to test with. With REQUIRE_KEYRING that is no reason to leave anything out. */
export const NO_SESSION: string | undefined = missing()
if (NO_SESSION !== undefined) {
  if (process.env['REQUIRE_KEYRING']) throw new Error(NO_SESSION)
  console.warn(`skipped: no real keyring, ${NO_SESSION}`)
}

function missing(): string | undefined {
  if (process.platform !== 'linux') return `no gnome-keyring on ${process.platform}`
  const absent = PROGRAMS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
  return absent.length === 0 ? undefined : `not installed: ${absent.join(', ')}`
}

/** What stands behind the keyring's name when the bus is asked for it. */
export type Keyring =
  /** gnome-keyring, unlocked; its default keyring is made if there is none. */
  | 'unlocked'
  /** gnome-keyring, as it is behind a login that did not unlock it. */
  | 'locked'
  /** What never answers. */
  | 'silent'
  /** Nothing. */
  | 'none'

/**
 * A user's session on a machine of its own, as far as keyrings go: a bus, a home directory and gnome-keyring, which the bus
 * starts when it is first asked for. Nobody is there to answer a prompt.
 */
export class KeyringSession {
  readonly directory: string
  readonly env: Record<string, string>
  #bus: ChildProcess | undefined

  private constructor(directory: string) {
    this.directory = directory
    const { PATH = '', TMPDIR = '/tmp' } = process.env
    const home = join(directory, 'home')
    this.env = { PATH, TMPDIR, HOME: home, XDG_RUNTIME_DIR: join(directory, 'run') }
    for (const name of ['DATA', 'CONFIG', 'CACHE']) this.env[`XDG_${name}_HOME`] = join(home, name)
  }

  /** It ends with the test. */
  static async start(keyring: Keyring, options: { readonly hasPrompt?: boolean } = {}): Promise<KeyringSession> {
    const session = new KeyringSession(await temporaryDirectory())
    onTestFinished(() => session.end())
    for (const name of ['home', 'run', 'services']) await mkdir(join(session.directory, name), { mode: 0o700 })
    if (options.hasPrompt) {
      const program = join(session.directory, 'prompt')
      await writeFile(program, `#!/bin/sh\n: > '${join(session.directory, 'run', PROMPTED)}'\nexec sleep 600\n`, {
        mode: 0o700,
      })
      await session.#service('org.gnome.keyring.SystemPrompter', program)
    }
    await session.restart(keyring)
    return session
  }

  /** Another login of the same user. */
  async restart(keyring: Keyring): Promise<void> {
    await this.end()
    await this.#setKeyring(keyring)
    const config = join(this.directory, 'bus.conf')
    await writeFile(config, busConfig(this.directory))
    const bus = spawn('dbus-daemon', ['--nofork', '--print-address=1', `--config-file=${config}`], {
      env: this.env,
      // It and what it starts are ended together.
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#bus = bus
    await once(createInterface({ input: bus.stdout }), 'line')
    // What it writes holds its identity, too, which the next one's will not be.
    this.env['DBUS_SESSION_BUS_ADDRESS'] = `unix:path=${join(this.directory, 'bus')}`
  }

  /** The bus goes, and the keyring with it; its address stays in the environment. */
  async end(): Promise<void> {
    const bus = this.#bus
    this.#bus = undefined
    if (bus?.pid === undefined || bus.exitCode !== null || bus.signalCode !== null) return
    const exit = once(bus, 'exit')
    process.kill(-bus.pid, 'SIGKILL')
    await exit
  }

  /** As a screen lock may do. */
  async lock(): Promise<void> {
    const path = '/org/freedesktop/secrets'
    await promisify(execFile)(
      'dbus-send',
      [
        '--session',
        '--print-reply',
        '--dest=org.freedesktop.secrets',
        path,
        'org.freedesktop.Secret.Service.Lock',
        `array:objpath:${path}/collection/login`,
      ],
      { env: this.env },
    )
  }

  /** Waits until somebody is asked to unlock the keyring. */
  async prompted(): Promise<void> {
    const directory = join(this.directory, 'run')
    const watcher = watch(directory)
    try {
      while (!existsSync(join(directory, PROMPTED))) await once(watcher, 'change')
    } finally {
      watcher.close()
    }
  }

  /** Another OS user, or a new machine: the store is there, the keyring of the old one is not. */
  async forgetKeyrings(): Promise<void> {
    await this.end()
    await rm(join(this.directory, 'home'), { recursive: true, force: true })
    await mkdir(join(this.directory, 'home'), { mode: 0o700 })
  }

  /** A process in this session. */
  process(env: Readonly<Record<string, string | undefined>> = {}): KeyringUser {
    return startUser({ ...this.env, ...env })
  }

  async #setKeyring(keyring: Keyring): Promise<void> {
    const services = join(this.directory, 'services')
    await rm(join(services, 'org.freedesktop.secrets.service'), { force: true })
    if (keyring === 'none') return
    if (keyring === 'silent') return this.#service('org.freedesktop.secrets', '/bin/sleep 600')
    const program = join(this.directory, 'start-keyring')
    const daemon = 'exec gnome-keyring-daemon --foreground --components=secrets'
    await writeFile(
      program,
      `#!/bin/sh\n${keyring === 'locked' ? daemon : `printf %s throw-away | ${daemon.replace('exec ', '')} --unlock`}\n`,
    )
    await chmod(program, 0o700)
    await this.#service('org.freedesktop.secrets', program)
  }

  async #service(name: string, command: string): Promise<void> {
    const text = `[D-BUS Service]\nName=${name}\nExec=${command}\n`
    await writeFile(join(this.directory, 'services', `${name}.service`), text)
  }
}

/** No services but those of the test, whatever is installed. */
function busConfig(directory: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${join(directory, 'bus')}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>${join(directory, 'services')}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`
}

export interface KeyringUser {
  readonly child: ChildProcess
  /** What the command came to: its value, or the error as `CODE message`. */
  tell(command: Command): Promise<unknown>
}

/** libdbus reads the address of the bus once in a process, so that each session has processes of its own. */
export function startUser(env: Readonly<Record<string, string | undefined>>): KeyringUser {
  const child = startChild('keyring-user', ['run'], {
    env: { ...env },
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    child,
    async tell(command) {
      child.send(command)
      const [answer] = (await once(child, 'message')) as [Answer]
      return 'error' in answer ? answer.error : answer.value
    },
  }
}
