import { AEAD_SIZES, DIRECTIONS, type Direction, PRIMITIVE_NAMES } from './aead'
import { CONTENDERS, FLOOR } from './contenders/registry'
import type { Options } from './options'
import type { Place } from './statistics'
import { WORKS } from './work/index'
import { DEFAULT_PAYLOAD_BYTES, type Work } from './work/work'

/** One row: the same work, at one size, for everybody. */
export type Row = StoreRow | AeadRow

export interface StoreRow {
  readonly type: 'store'
  readonly work: Work
  readonly name: string
  readonly size: number
  readonly contenders: readonly string[]
  /** Who is left out, and why. */
  readonly without: ReadonlyMap<string, string>
}

export interface AeadRow {
  readonly type: 'aead'
  readonly name: string
  readonly direction: Direction
  readonly size: number
  readonly contenders: readonly string[]
  readonly without: ReadonlyMap<string, string>
}

const CONF_SECRETS = 1000
const MATRIXAI_SECRETS = 100_000

export const aeadName = (direction: Direction): string => `aead ${direction}`

/** What is to be done, in this order. @param wanted - If given, only these. */
export function scheduleOf(options: Options, wanted?: readonly Place[]): Row[] {
  const isNamed = (name: string): boolean =>
    options.names.length === 0 || options.names.some((part) => name.toLowerCase().includes(part.toLowerCase()))
  const isAsked = (work: string, contender: string, size: number): boolean =>
    (options.who?.includes(contender) ?? true) &&
    (wanted?.some((place) => place.work === work && place.contender === contender && place.size === size) ?? true)

  const rows: Row[] = []
  const add = (row: Row): void => {
    if (row.contenders.length > 0) rows.push(row)
  }
  for (const direction of DIRECTIONS) {
    const name = aeadName(direction)
    if (!isNamed(name)) continue
    for (const size of AEAD_SIZES) {
      const contenders = PRIMITIVE_NAMES.filter((primitive) => isAsked(name, primitive, size))
      add({ type: 'aead', name, direction, size, contenders, without: new Map() })
    }
  }
  // One size after the other: what was prepared for it can go before the next one.
  const sized = WORKS.flatMap((work) => work.sizes(options.sizes).map((size) => ({ work, size })))
  for (const { work, size } of sized.sort((a, b) => a.size - b.size)) {
    if (!isNamed(work.name)) continue
    const asked = CONTENDERS.map(({ name }) => name).filter(
      (name) => (name !== FLOOR || work.floor !== undefined) && isAsked(work.name, name, size),
    )
    const without = new Map<string, string>()
    for (const contender of asked) {
      const reason = reasonWithout(contender, work, size) ?? work.without?.(contender, size)
      if (reason !== undefined) without.set(contender, reason)
    }
    const contenders = asked.filter((contender) => !without.has(contender))
    add({ type: 'store', work, name: work.name, size, contenders, without })
  }
  return rows
}

function reasonWithout(contender: string, { payloadBytes = DEFAULT_PAYLOAD_BYTES }: Work, size: number) {
  if (contender === 'conf' && (size > CONF_SECRETS || payloadBytes > DEFAULT_PAYLOAD_BYTES)) {
    return 'every read decrypts the whole file, every write writes it anew'
  }
  if (contender === 'matrixai' && size > MATRIXAI_SECRETS) return 'filling it takes too long'
  return undefined
}
