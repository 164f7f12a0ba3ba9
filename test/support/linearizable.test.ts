import { describe, expect, test } from 'vitest'
import {
  linearize,
  type Model,
  type Operation,
  type SecretAnswer,
  type SecretCall,
  type SecretOperation,
  type Secrets,
  type SetStep,
  type Shown,
  secretsModel,
} from './linearizable'

/** One number that is written and read. */
type RegisterCall = { readonly write: number } | 'read'

const register: Model<number, RegisterCall, number | undefined> = {
  describe: String,
  apply(state, { call, outcome }) {
    if (call !== 'read') return outcome !== undefined && 'refused' in outcome ? state : call.write
    return outcome === undefined || ('value' in outcome && outcome.value === state) ? state : undefined
  },
}

function write(invoked: number, answered: number, value: number): Operation<RegisterCall, number | undefined> {
  return {
    call: { write: value },
    invoked,
    answered,
    outcome: answered === Number.POSITIVE_INFINITY ? undefined : { value: undefined },
  }
}

function read(invoked: number, answered: number, value: number): Operation<RegisterCall, number | undefined> {
  return { call: 'read', invoked, answered, outcome: { value } }
}

function failed(invoked: number, answered: number, value: number): Operation<RegisterCall, number | undefined> {
  return { call: { write: value }, invoked, answered, outcome: { refused: 'TypeError' } }
}

function isLinearizable<S, C, A>(model: Model<S, C, A>, initial: S, history: readonly Operation<C, A>[]): boolean {
  return 'order' in linearize(model, initial, history)
}

describe('a register', () => {
  test.each([
    ['nothing', []],
    ['one after the other', [write(1, 2, 1), read(3, 4, 1), write(5, 6, 2), read(7, 8, 2)]],
    ['a read beside a write, of what it writes', [write(1, 4, 1), read(2, 3, 1)]],
    ['a read beside a write, of what was before', [write(1, 4, 1), read(2, 3, 0)]],
    ['two writes at once, in the order of their answers', [write(1, 3, 1), write(2, 4, 2), read(5, 6, 2)]],
    ['two writes at once, in the other order', [write(1, 3, 1), write(2, 4, 2), read(5, 6, 1)]],
    ['a write that was never answered, and happened', [write(1, Number.POSITIVE_INFINITY, 1), read(2, 3, 1)]],
    ['a write that was never answered, and did not', [write(1, Number.POSITIVE_INFINITY, 1), read(2, 3, 0)]],
    [
      'a write that was never answered, and happened late',
      [write(1, Number.POSITIVE_INFINITY, 1), read(2, 3, 0), read(4, 5, 1)],
    ],
    ['a write that failed, and was not seen', [failed(1, 2, 1), read(3, 4, 0)]],
  ])('is right: %s', (_, history) => {
    expect(isLinearizable(register, 0, history)).toBe(true)
  })

  test.each([
    ['a stale read', [write(1, 2, 1), read(3, 4, 0)]],
    ['a read of the future', [read(1, 2, 1), write(3, 4, 1)]],
    ['a read of a write that failed', [failed(1, 2, 1), read(3, 4, 1)]],
    ['a read of what was never written', [write(1, 2, 1), read(3, 4, 5)]],
    ['a write that was lost', [write(1, 2, 1), write(3, 4, 2), read(5, 6, 1)]],
    ['new, then old, while a write is under way', [write(1, 10, 1), read(2, 3, 1), read(4, 5, 0)]],
    [
      'a write that was never answered, seen and unseen again',
      [write(1, Number.POSITIVE_INFINITY, 1), read(2, 3, 1), read(4, 5, 0)],
    ],
    [
      'two readers who see two writes in two orders',
      [write(1, 20, 1), write(2, 21, 2), read(3, 4, 1), read(5, 6, 2), read(7, 8, 1)],
    ],
  ])('is wrong: %s', (_, history) => {
    expect(isLinearizable(register, 0, history)).toBe(false)
  })

  test('it says how far it came, and with what it could not go on', () => {
    const stale = read(3, 4, 0)
    expect(linearize(register, 0, [write(1, 2, 1), stale])).toEqual({ longest: [write(1, 2, 1)], stuck: [stale] })
  })

  test('all orders of twelve writes at once are told from one another by the reads behind them, in no time', () => {
    const writes = Array.from({ length: 12 }, (_, index) => write(index, 100 + index, index + 1))
    expect(isLinearizable(register, 0, [...writes, read(200, 201, 7)])).toBe(true)
    expect(isLinearizable(register, 0, [...writes, read(200, 201, 13)])).toBe(false)
  })
})

const NOW = 1000
const EMPTY: Secrets = { now: NOW, entries: new Map() }

/** What a caller sees of one secret. */
function shown(id: string, rest: Partial<Shown> = {}): Shown {
  return { id, created: NOW, expires_at: null, ...rest }
}

function of(
  [invoked, answered]: readonly [number, number],
  call: SecretCall,
  value: SecretAnswer,
  calledAt: number = NOW,
  answeredAt: number = calledAt,
): SecretOperation {
  return { call, invoked, answered, outcome: { value }, calledAt, answeredAt }
}

function setOf(name: string, payload: string, expires_at: number | null = null): SetStep {
  return { verb: 'set', name, payload, expires_at }
}

function tick(at: number, now: number): SecretOperation {
  return of([at, at], { verb: 'tick', now }, undefined)
}

const get = (name: string): SecretCall => ({ verb: 'get', name })
const find = (name: string): SecretCall => ({ verb: 'find', name })
const remove = (name: string): SecretCall => ({ verb: 'delete', name })
const both: SecretCall = { verb: 'batch', steps: [setOf('a', '1'), setOf('b', '1')] }
const refused: SetStep = { ...setOf('a', 'bytes'), isRefused: true }

/** Each with what must be wrong with it for it to be wrong. */
const HISTORIES: readonly (readonly [string, boolean, readonly SecretOperation[]])[] = [
  ['set, then read', true, [of([1, 2], setOf('a', '1'), shown('x')), of([3, 4], get('a'), '1')]],
  ['a stale read', false, [of([1, 2], setOf('a', '1'), shown('x')), of([3, 4], get('a'), undefined)]],
  ['a read of the future', false, [of([1, 2], get('a'), '1'), of([3, 4], setOf('a', '1'), shown('x'))]],
  [
    'a lost update',
    false,
    [
      of([1, 2], setOf('a', '1'), shown('x')),
      of([3, 4], setOf('a', '2'), shown('x')),
      of([5, 6], find('a'), shown('x', { payload: '1' })),
    ],
  ],
  [
    'a replacement with another id',
    false,
    [of([1, 2], setOf('a', '1'), shown('x')), of([3, 4], setOf('a', '2'), shown('y'))],
  ],
  ['two secrets of one id', false, [of([1, 2], setOf('a', '1'), shown('x')), of([3, 4], setOf('b', '2'), shown('x'))]],
  [
    'created at a time that was not during the call',
    false,
    [of([1, 2], setOf('a', '1'), shown('x', { created: NOW - 1 }))],
  ],
  ['a batch', true, [of([1, 2], both, [shown('x'), shown('y')]), of([3, 4], get('b'), '1'), of([5, 6], get('a'), '1')]],
  [
    'half of a batch, while it is under way, then none of it',
    false,
    [of([1, 10], both, [shown('x'), shown('y')]), of([2, 3], get('a'), '1'), of([4, 5], get('b'), undefined)],
  ],
  [
    'a page with half of a batch',
    false,
    [of([1, 10], both, [shown('x'), shown('y')]), of([2, 3], { verb: 'list' }, new Map([['b', shown('y')]]))],
  ],
  [
    'a page with all of a batch under way',
    true,
    [
      of([1, 10], both, [shown('x'), shown('y')]),
      of(
        [2, 3],
        { verb: 'list' },
        new Map([
          ['a', shown('x')],
          ['b', shown('y')],
        ]),
      ),
    ],
  ],
  [
    'a page that mixes two times',
    false,
    [
      of([1, 2], setOf('a', '1'), shown('x')),
      of([4, 5], remove('a'), shown('x')),
      of([6, 7], setOf('b', '1'), shown('y')),
      of(
        [3, 8],
        { verb: 'list' },
        new Map([
          ['a', shown('x')],
          ['b', shown('y')],
        ]),
      ),
    ],
  ],
  [
    'a set that was refused, and left nothing',
    true,
    [{ ...of([1, 2], refused, undefined), outcome: { refused: 'TypeError' } }, of([3, 4], get('a'), undefined)],
  ],
  [
    'a read of a set that was refused',
    false,
    [{ ...of([1, 2], refused, undefined), outcome: { refused: 'TypeError' } }, of([3, 4], get('a'), 'bytes')],
  ],
  ['a set that should have been refused', false, [of([1, 2], refused, shown('x'))]],
  [
    'a set refused for no reason',
    false,
    [{ ...of([1, 2], setOf('a', '1'), undefined), outcome: { refused: 'TypeError' } }],
  ],
  [
    'a batch refused for one of its parts, of which another part is seen',
    false,
    [
      {
        ...of([1, 2], { verb: 'batch', steps: [setOf('b', '1'), refused] }, undefined),
        outcome: { refused: 'TypeError' },
      },
      of([3, 4], get('b'), '1'),
    ],
  ],
  [
    'deleted twice at once, by one',
    true,
    [of([1, 2], setOf('a', '1'), shown('x')), of([3, 5], remove('a'), shown('x')), of([4, 6], remove('a'), undefined)],
  ],
  [
    'deleted twice at once, by both',
    false,
    [of([1, 2], setOf('a', '1'), shown('x')), of([3, 5], remove('a'), shown('x')), of([4, 6], remove('a'), shown('x'))],
  ],
  [
    'read after it was deleted',
    false,
    [of([1, 2], setOf('a', '1'), shown('x')), of([3, 4], remove('a'), shown('x')), of([5, 6], find('a'), shown('x'))],
  ],
  [
    'expired, and gone',
    true,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      tick(3, NOW + 1),
      of([4, 5], get('a'), undefined, NOW + 1),
    ],
  ],
  [
    'expired, and read all the same',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      tick(3, NOW + 1),
      of([4, 5], get('a'), '1', NOW + 1),
    ],
  ],
  [
    'gone before its time',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 2), shown('x', { expires_at: NOW + 2 })),
      tick(3, NOW + 1),
      of([4, 5], get('a'), undefined, NOW + 1),
    ],
  ],
  [
    'replaced before its time, and said to be gone by a read that began before',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      of([4, 5], setOf('a', '2'), shown('x')),
      tick(6, NOW + 1),
      of([3, 7], get('a'), undefined, NOW, NOW + 1),
    ],
  ],
  [
    'a page of a moment before it was replaced, without it, at an answer by which what was there has expired',
    true,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      of([4, 5], setOf('a', '2'), shown('x')),
      tick(6, NOW + 1),
      of([3, 7], { verb: 'list', expiresByAnswer: true }, new Map(), NOW, NOW + 1),
    ],
  ],
  [
    'the same page, of one moment and its clock',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      of([4, 5], setOf('a', '2'), shown('x')),
      tick(6, NOW + 1),
      of([3, 7], { verb: 'list' }, new Map(), NOW, NOW + 1),
    ],
  ],
  [
    'the same page, at an answer by which it has not',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 2), shown('x', { expires_at: NOW + 2 })),
      of([4, 5], setOf('b', '1'), shown('y')),
      tick(6, NOW + 1),
      of([3, 7], { verb: 'list', expiresByAnswer: true }, new Map(), NOW, NOW + 1),
    ],
  ],
  [
    'replaced at its time, seen before that is durable',
    true,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      tick(4, NOW + 1),
      of([5, 6], get('a'), undefined, NOW + 1),
      of([3, 7], setOf('a', '2'), shown('x')),
      of([8, 9], get('a'), '2', NOW + 1),
    ],
  ],
  [
    'a new one in place of the expired',
    true,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      tick(3, NOW + 1),
      of([4, 5], setOf('a', '2'), shown('y', { created: NOW + 1 }), NOW + 1),
    ],
  ],
  [
    'an expired one that goes on under its id',
    false,
    [
      of([1, 2], setOf('a', '1', NOW + 1), shown('x', { expires_at: NOW + 1 })),
      tick(3, NOW + 1),
      of([4, 5], setOf('a', '2'), shown('x'), NOW + 1),
    ],
  ],
]

test.each(HISTORIES)('secrets: %s: %s', (_, isRight, history) => {
  expect(isLinearizable(secretsModel, EMPTY, history)).toBe(isRight)
})
