/**
 * Two worker threads that open one store at the same moment, write to it, close it, and begin again. What they meet in
 * the native parts can take the process down, hence a child. It reports each round's outcomes.
 */
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ThreadCommand } from './opening-thread'

export interface Round {
  /** By thread: the name that was written, or the code of the error. */
  readonly outcomes: readonly ({ readonly written: string } | { readonly error: string })[]
}

const THREADS = 2

async function start(): Promise<Worker> {
  // The built program beside this one.
  const worker = new Worker(join(dirname(process.argv[1] as string), 'opening-thread.mjs'), { execArgv: [] })
  await once(worker, 'online')
  return worker
}

async function run(location: string, rounds: number): Promise<void> {
  const workers = await Promise.all(Array.from({ length: THREADS }, start))
  for (let round = 0; round < rounds; round++) {
    const outcomes = await Promise.all(
      workers.map(async (worker, thread) => {
        const name = `round ${round}, thread ${thread}`
        worker.postMessage({ location, name, keep: false } satisfies ThreadCommand)
        const [outcome] = (await once(worker, 'message')) as [string]
        return outcome === 'written' ? { written: name } : { error: outcome }
      }),
    )
    process.send?.({ outcomes } satisfies Round)
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
  process.disconnect()
}

// Imported for its types, this file does nothing.
if (process.send !== undefined && process.argv[2] === 'run') {
  void run(process.argv[3] as string, Number(process.argv[4]))
}
