import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { campaign, conclude, progressOf, times } from '../support/campaign'
import { startChild } from '../support/programs'
import type { Measures, Report, Soak } from '../support/programs/soaker'
import { temporaryDirectory } from '../support/stores'

const STRETCHES: number = times(9, 360)
const STEPS_OF_STRETCH: number = times(120, 1500)

/** What may be more in the last third than in the second: a share of it, and so much besides. */
const TOLERANCES: Readonly<Record<keyof Measures, { readonly share: number; readonly besides: number }>> = {
  heapBytes: { share: 0.05, besides: times(2e6, 1e6) },
  // The allocator keeps some of what it was given back, in steps.
  residentBytes: { share: 0.1, besides: times(30e6, 15e6) },
  externalBytes: { share: 0.1, besides: 4e6 },
  // Measured right after a compaction; how much is in the store at that moment differs.
  directoryBytes: { share: 0.3, besides: 500_000 },
  files: { share: 0, besides: 3 },
  descriptors: { share: 0, besides: 3 },
  resources: { share: 0, besides: 1 },
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number
}

/** Where the last third of a run takes up more than the second, beyond what is tolerated. */
function growth(measures: readonly Measures[]): string[] {
  const third = Math.floor(measures.length / 3)
  return (Object.keys(TOLERANCES) as (keyof Measures)[]).flatMap((what) => {
    const of = (part: readonly Measures[]): number => median(part.map((each) => each[what] ?? 0))
    const [second, last] = [of(measures.slice(third, 2 * third)), of(measures.slice(2 * third))]
    const { share, besides } = TOLERANCES[what]
    return last > second * (1 + share) + besides ? [`${what}: ${second} in the second third, ${last} in the last`] : []
  })
}

test('what grows is found', () => {
  const flat: Measures = {
    heapBytes: 10e6,
    residentBytes: 80e6,
    externalBytes: 3e6,
    directoryBytes: 1e6,
    files: 9,
    descriptors: 30,
    resources: 2,
  }
  const run = Array.from({ length: 30 }, () => flat)
  expect(growth(run)).toEqual([])
  for (const [what, { share, besides }] of Object.entries(TOLERANCES)) {
    const step = (flat[what as keyof Measures] as number) * share + besides
    const leaking = run.map((each, index) => ({
      ...each,
      [what]: (each[what as keyof Measures] as number) + (step * index) / 5,
    }))
    expect(growth(leaking), what).toHaveLength(1)
  }
})

test('a long life takes up no more in its last third than in the second, and leaves nothing behind', {
  timeout: 3 * 3_600_000,
}, async () => {
  await campaign('campaigns/soak.test.ts', async (_, seed) => {
    const location = join(await temporaryDirectory(), 'secrets')
    const soak: Soak = { location, seed, stretches: STRETCHES, stepsOfStretch: STEPS_OF_STRETCH }
    const child = startChild('soaker', ['soak', JSON.stringify(soak)], { nodeArgs: ['--expose-gc'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const measures: Measures[] = []
    let ended: Extract<Report, { ended: unknown }>['ended'] | undefined
    const wrong: string[] = []
    const progress = progressOf('soak')
    child.on('message', (message) => {
      const report = message as Report
      if ('measured' in report) progress(measures.push(report.measured), STRETCHES)
      else if ('ended' in report) ended = report.ended
      else wrong.push(report.wrong)
    })
    // With nothing left to do it ends by itself, or the store has left something that keeps it alive.
    const [code] = await once(child, 'exit')
    expect(wrong).toEqual([])
    expect(code).toBe(0)
    expect(measures).toHaveLength(STRETCHES)
    if (ended === undefined) throw new Error('soak: expected the child to come to its end, got none')
    const { before, after, counts } = ended
    if (after.descriptors === undefined) console.warn('skipped: open descriptors, which this system does not tell')
    const last = measures.at(-1) as Measures
    conclude('soak', {
      ...counts,
      'MB of heap at the end': (last.heapBytes / 1e6).toFixed(1),
      'MB resident': (last.residentBytes / 1e6).toFixed(1),
      'kB of directory': Math.round(last.directoryBytes / 1000),
      files: last.files,
      'descriptors while open': last.descriptors ?? '?',
      'descriptors before and after': `${before.descriptors ?? '?'}/${after.descriptors ?? '?'}`,
    })
    expect(growth(measures)).toEqual([])
    expect(after.descriptors).toBe(before.descriptors)
    expect(after.resources).toBeLessThanOrEqual(before.resources)
  })
})
