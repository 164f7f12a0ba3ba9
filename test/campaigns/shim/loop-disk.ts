import { execFile, execFileSync } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { fromRoot } from '../../support/paths'

/** A disk of its own whose power can be cut: ext4 in a file. What it has synced is in the file, and nothing else is. */

const run = promisify(execFile)
const SOURCE = fromRoot('test/campaigns/shim/cut.c')
const SIZE_BYTES: number = 96 * 1024 * 1024

/** What a power cut still lets through: nothing, or the part of the journal that is written already. */
export const CUTS = { 'at once': 2, 'after the journal': 1 } as const
export type Cut = keyof typeof CUTS

/** Why no power can be cut here, or `undefined` if it can. */
export function refusalToCut(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not linux`
  if (process.getuid?.() !== 0) return 'it takes root'
  let disk: LoopDisk | undefined
  try {
    disk = new LoopDisk()
    disk.cutNow('at once')
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
  } finally {
    disk?.end()
  }
}

/** Goes away with the test. */
export function newLoopDisk(): LoopDisk {
  const disk = new LoopDisk()
  onTestFinished(() => disk.end())
  return disk
}

export class LoopDisk {
  /** Where it is mounted. */
  readonly root: string
  readonly #directory: string
  readonly #image: string
  readonly #cut: string
  #mounted = false

  constructor() {
    // The file need not outlive the machine, so it may be in memory.
    this.#directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'secret-store-disk-'))
    this.#image = join(this.#directory, 'image')
    this.#cut = join(this.#directory, 'cut')
    this.root = join(this.#directory, 'root')
    try {
      execFileSync('cc', ['-O1', '-o', this.#cut, SOURCE], { stdio: 'pipe' })
      const file = openSync(this.#image, 'w', 0o600)
      ftruncateSync(file, SIZE_BYTES)
      closeSync(file)
      execFileSync('mkfs.ext4', ['-q', '-F', this.#image], { stdio: 'pipe' })
      mkdirSync(this.root)
      execFileSync('mount', ['-o', 'loop', this.#image, this.root], { stdio: 'pipe' })
      this.#mounted = true
    } catch (error) {
      this.end()
      throw error
    }
  }

  /** Everything that is on it by now gets to the disk. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.root])
  }

  /** @returns When it began, by the clock of `process.hrtime`, in nanoseconds. */
  async cut(cut: Cut): Promise<number> {
    return Number((await run(this.#cut, [this.root, String(CUTS[cut])])).stdout)
  }

  cutNow(cut: Cut): void {
    execFileSync(this.#cut, [this.root, String(CUTS[cut])], { stdio: 'pipe' })
  }

  /** The power is back: the journal is replayed. Nobody may have a file open on it. */
  async restart(): Promise<void> {
    await run('umount', [this.root])
    this.#mounted = false
    await run('mount', ['-o', 'loop', this.#image, this.root])
    this.#mounted = true
  }

  end(): void {
    if (this.#mounted) execFileSync('umount', ['-l', this.root])
    this.#mounted = false
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
