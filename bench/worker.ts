/**
 * One process, one task: what the program was given, as JSON, in its first argument; what came of it goes to its standard
 * output. Bundled before it runs, so that starting is not compiling.
 */
import { type Direction, measureAead } from './aead'
import type { Contender, Opening } from './contenders/contender'
import { entryOf, FLOOR } from './contenders/registry'
import { randomFrom, Secrets, type Variant } from './data'
import type { Budget, Outcome } from './measure'
import { WORKS } from './work/index'

export type Task = Probe | Filling | Measurement | AeadMeasurement

/** Whether it can be loaded here. */
export interface Probe {
  readonly type: 'probe'
  readonly contender: string
}

export interface Filling {
  readonly type: 'fill'
  readonly contender: string
  readonly directory: string
  readonly size: number
  readonly payloadBytes: number
  readonly variant: Variant
}

export interface Measurement extends Omit<Filling, 'type'> {
  readonly type: 'measure'
  readonly work: string
  readonly turn: number
  readonly budget: Budget
}

export interface AeadMeasurement {
  readonly type: 'aead'
  readonly primitive: string
  readonly direction: Direction
  readonly size: number
  readonly budget: Budget
}

const FILL_SECRETS = 1000
const FILL_BYTES: number = 16 * 1024 * 1024

async function perform(task: Task): Promise<Outcome> {
  if (task.type === 'aead') return measureAead(task.primitive, task.direction, task.size, task.budget)
  if (task.type === 'measure') return measure(task)
  const contender = await entryOf(task.contender).load()
  if (task.type === 'fill') await fill(contender, task)
  else await contender.prove?.()
  return {}
}

async function measure(task: Measurement): Promise<Outcome> {
  const work = WORKS.find(({ name, variant = 'plain' }) => name === task.work && variant === task.variant)
  if (work === undefined) throw new Error(`${task.work}: expected a work, got none of that name`)
  const entry = entryOf(task.contender)
  let loading: Promise<Contender> | undefined
  const load = (): Promise<Contender> => {
    loading ??= entry.load()
    return loading
  }
  const run = task.contender === FLOOR ? work.floor : work.run
  if (run === undefined) throw new Error(`${task.work}: expected work for the floor, got none`)
  return run({
    secrets: new Secrets(task.size, task.payloadBytes, task.variant),
    variant: task.variant,
    budget: task.budget,
    // Another one each turn, the same for all contenders.
    random: randomFrom(task.turn + 100),
    turn: task.turn,
    load,
    open: async (opening: Opening = {}) => (await load()).open(task.directory, opening),
  })
}

async function fill(contender: Contender, { directory, size, payloadBytes, variant }: Filling): Promise<void> {
  const secrets = new Secrets(size, payloadBytes, variant)
  const store = await contender.open(directory, {})
  const together = Math.max(1, Math.min(FILL_SECRETS, Math.floor(FILL_BYTES / payloadBytes)))
  for (let start = 0; start < size; start += together) {
    const count = Math.min(together, size - start)
    await store.batch(Array.from({ length: count }, (_, offset) => secrets.secret(start + offset)))
  }
  await store.settle?.()
  await store.close()
}

const outcome = await perform(JSON.parse(process.argv[2] ?? '') as Task)
// Some libraries keep a process running that has closed them.
process.stdout.write(JSON.stringify(outcome), () => process.exit(0))
