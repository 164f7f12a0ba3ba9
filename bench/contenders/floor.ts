import { randomFrom, type Secret } from '../data'
import type { Contender, Store } from './contender'
import { type Level, loadLevel, settleLevel } from './level'

/** What one of our rows holds for a payload of 256 bytes: envelope header, nonce, padded record, tag. */
const ROW_BYTES: number = 5 + 24 + 352 + 16
const DIFFERENT_VALUES = 1024

/**
 * What LevelDB itself takes: one row as large as ours for each secret, of random bytes and nothing else. No store, but
 * what the goals are counted from.
 */
export async function loadContender(): Promise<Contender> {
  const openLevel = await loadLevel()
  return { open: async (directory) => storeOver(await openLevel<Uint8Array>(directory, 'view')) }
}

function storeOver(level: Level<Uint8Array>): Store {
  const random = randomFrom(2)
  const bytes = Uint8Array.from({ length: ROW_BYTES + DIFFERENT_VALUES }, () => Math.floor(random() * 256))
  let turn = 0
  const next = (): Uint8Array => bytes.slice(turn++ % DIFFERENT_VALUES).subarray(0, ROW_BYTES)
  const keyOf = (name: string): string => `rt|a|${name}`
  const batch = (secrets: readonly Secret[]): Promise<void> =>
    level.batch(
      secrets.map(({ name }) => ({ type: 'put', key: keyOf(name), value: next() }) as const),
      { sync: true },
    )
  const unsupported = (): never => {
    throw new Error('floor: expected work on rows alone, got more')
  }
  return {
    find: unsupported,
    findBare: unsupported,
    get: unsupported,
    getRow: (name) => level.getSync(keyOf(name)),
    set: ({ name }) => level.put(keyOf(name), next(), { sync: true }),
    setAtOnce: batch,
    batch,
    page: unsupported,
    walk: unsupported,
    sweep: unsupported,
    settle: () => settleLevel(level),
    close: () => level.close(),
  }
}
