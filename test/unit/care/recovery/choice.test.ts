import { describe, expect, test } from 'vitest'
import { choose, mayBeDeleted, mayBeOlder } from '../../../../src/care/recovery/choice'
import type { Traces, Version } from '../../../../src/care/recovery/traces'

function version(revision: number, sequence?: number, origin: Version['origin'] = 'live'): Version {
  return { revision, sequence, origin }
}

function traces(of: Partial<Traces>): Traces {
  return {
    rowKey: new Uint8Array(),
    versions: [],
    deletedAt: undefined,
    hasUndatedDeletion: false,
    unreadableAt: undefined,
    hasUndatedTrace: false,
    unreadableElements: [],
    ids: [],
    hintedAt: undefined,
    ...of,
  }
}

describe('of the versions of a row', () => {
  test('all stand, the newest first, where nothing was deleted', () => {
    const versions = [version(9, 90), version(3, 30)]
    expect(choose(traces({ versions }))).toEqual({ kind: 'versions', versions })
  })

  test('those before a deletion are deleted', () => {
    expect(choose(traces({ versions: [version(9, 90), version(3, 30)], deletedAt: 91 }))).toEqual({ kind: 'deleted' })
  })

  test('those behind a deletion stand', () => {
    const choice = choose(traces({ versions: [version(9, 90), version(3, 30)], deletedAt: 40 }))
    expect(choice).toEqual({ kind: 'versions', versions: [version(9, 90)] })
  })

  test('one of an unknown time is deleted with a later one', () => {
    const versions = [version(9, 90), version(3)]
    expect(choose(traces({ versions, deletedAt: 91 }))).toEqual({ kind: 'deleted' })
  })

  test('one of an unknown time, later than what was deleted, stands, and may have been deleted', () => {
    const late = version(9)
    const found = traces({ versions: [late, version(3, 30)], deletedAt: 91 })
    expect(choose(found)).toEqual({ kind: 'versions', versions: [late] })
    expect(mayBeDeleted(found, late)).toBe(true)
  })

  test('one in an abandoned file stands, and may have been deleted', () => {
    const abandoned = version(9, 90, 'abandoned')
    const found = traces({ versions: [abandoned] })
    expect(choose(found)).toEqual({ kind: 'versions', versions: [abandoned] })
    expect(mayBeDeleted(found, abandoned)).toBe(true)
    expect(mayBeDeleted(found, version(9, 90, 'unknown'))).toBe(false)
  })
})

describe('a row of which nothing opens', () => {
  test.each([
    ['with a hint that leads to it', { ids: ['appsecret_1'], hintedAt: 5 }, 'lost'],
    ['with a hint in damaged bytes', { ids: ['appsecret_1'] }, 'nothing'],
    ['with a hint and a trace in damaged bytes', { ids: ['appsecret_1'], hasUndatedTrace: true }, 'lost'],
    ['with both, and a deletion', { ids: ['a'], hasUndatedTrace: true, hasUndatedDeletion: true }, 'nothing'],
    ['with a write of it', { unreadableAt: 50 }, 'lost'],
    ['with a write of it behind its deletion', { unreadableAt: 50, deletedAt: 40 }, 'lost'],
    ['with a write of it before its deletion', { unreadableAt: 50, deletedAt: 60 }, 'nothing'],
    ['with a deletion alone', { deletedAt: 60 }, 'nothing'],
    ['with a trace of an unknown time', { hasUndatedTrace: true }, 'nothing'],
  ])('%s', (_, of, kind) => {
    expect(choose(traces(of)).kind).toBe(kind)
  })

  test('is lost where its deleted version was written again', () => {
    expect(choose(traces({ versions: [version(3, 30)], deletedAt: 40, unreadableAt: 50 })).kind).toBe('lost')
  })
})

describe('a version that is kept', () => {
  const kept = version(3, 30)

  test.each([
    ['nothing else was found', {}, false],
    ['something later does not open', { unreadableAt: 50 }, true],
    ['something earlier does not open', { unreadableAt: 20 }, false],
    ['something of an unknown time does not open', { hasUndatedTrace: true }, true],
  ])('may be an older one if %s', (_, of, expected) => {
    expect(mayBeOlder(traces(of), kept)).toBe(expected)
  })

  test('of an unknown time may be an older one if anything does not open', () => {
    expect(mayBeOlder(traces({ unreadableAt: 1 }), version(3))).toBe(true)
  })
})
