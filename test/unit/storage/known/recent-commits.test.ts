import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RecentCommits } from '../../../../src/storage/known/recent-commits'

/** One commit after the other, begun and durable. */
function committed(commits: RecentCommits, ...touched: readonly (readonly string[])[]): void {
  for (const keys of touched) {
    commits.begin(keys)
    commits.settle()
  }
}

describe('what the last commits have touched', () => {
  test('is nothing at first, and nothing since the last one', () => {
    const commits = new RecentCommits()
    expect(commits.haveTouched(commits.moment, '', '\xff')).toBe(false)
    committed(commits, ['a'], ['b'])
    expect(commits.haveTouched(commits.moment, '', '\xff')).toBe(false)
  })

  test('is what lies from one key to below another, or is the first of them', () => {
    const commits = new RecentCommits()
    const moment = commits.moment
    committed(commits, ['b', 'd'])
    for (const [gte, lt, isTouched] of [
      ['a', 'b', false],
      ['a', 'b\0', true],
      ['b', 'b', true],
      ['b', 'b\0', true],
      ['b\0', 'd', false],
      ['c', 'c', false],
      ['c', 'z', true],
      ['d', 'a', true],
      ['d\0', 'z', false],
    ] as const) {
      expect([gte, lt, commits.haveTouched(moment, gte, lt)]).toEqual([gte, lt, isTouched])
    }
  })

  test('counts from the moment on, and no commit before it', () => {
    const commits = new RecentCommits()
    const moments: number[] = []
    for (const key of ['a', 'b', 'c']) {
      moments.push(commits.moment)
      committed(commits, [key])
    }
    const touchedSince = moments.map((moment) => ['a', 'b', 'c'].filter((key) => commits.haveTouched(moment, key, key)))
    expect(touchedSince).toEqual([['a', 'b', 'c'], ['b', 'c'], ['c']])
  })

  test('is also what one that is under way touches, to whoever began before it and to whoever begins beside it', () => {
    const commits = new RecentCommits()
    const before = commits.moment
    commits.begin(['a'])
    expect([commits.isUnderWay('a'), commits.isUnderWay('b')]).toEqual([true, false])
    // Nobody can say on which side of it a read is.
    for (const moment of [before, commits.moment]) {
      expect([commits.haveTouched(moment, 'a', 'a'), commits.haveTouched(moment, 'b', 'b')]).toEqual([true, false])
    }
    commits.settle()
    expect(commits.isUnderWay('a')).toBe(false)
    expect(commits.haveTouched(before, 'a', 'a')).toBe(true)
    expect(commits.haveTouched(commits.moment, 'a', 'a')).toBe(false)
  })

  test('stays untold of one that never settles, until another has', () => {
    const commits = new RecentCommits()
    commits.begin(['a'])
    commits.begin(['b'])
    expect([commits.isUnderWay('a'), commits.isUnderWay('b')]).toEqual([false, true])
    expect(commits.haveTouched(commits.moment, 'a', 'a')).toBe(true)
    commits.settle()
    expect(commits.haveTouched(commits.moment, 'a', 'a')).toBe(false)
  })

  test('is everything after a commit of which nothing is known, and nothing to whoever begins after it', () => {
    const commits = new RecentCommits()
    committed(commits, ['a'])
    const before = commits.moment
    commits.begin(['b'])
    commits.overtake()
    expect(commits.isUnderWay('b')).toBe(false)
    for (const key of ['a', 'b', 'never']) expect(commits.haveTouched(before, key, key)).toBe(true)
    expect(commits.moment).toBeGreaterThan(before)
    expect(commits.haveTouched(commits.moment, '', '\xff')).toBe(false)
    const after = commits.moment
    committed(commits, ['c'])
    expect([commits.haveTouched(after, 'c', 'c'), commits.haveTouched(after, 'a', 'a')]).toEqual([true, false])
    expect(commits.haveTouched(before, 'never', 'never')).toBe(true)
  })

  test.each([
    ['64 commits are remembered', 64, 1, false],
    ['of 65 the first is not, and may have touched everything', 65, 1, true],
    ['ten thousand keys are remembered', 10, 1000, false],
    ['of more the first commits are not', 11, 1000, true],
    ['of the last one all are, however many', 1, 20_000, false],
    ['of two that large the first is not', 2, 20_000, true],
  ])('%s', (_, count, keys, isAnything) => {
    const commits = new RecentCommits()
    const moment = commits.moment
    const keysOf = (n: number): string[] => Array.from({ length: keys }, (_, k) => `${n} ${k}`)
    for (let n = 0; n < count; n++) committed(commits, keysOf(n))
    expect(commits.haveTouched(moment, 'never', 'never')).toBe(isAnything)
    expect(commits.haveTouched(moment, `${count - 1} 0`, `${count - 1} 0`)).toBe(true)
    expect(commits.haveTouched(commits.moment, 'never', 'never')).toBe(false)
  })

  test('is never too little, whatever happens in whichever order', () => {
    const key = fc.constantFrom('a', 'b', 'b\0', 'c')
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ type: fc.constant('begin' as const), keys: fc.array(key, { maxLength: 3 }) }),
      },
      { weight: 3, arbitrary: fc.constant({ type: 'settle' as const }) },
      { weight: 1, arbitrary: fc.constant({ type: 'overtake' as const }) },
      { weight: 3, arbitrary: fc.constant({ type: 'look' as const }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), key, key, (steps, gte, lt) => {
        const commits = new RecentCommits()
        /** What each look must be told of at the least. */
        const looks: { readonly moment: number; readonly touched: Set<string>; everything: boolean }[] = []
        let underWay: readonly string[] = []
        for (const one of steps) {
          if (one.type === 'begin') {
            underWay = [...underWay, ...one.keys]
            commits.begin(one.keys)
            for (const look of looks) for (const touched of one.keys) look.touched.add(touched)
          } else if (one.type === 'settle') {
            underWay = []
            commits.settle()
          } else if (one.type === 'overtake') {
            underWay = []
            commits.overtake()
            for (const look of looks) look.everything = true
          } else looks.push({ moment: commits.moment, touched: new Set(underWay), everything: false })
          for (const { moment, touched, everything } of looks) {
            const isTouched = [...touched].some((other) => other === gte || (other > gte && other < lt))
            expect(commits.haveTouched(moment, gte, lt)).toBe(everything || isTouched)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
