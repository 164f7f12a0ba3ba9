import { afterEach, describe, expect, test } from 'vitest'
import type { Batch, Engine } from '../../src/storage/engine'
import type { ForeignCommit, OtherWriters } from '../../src/storage/other-writers'
import { levelMedium, linkedMedium, memoryMedium, socketMedium } from '../support/media'
import { COMMIT_CHECKS } from './conformance/commits'
import { FEED_CHECKS } from './conformance/feed'
import { LOCK_CHECKS } from './conformance/locks'
import { type Check, type Faults, headOf, type Medium, type SharedEngine, within } from './conformance/medium'
import { TURN_CHECKS } from './conformance/turns'

/** No check takes as long, however wrong the engine is. */
const MOST_MS = 60_000
const SEVERAL: readonly Check[] = [...COMMIT_CHECKS, ...TURN_CHECKS, ...FEED_CHECKS, ...LOCK_CHECKS]

function describeMedium(name: string, checks: readonly Check[], make: () => Promise<Medium>): void {
  describe(`the ${name} engine`, () => {
    for (const { name: what, run } of checks) test(what, async () => within(MOST_MS, what, run(await make())))
  })
}

describeMedium('memory', COMMIT_CHECKS, memoryMedium)
describeMedium('LevelDB', COMMIT_CHECKS, levelMedium)
describeMedium('shared, over memory,', SEVERAL, () => linkedMedium())
describeMedium('shared, over LevelDB and sockets,', SEVERAL, socketMedium)

/** A medium whose writers are made wrong, and the last of them that were opened. */
type Breaking = (writer: SharedEngine, all: readonly SharedEngine[]) => SharedEngine

/** What a wrong engine does in the place of a right one, member by member. */
function instead(writer: SharedEngine, own: Partial<Engine>, others: Partial<OtherWriters> = {}): SharedEngine {
  const over = <T extends object>(right: T, wrong: Partial<T>): T =>
    new Proxy(right, {
      get: (target, name) => {
        const value: unknown = name in wrong ? wrong[name as keyof T] : target[name as keyof T]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return over(writer, { ...own, others: over(writer.others, others) } as Partial<SharedEngine>)
}

/** A batch with another `write`, or another `keyring`. */
const batchInstead = (writer: SharedEngine, change: (batch: Batch) => Partial<Batch>): SharedEngine =>
  instead(writer, {
    batch: () => {
      const batch = writer.batch()
      return { ...batch, ...change(batch) }
    },
  })

const feedInstead = (
  writer: SharedEngine,
  tell: (commit: ForeignCommit, listener: (commit: ForeignCommit) => void) => void,
): SharedEngine =>
  instead(writer, {}, { onCommit: (listener) => writer.others.onCommit((commit) => tell(commit, listener)) })

const never = new Promise<never>(() => {})
let undo: (() => void)[] = []
afterEach(() => {
  for (const one of undo) one()
  undo = []
})

const BROKEN: readonly (readonly [what: string, caughtBy: string, breaking: Breaking])[] = [
  [
    'acknowledges before it writes',
    'what was acknowledged is read by everybody at once, in each way of reading',
    (writer) =>
      batchInstead(writer, (batch) => ({
        write: async (expectedHead) => {
          setTimeout(() => batch.write(expectedHead).catch(() => {}), 20)
          return true
        },
      })),
  ],
  [
    'loses the expected head',
    'a commit on another head changes neither rows nor keyring.json, and the next goes on',
    (writer) => batchInstead(writer, (batch) => ({ write: async () => batch.write(await headOf(writer)) })),
  ],
  [
    'loses it where several plan on it',
    'of several commits that were planned on one head, one is written',
    (writer) => batchInstead(writer, (batch) => ({ write: async () => batch.write(await headOf(writer)) })),
  ],
  [
    'says that it has written what it refused',
    'a turn that was given back, or was never taken, writes nothing',
    (writer) =>
      batchInstead(writer, (batch) => ({ write: async (head) => (await batch.write(head).catch(() => true)) || true })),
  ],
  [
    'loses keyring.json',
    'a commit takes rows, head and keyring.json together',
    (writer) => batchInstead(writer, () => ({ keyring: async () => {} })),
  ],
  [
    'answers from what it has read before',
    'what was acknowledged is read by everybody at once, in each way of reading',
    (writer) => {
      const cache = new Map<string, Uint8Array | undefined>()
      const get = async (key: Uint8Array): Promise<Uint8Array | undefined> => {
        const name = String(key)
        if (!cache.has(name)) cache.set(name, await writer.get(key))
        return cache.get(name)
      }
      return instead(writer, { canReadSync: () => false, get })
    },
  ],
  [
    'repeats a commit in the feed',
    'each commit of the others is told once, in their order, with note and keyring.json',
    (writer) =>
      feedInstead(writer, (commit, listener) => {
        listener(commit)
        listener(commit)
      }),
  ],
  [
    'leaves a commit out of the feed',
    'each commit of the others is told once, in their order, with note and keyring.json',
    (writer) => {
      let n = 0
      return feedInstead(writer, (commit, listener) => {
        if (++n % 7 > 0) listener(commit)
      })
    },
  ],
  [
    'tells commits out of order',
    'each commit of the others is told once, in their order, with note and keyring.json',
    (writer, all) => {
      const held: ForeignCommit[] = []
      return feedInstead(writer, (commit, listener) => {
        held.push(commit)
        if (all.length === 1 || held.length < 2) return all.length === 1 ? listener(commit) : undefined
        for (const one of held.splice(0).toReversed()) listener(one)
      })
    },
  ],
  [
    'tells a commit after the turn that follows it',
    'at a turn the newest head is read, and every commit before it has been told',
    (writer) => feedInstead(writer, (commit, listener) => void setTimeout(() => listener(commit), 20)),
  ],
  [
    'tells a writer of its own commits',
    'each commit of the others is told once, in their order, with note and keyring.json',
    (writer) => {
      let tell: (commit: ForeignCommit) => void = () => {}
      const listening = instead(
        writer,
        {},
        {
          onCommit: (listener) => {
            tell = listener
            writer.others.onCommit(listener)
          },
        },
      )
      const { batch } = writer
      return new Proxy(listening, {
        get(target, name) {
          if (name !== 'batch') return target[name as keyof SharedEngine]
          return () => {
            const made = batch.call(writer)
            let head = new Uint8Array()
            return {
              ...made,
              put: (key: Uint8Array, value: Uint8Array) => {
                if (key.length === 1) head = value.slice()
                made.put(key, value)
              },
              write: async (expected: Uint8Array | undefined) => {
                const isWritten = await made.write(expected)
                if (isWritten) tell({ head, note: new Uint8Array(), keyring: undefined })
                return isWritten
              },
            }
          }
        },
      })
    },
  ],
  [
    'gives turns to all at once',
    'turns are given one at a time, in the order of asking',
    (writer) => instead(writer, {}, { turn: async () => () => {} }),
  ],
  [
    'keeps a turn after its writer has gone',
    'a turn ends with its writer',
    (writer) => instead(writer, { close: async () => {} }),
  ],
  [
    'writes what was planned in a turn that is over',
    'a turn ends by time, whoever has it, and what was planned in it is not written',
    (writer) =>
      batchInstead(writer, (batch) => ({
        write: async (expectedHead) => {
          if (await batch.write(expectedHead)) return true
          await writer.others.turn()
          return batch.write(expectedHead)
        },
      })),
  ],
  [
    'measures turns by a clock that others set',
    'the time of a turn is nobody’s to set',
    (writer) => {
      const turn = async (): Promise<() => void> => {
        const pass = await writer.others.turn()
        const end = Date.now() + 2000
        const look = setInterval(() => Date.now() > end && pass(), 10)
        undo.push(() => clearInterval(look))
        return () => {
          clearInterval(look)
          pass()
        }
      }
      return instead(writer, {}, { turn })
    },
  ],
  [
    'gives a lock to everybody',
    'a named lock is one writer’s, through turns and commits, until it is given back',
    (writer) => instead(writer, {}, { lock: async () => () => {} }),
  ],
  [
    'ends locks with the owner',
    'a named lock outlives the first writer, and is nobody else’s under the next',
    (writer, all) => {
      let release: (() => void) | undefined
      const lock = async (name: string, signal?: AbortSignal): Promise<() => void> => {
        release = await writer.others.lock(name, signal)
        return release
      }
      const look = setInterval(() => all[0]?.others.isOwner === false && release?.(), 5)
      undo.push(() => clearInterval(look))
      return instead(writer, {}, { lock })
    },
  ],
  [
    'gives a lock to one who does not wait for it any more',
    'who does not wait for a named lock any more does not get it',
    (writer) => instead(writer, {}, { lock: (name) => writer.others.lock(name) }),
  ],
  [
    'counts itself alone',
    'everybody who is there is told, and at most one of them holds the medium',
    (writer) => instead(writer, {}, { peers: async () => [{ pid: 1, owner: writer.others.isOwner }] }),
  ],
  [
    'ends for all when one closes',
    'the others go on when one closes, whichever it is, and keep what was acknowledged',
    (writer, all) => {
      const close = async (): Promise<void> => {
        for (const one of all) await one.close()
      }
      return instead(writer, { close })
    },
  ],
]

/** Answers to commits that are wrong, after they were lost. */
const UNTRUE: readonly (readonly [what: string, when: 'written' | 'not written', Breaking])[] = [
  [
    'takes no answer for a no',
    'written',
    (writer) =>
      batchInstead(writer, (batch) => ({
        write: async (expectedHead) => {
          const isWritten = await batch.write(expectedHead)
          return loss.isLost ? false : isWritten
        },
      })),
  ],
  [
    'waits for it without end',
    'not written',
    (writer) =>
      batchInstead(writer, (batch) => ({
        write: async (expectedHead) => (loss.isLost ? never : batch.write(expectedHead)),
      })),
  ],
  [
    'sends again what was written, over what others have written since',
    'written',
    (writer, all) => {
      if (all.length !== 2) return writer
      let own: (() => Promise<void>) | undefined
      return instead(writer, {
        batch: () => {
          const batch = writer.batch()
          const puts: [Uint8Array, Uint8Array][] = []
          return {
            ...batch,
            put: (key, value) => {
              puts.push([key, value])
              batch.put(key, value)
            },
            write: async (expectedHead) => {
              const wasLost = loss.isLost
              const isWritten = await batch.write(expectedHead)
              if (!wasLost) return isWritten
              own = async () => {
                const pass = await writer.others.turn()
                const again = writer.batch()
                for (const [key, value] of puts) again.put(key, value)
                await again.write(await headOf(writer))
                pass()
              }
              await new Promise((resolve) => setTimeout(resolve, 200))
              await own()
              return true
            },
          }
        },
      })
    },
  ],
]
const loss = { isLost: false }

/** The medium of the links, whose writers are made wrong as they are opened. */
async function brokenMedium(breaking: Breaking): Promise<Medium & { readonly faults: Faults }> {
  const right = await linkedMedium()
  const all: SharedEngine[] = []
  loss.isLost = false
  return {
    ...right,
    open: async () => {
      const writer = (await right.open()) as SharedEngine
      all.push(writer)
      return breaking(writer, all)
    },
    faults: {
      ...right.faults,
      loseNextAnswer: (when) => {
        loss.isLost = true
        right.faults.loseNextAnswer(when)
      },
    },
  }
}

describe('the kit finds an engine that', () => {
  const checkOf = (name: string): Check => {
    const check = SEVERAL.find((one) => one.name === name)
    if (check === undefined) throw new Error(`check: expected one of the kit, got '${name}'`)
    return check
  }
  const outcomeOf = async (check: Check, breaking: Breaking): Promise<unknown> => {
    const medium = await brokenMedium(breaking)
    return within(MOST_MS, check.name, check.run(medium)).then(
      () => 'passed',
      (error: unknown) => error,
    )
  }

  for (const [what, caughtBy, breaking] of BROKEN) {
    test(what, async () => {
      const outcome = await outcomeOf(checkOf(caughtBy), breaking)
      expect(outcome).toBeInstanceOf(Error)
    })
  }

  for (const [what, when, breaking] of UNTRUE) {
    test(`of a lost answer ${what}`, async () => {
      const own = SEVERAL.filter(({ name }) => name.includes(`was ${when} when its`) || name.includes(`same, ${when},`))
      expect(own).toHaveLength(2)
      for (const check of own) if ((await outcomeOf(check, breaking)) instanceof Error) return
      expect.unreachable('the checks of a lost answer found nothing')
    })
  }

  test('does nothing wrong, by the same way: in it, it finds nothing', async () => {
    for (const check of SEVERAL) {
      const outcome = await outcomeOf(check, (writer) => instead(writer, {}))
      expect([check.name, outcome]).toEqual([check.name, 'passed'])
    }
  })
})
