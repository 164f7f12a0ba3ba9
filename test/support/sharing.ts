import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import { directoryIdentity } from '../../src/platform/files'
import { thisProcess } from '../../src/platform/this-process'
import type { OwnerFile } from '../../src/storage/directory/owner-json'
import { startChild } from './programs'
import type { Answer, Command } from './programs/participant'
import { newLocation, openStore, temporaryDirectory } from './stores'

/** What tests of several processes on one store begin with. */

/** A folder for the sockets of this process and of those it starts, for the time of a test. */
export async function socketsFolder(): Promise<string> {
  const runtime = await temporaryDirectory('/tmp')
  vi.stubEnv('XDG_RUNTIME_DIR', runtime)
  onTestFinished(() => void vi.unstubAllEnvs())
  return join(runtime, 'secret-store')
}

/** The sockets that are there. */
export async function socketsIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

/** A closed store. */
export async function newStore(): Promise<string> {
  const location = await newLocation()
  await (await openStore(location)).close()
  return location
}

/** Another process on a store. It is killed with the test, if it still runs. */
export class Sharer {
  readonly process: ChildProcess

  constructor() {
    this.process = startChild('participant', ['run'])
    onTestFinished(() => void this.process.kill('SIGKILL'))
  }

  /** One command at a time. */
  async ask(command: Command): Promise<Answer> {
    const answer = once(this.process, 'message')
    this.process.send(command)
    const [said] = await answer
    return said as Answer
  }

  async kill(): Promise<void> {
    const exit = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exit
  }
}

/** Another process that has the store open. */
export async function sharerOf(location: string, options: { key?: number; shared?: boolean } = {}): Promise<Sharer> {
  const sharer = new Sharer()
  const answer = await sharer.ask({ do: 'open', location, ...options })
  if ('error' in answer) throw new Error(`sharer: expected it to open the store, got ${answer.message}`)
  return sharer
}

export async function ownerOf(location: string): Promise<OwnerFile> {
  return JSON.parse(await readFile(join(location, 'owner.json'), 'utf8')) as OwnerFile
}

/** Puts an owner.json into a store, as another process would. */
export async function plantOwner(location: string, owner: Partial<OwnerFile>): Promise<string> {
  const path = join(location, 'owner.json')
  const directory = await directoryIdentity(location)
  const whole = { protocol: 1, endpoint: '', ...thisProcess(), ...owner, directory }
  await writeFile(path, JSON.stringify(whole), { mode: 0o600 })
  return path
}
