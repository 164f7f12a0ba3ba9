/**
 * Tries one operation after the other while system calls fail, as its parent says (test/campaigns/shim/). It tells of each step
 * by synchronous writes, so that what its parent has not heard of had not happened when it was killed.
 */
import { execFileSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { arm, disarm, type Fault, type Hit } from '../../campaigns/shim/control'
import { attempt, type Event, OPERATIONS } from '../../campaigns/shim/operations'
import { tell } from './writer'

export interface Job {
  readonly operation: string
  readonly fault: Fault
  readonly nth: number
  /** Copied to `directory` before anything fails. */
  readonly template: string
  readonly directory: string
  /** What it copies is to be on disk before anything fails. */
  readonly synced: boolean
}

export type Report = Event | { readonly finished: Hit } | { readonly broken: string }

async function run({ operation: name, fault, nth, template, directory, synced }: Job): Promise<void> {
  const operation = OPERATIONS.find((one) => one.name === name)
  if (operation === undefined) throw new Error(`faulted: expected an operation, got ${name}`)
  cpSync(template, directory, { recursive: true })
  if (synced) execFileSync('sync', ['-f', directory], { env: {} })
  const hit = await attempt(operation, directory, { arm: () => arm(fault, nth), disarm }, tell)
  tell({ finished: hit } satisfies Report)
}

// Imported for its types, this file does nothing. Started, it takes one job after the other.
if (process.send !== undefined && process.argv[2] === 'fail') {
  process.on('message', (job) => {
    run(job as Job).catch((error) => tell({ broken: String(error?.stack ?? error) } satisfies Report))
  })
  process.once('disconnect', () => process.exit())
}
