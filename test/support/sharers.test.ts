import { expect, test } from 'vitest'
import { wrongEvents } from './sharers'

/** Two that listen; the first has set three secrets of its own, the second one. */
function heard(first: readonly string[], second: readonly string[]): string[] {
  return wrongEvents([
    { number: 0, acknowledged: [1, 2, 3], heard: [...first] },
    { number: 1, acknowledged: [1], heard: [...second] },
  ])
}

test('events that come once and in one order are right, also where a gap is told', () => {
  expect(heard(['0:1', '0:2', '1:1', '0:3'], ['0:1', '0:2', '1:1', '0:3'])).toEqual([])
  expect(heard(['0:1', '0:2', '1:1', '0:3'], ['0:1', 'gap', '0:3'])).toEqual([])
  // It came later.
  expect(heard(['0:1', '0:2', '0:3'], ['0:3', '1:1'])).toEqual([])
})

test('events that are missing, come twice or in another order are wrong', () => {
  expect(heard(['0:1', '0:3'], [])).toEqual(['sharer 0 missed 0:2 without a gap'])
  expect(heard(['0:1', '0:1'], [])[0]).toBe('sharer 0 heard something twice')
  expect(heard(['0:2', '0:1'], [])).toEqual(['sharer 0 heard 0:1 after 2'])
  expect(heard(['0:1', '1:1'], ['1:1', '0:1'])).toEqual(['sharers 0 and 1 heard 0:1 in different order'])
})
