import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { atLength } from '../../support/lengths'
import { NAMES, type Reply, START_MS, World } from './world'

const RUNS: number = atLength(60, 300)
const STEPS = 60

type Step =
  | { readonly type: 'get'; readonly name: (typeof NAMES)[number]; readonly times: number; readonly abortMs?: number }
  | { readonly type: 'invalidate'; readonly name: (typeof NAMES)[number] }
  | { readonly type: 'mode'; readonly mode: Reply | 'hang' }
  | { readonly type: 'reply'; readonly choice: number; readonly reply: Reply }
  | { readonly type: 'pass'; readonly ms: number }
  | { readonly type: 'set clock'; readonly ms: number }
  | { readonly type: 'restart' | 'kill'; readonly thenSetBackMs: number }

const name = fc.constantFrom(...NAMES)
const reply = fc.constantFrom<Reply>('value', 'value', 'expiring', 'none', 'failure')
const steps = (clocks: boolean): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof<fc.WeightedArbitrary<Step>[]>(
      {
        weight: 12,
        arbitrary: fc.record(
          {
            type: fc.constant('get' as const),
            name,
            times: fc.integer({ min: 1, max: 3 }),
            abortMs: fc.integer({ min: 0, max: 6000 }),
          },
          { requiredKeys: ['type', 'name', 'times'] },
        ),
      },
      {
        weight: 10,
        arbitrary: fc.record({
          type: fc.constant('pass' as const),
          ms: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 10, max: 12_000 })),
        }),
      },
      {
        weight: 5,
        arbitrary: fc.record({ type: fc.constant('reply' as const), choice: fc.nat({ max: 9 }), reply }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          type: fc.constant('mode' as const),
          mode: fc.oneof(reply, fc.constant('hang' as const)),
        }),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('invalidate' as const), name }) },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constantFrom('restart' as const, 'kill' as const),
          thenSetBackMs: clocks ? fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20_000 })) : fc.constant(0),
        }),
      },
      {
        weight: clocks ? 2 : 0,
        arbitrary: fc.record({
          type: fc.constant('set clock' as const),
          ms: fc.integer({ min: -20_000, max: 20_000 }),
        }),
      },
    ),
    { minLength: STEPS / 2, maxLength: STEPS, size: 'max' },
  )

async function take(world: World, step: Step): Promise<void> {
  if (step.type === 'get') for (let time = 0; time < step.times; time++) world.get(step.name, step.abortMs)
  else if (step.type === 'invalidate') world.invalidate(step.name)
  else if (step.type === 'mode') world.mode = step.mode
  else if (step.type === 'reply') world.reply(step.choice, step.reply)
  else if (step.type === 'pass') await world.pass(step.ms)
  else if (step.type === 'set clock') world.setWallClock(step.ms)
  else {
    await world[step.type]()
    world.setWallClock(-step.thenSetBackMs)
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: START_MS })
})
afterEach(() => {
  vi.useRealTimers()
})

test.each([
  ['while the clock is right', false],
  ['while the clock is set', true],
])('no answer is older than allowed, and no load begins twice, %s', async (_, clocks) => {
  const total: Record<string, number> = {}
  let runs = 0
  const isSeen = (): boolean => runs > 0 && Object.values(total).every((count) => count > RUNS / 10)
  // Each kind of answer is met by chance: where one is rare among the first runs, more are made.
  while (!isSeen() && runs < 20 * RUNS) {
    await fc.assert(
      fc.asyncProperty(steps(clocks), fc.double({ min: 0, max: 0.99, noNaN: true }), async (taken, jitter) => {
        const world = new World(jitter)
        for (const step of taken) {
          await take(world, step)
          await world.pass(1)
          world.check()
        }
        await world.end()
        world.check()
        for (const [kind, count] of Object.entries(world.answers)) total[kind] = (total[kind] ?? 0) + count
      }),
      { numRuns: RUNS },
    )
    runs += RUNS
  }
  console.info(`${runs} runs: ${JSON.stringify(total)}`)
  for (const [kind, count] of Object.entries(total)) expect(count, kind).toBeGreaterThan(RUNS / 10)
})
