import { rmSync, statfsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { entryOf } from './contenders/registry'
import type { Variant } from './data'
import type { Workers } from './workers'

/** What a store holds, and whose it is. */
export interface Kind {
  readonly contender: string
  readonly size: number
  readonly payloadBytes: number
  readonly variant: Variant
}

const TMPFS = 0x01021994

/** The stores of a run: each filled once, when it is first asked for, by a process of its own; all under one directory. */
export class Stores {
  readonly directory: string
  readonly #workers: Workers
  readonly #prepared = new Map<string, Promise<string>>()
  #copies = 0

  private constructor(directory: string, workers: Workers) {
    this.directory = directory
    this.#workers = workers
  }

  static async create(parent: string, workers: Workers): Promise<Stores> {
    return new Stores(await mkdtemp(join(parent, 'secret-store-bench-')), workers)
  }

  /** Whether to wait for the disk is to wait for nothing. */
  isInMemory(): boolean {
    return statfsSync(this.directory).type === TMPFS
  }

  prepared(kind: Kind): Promise<string> {
    const owner = entryOf(kind.contender).storesOf ?? kind.contender
    const name = `${owner}-${kind.size}-${kind.payloadBytes}-${kind.variant}`
    let directory = this.#prepared.get(name)
    if (directory === undefined) {
      directory = this.#fill(join(this.directory, name), { ...kind, contender: owner })
      this.#prepared.set(name, directory)
    }
    return directory
  }

  /** A copy of its own, which the caller removes. It is on disk: nobody's writes wait for it to get there. */
  async copy(kind: Kind): Promise<string> {
    const copy = join(this.directory, `copy-${this.#copies++}`)
    await cp(await this.prepared(kind), copy, { recursive: true })
    await waitForDisk(copy)
    return copy
  }

  /** A directory of its own with nothing in it, which the caller removes. */
  async empty(): Promise<string> {
    const directory = join(this.directory, `copy-${this.#copies++}`)
    await mkdir(directory, { mode: 0o700 })
    return directory
  }

  remove(directory: string): Promise<void> {
    return rm(directory, { recursive: true, force: true })
  }

  /** What was prepared of one size is not needed any more. */
  async forget(size: number): Promise<void> {
    for (const [name, directory] of this.#prepared) {
      if (!name.includes(`-${size}-`)) continue
      this.#prepared.delete(name)
      await directory.then((path) => this.remove(path)).catch(() => {})
    }
  }

  async #fill(directory: string, kind: Kind): Promise<string> {
    await mkdir(directory, { mode: 0o700 })
    await this.#workers.run({ type: 'fill', directory, ...kind })
    await waitForDisk(directory)
    return directory
  }

  removeAllNow(): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function waitForDisk(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const file = await open(join(entry.parentPath, entry.name), 'r+')
    await file.sync()
    await file.close()
  }
}
