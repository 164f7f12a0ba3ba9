import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { account, type Scope, user } from '../../src/index'
import { campaign, conclude, type Draws, progressOf, times } from '../support/campaign'
import { startChild } from '../support/programs'
import { isCoded, type Observation, type State } from '../support/programs/observation'
import type { Broken, Damage, Outcome, Rot, RotTask } from '../support/programs/rotter'
import { copyStore, filesOf, openStore, temporaryDirectory, testKey } from '../support/stores'

/** Of each sort of damage; in the long run everything that there is to be tried, up to so much. */
const EACH: number = times(45, 20_000)
const ROTTERS = 2
const SCOPES: Readonly<Record<string, Scope>> = { account, user: user('usr_1') }
const NAMES = 14
const STEPS = 11
const SECTORS_BYTES = [512, 4096]
const TRUNCATION_BYTES = 64

/** A copy of the store while it was open, with nothing under way. */
interface Picture {
  /** After so many changes. */
  readonly states: number
  readonly minimum: string
  /** By path. */
  readonly bytes: ReadonlyMap<string, number>
}

interface Life {
  readonly states: readonly State[]
  readonly pictures: readonly Picture[]
  readonly targets: RotTask['targets']
}

/** The life of one store: writes, compactions, rotations, changes of keys, reopenings, with a picture after each. */
async function live(location: string, directory: string, draws: Draws): Promise<Life> {
  let store = await openStore(location)
  const states: State[] = [{}]
  const pictures: Picture[] = []
  const targets: Record<string, { readonly scope: Scope; readonly name: string }> = {}
  for (let index = 0; index < NAMES; index++) {
    const scope = index % 3 === 0 ? 'user' : 'account'
    targets[`${scope} ${index}`] = { scope: SCOPES[scope] as Scope, name: `name ${index}` }
  }
  const labels = Object.keys(targets)
  const write = async (): Promise<void> => {
    const label = draws.pick(labels)
    const target = targets[label] as { readonly scope: Scope; readonly name: string }
    const { [label]: previous, ...others } = states.at(-1) as State
    if (previous !== undefined && draws.below(4) === 0) {
      await store.delete(target)
      states.push(others)
      return
    }
    const payload = `${states.length}`.padEnd(draws.pick([1, 300, 1500, 9000]), '.')
    await store.set({ ...target, payload })
    states.push({ ...others, [label]: Buffer.from(payload).toString('base64') })
  }
  const writeMany = async (): Promise<void> => {
    for (let count = 3 + draws.below(12); count > 0; count--) await write()
  }
  const steps: readonly (() => Promise<unknown>)[] = [
    writeMany,
    writeMany,
    () => store.compact(),
    () => store.rotate(),
    () => store.addKey(testKey(100 + draws.below(100))),
    async () => {
      await store.close()
      store = await openStore(location)
      await write()
    },
  ]
  await writeMany()
  for (let step = 0; step < STEPS; step++) {
    await (step < steps.length ? (steps[step] as () => Promise<unknown>) : draws.pick(steps))()
    // Where the last sector of a log is without a successor.
    if (draws.below(2) === 0) await write()
    const picture = join(directory, `${pictures.length}`)
    await copyStore(location, picture)
    const bytes = new Map([...(await filesOf(picture))].map(([path, content]) => [path, content.length]))
    pictures.push({ states: states.length, minimum: await store.checkpoint(), bytes })
  }
  await store.close()
  return { states, pictures, targets }
}

/** Files of a sort, which are exchanged together. */
const SORTS: readonly ((path: string) => boolean)[] = [
  (path) => path === 'keyring.json',
  (path) => path === 'data/CURRENT',
  (path) => path.startsWith('data/MANIFEST'),
  (path) => path.endsWith('.log'),
  (path) => path.endsWith('.ldb'),
]

/** Each sort of damage, and all there is of it. LOG is not read by the store but for a hint, and not worth the time. */
function* every({ pictures }: Life, draws: Draws): Generator<[string, readonly Rot[]]> {
  const rots = (
    of: (files: readonly (readonly [string, number])[], picture: number) => readonly (readonly Damage[])[],
  ) =>
    pictures.flatMap(({ minimum, bytes }, picture) =>
      of(
        [...bytes].filter(([path, length]) => length > 0 && !/LOG(\.old)?$/.test(path)),
        picture,
      ).map((damages): Rot => ({ picture, damages, minimum })),
    )
  const sectors = (seed: () => number | null): readonly Rot[] =>
    rots((files) =>
      SECTORS_BYTES.flatMap((bytes) =>
        files.flatMap(([path, length]) =>
          Array.from({ length: Math.ceil(length / bytes) }, (_, sector): readonly Damage[] => [
            { kind: 'fill', path, offset: sector * bytes, bytes, seed: seed() },
          ]),
        ),
      ),
    )
  yield ['sectors zeroed', sectors(() => null)]
  yield ['sectors of noise', sectors(() => draws.below(2 ** 32))]
  yield [
    'files cut short',
    rots((files) =>
      files.flatMap(([path, length]) =>
        Array.from({ length: Math.ceil(length / TRUNCATION_BYTES) }, (_, at): readonly Damage[] => [
          { kind: 'truncate', path, bytes: at * TRUNCATION_BYTES },
        ]),
      ),
    ),
  ]
  yield ['files deleted', rots((files) => files.map(([path]): readonly Damage[] => [{ kind: 'delete', path }]))]
  yield [
    'two files exchanged',
    rots((files) =>
      files.flatMap(([path], index) =>
        files.slice(index + 1).map(([other]): readonly Damage[] => [{ kind: 'swap', path, other }]),
      ),
    ),
  ]
  yield ['older files', rots((_, picture) => exchanges(pictures, picture))]
  yield [
    'several damages at once',
    rots((files) =>
      Array.from({ length: 3 * EACH }, () =>
        Array.from({ length: 2 + draws.below(4) }, () => drawDamage(files, draws, pictures.length)),
      ),
    ),
  ]
}

/** Files of every combination of sorts as they are in each other picture, older or newer. */
function exchanges(pictures: readonly Picture[], picture: number): (readonly Damage[])[] {
  return pictures.flatMap(({ bytes }, other) => {
    if (other === picture) return []
    const paths = [...new Set([...bytes.keys(), ...(pictures[picture] as Picture).bytes.keys()])]
    return Array.from({ length: 2 ** SORTS.length - 1 }, (_, sorts) =>
      paths
        .filter((path) => SORTS.some((isOf, sort) => ((sorts + 1) & (1 << sort)) !== 0 && isOf(path)))
        .map((path): Damage => ({ kind: 'exchange', path, picture: other })),
    )
  })
}

function drawDamage(files: readonly (readonly [string, number])[], draws: Draws, pictures: number): Damage {
  const [path, length] = draws.pick(files)
  const offset = draws.below(length)
  const kind = draws.below(12)
  if (kind < 5) return { kind: 'flip', path, offset, mask: 1 + draws.below(255) }
  if (kind < 8) {
    const bytes = draws.pick(SECTORS_BYTES)
    const seed = draws.below(2) === 0 ? null : draws.below(2 ** 32)
    return { kind: 'fill', path, offset: offset - (offset % bytes), bytes, seed }
  }
  if (kind < 10) return { kind: 'truncate', path, bytes: offset }
  if (kind < 11) return { kind: 'exchange', path, picture: draws.below(pictures) }
  return { kind: 'swap', path, other: draws.pick(files)[0] }
}

/**
 * What no reader may ever be shown.
 *
 * @param whole - The states in which the store may say that it is whole.
 * @param ever - All that there ever were: a store that knows itself to be damaged may still have values of those.
 */
function fault(
  { opening, readings, lists, verified }: Observation,
  whole: readonly State[],
  ever: readonly State[],
): string | undefined {
  if (opening !== 'opened') return isCoded(opening) ? undefined : opening
  const errors = [
    ...Object.values(readings).flatMap((reading) => ('error' in reading ? [reading.error] : [])),
    ...Object.values(lists).flatMap((list) => (typeof list === 'string' ? [list] : [])),
    ...(typeof verified === 'string' ? [verified] : []),
  ]
  const uncoded = errors.find((error) => !isCoded(error))
  if (uncoded !== undefined) return uncoded
  for (const [label, reading] of Object.entries(readings)) {
    if ('payload' in reading && !ever.some((state) => state[label] === reading.payload)) {
      return `a value that '${label}' never had`
    }
  }
  if (verified !== true) return undefined
  const state = whole.find((each) =>
    Object.entries(readings).every(
      ([label, reading]) => each[label] === ('payload' in reading ? reading.payload : undefined),
    ),
  )
  if (Object.values(readings).some((reading) => 'error' in reading)) return 'says that it is whole, but does not read'
  if (state === undefined) return 'says that it is whole, in a state that it may not be in'
  for (const scope of Object.keys(SCOPES)) {
    const names = Object.keys(state).flatMap((label) =>
      label.startsWith(`${scope} `) ? [`name ${label.split(' ')[1]}`] : [],
    )
    if (JSON.stringify(names.sort()) !== JSON.stringify(lists[scope]))
      return 'says that it is whole, but lists otherwise'
  }
  return undefined
}

/** With a newer file among the damaged ones the newest state of all may be put together; older ones may not. */
function faultOf(
  { picture, damages }: Rot,
  { anchored, unanchored }: Outcome,
  { states, pictures }: Life,
): string | undefined {
  const { states: count } = pictures[picture] as Picture
  const newest = Math.max(
    count,
    ...damages.flatMap((each) => (each.kind === 'exchange' ? [(pictures[each.picture] as Picture).states] : [])),
  )
  const since = states.slice(count - 1, newest)
  const withMinimum = fault(anchored, since, states)
  if (withMinimum !== undefined) return `with the last checkpoint: ${withMinimum}`
  const without = fault(unanchored, states, states)
  return without === undefined ? undefined : `without a checkpoint: ${without}`
}

/** Has a child look at one copy after the other; it is replaced when one takes it down. */
async function* rotAll(task: RotTask, rots: readonly Rot[]): AsyncGenerator<[Rot, Outcome | 'abort']> {
  const begin = (): ChildProcess => startChild('rotter', ['rot', JSON.stringify(task)])
  let child = begin()
  onTestFinished(() => void child.kill('SIGKILL'))
  for (const rot of rots) {
    const outcome = await new Promise<Outcome | 'abort'>((resolve, reject) => {
      const ended = (): void => resolve('abort')
      child.once('exit', ended)
      child.once('message', (message) => {
        child.off('exit', ended)
        const told = message as Outcome | Broken
        if ('broken' in told) reject(new Error(`${JSON.stringify(rot)}: ${told.broken}`))
        else resolve(told)
      })
      child.send(rot)
    })
    yield [rot, outcome]
    if (outcome === 'abort') child = begin()
  }
  child.kill('SIGKILL')
}

/** So many of them, all over. */
function some(rots: readonly Rot[], draws: Draws): readonly Rot[] {
  return rots.length <= EACH ? rots : Array.from({ length: EACH }, () => draws.pick(rots))
}

test('damage to any of the files together is never a wrong value, and never an unnoticed miss', {
  timeout: 3 * 3_600_000,
}, async () => {
  await campaign('campaigns/bit-rot.test.ts', async (draws, seed) => {
    const directory = await temporaryDirectory()
    const pictures = join(directory, 'pictures')
    const life = await live(join(directory, 'original'), pictures, draws)
    const rots = [...every(life, draws)].flatMap(([sort, all]) => some(all, draws).map((rot) => ({ sort, rot })))
    const counts = new Map<string, number>()
    const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
    const faults: string[] = []
    const progress = progressOf('bit rot')
    let done = 0
    await Promise.all(
      Array.from({ length: ROTTERS }, async (_, rotter) => {
        const task = { pictures, scratch: join(directory, `copy-${rotter}`), targets: life.targets, scopes: SCOPES }
        const share = rots.filter((_, index) => index % ROTTERS === rotter).map(({ rot }) => rot)
        for await (const [rot, outcome] of rotAll(task, share)) {
          progress(done++, rots.length)
          if (outcome === 'abort') {
            count('processes aborted')
            continue
          }
          const found = faultOf(rot, outcome, life)
          if (found !== undefined) faults.push(`seed ${seed}, ${JSON.stringify(rot)}: ${found}`)
          const { opening, verified } = outcome.anchored
          count(opening === 'opened' ? (verified === true ? 'unharmed' : 'reported by verify') : `refused: ${opening}`)
        }
      }),
    )
    expect(faults.slice(0, 20)).toEqual([])
    conclude('bit rot', {
      pictures: life.pictures.length,
      'damaged copies': rots.length,
      ...Object.fromEntries(counts),
    })
    expect(counts.get('refused: ERR_CORRUPT')).toBeGreaterThan(0)
  })
})
