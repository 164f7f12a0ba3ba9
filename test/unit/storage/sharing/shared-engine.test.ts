import { expect, onTestFinished, test, vi } from 'vitest'
import { SecretStoreError } from '../../../../src/errors'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { SESSION_ROWS } from '../../../../src/storage/other-writers'
import type { SharedEngine } from '../../../../src/storage/sharing/shared-engine'
import { bytes, commit, diskFull, type Link, Medium, text, turnsOfLoop, write } from '../../../support/shared-medium'
import { codeOf } from '../../../support/stores'

/** An owner, followers, and their links. */
async function sharing(medium: Medium, followers: number): Promise<{ all: SharedEngine[]; links: Link[] }> {
  const all = Array.from({ length: 1 + followers }, () => medium.writer())
  for (const writer of all) await writer.open()
  return { all, links: [...medium.links] }
}

const at = (medium: Medium, key: string): string | undefined => text(medium.rows.getSync(bytes(key)))

test('a commit whose answer was lost is found by its session, and not written again', async () => {
  const medium = new Medium()
  const { all, links } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  const [link] = links as [Link]
  const pass = await follower.turn()
  link.holds.toFollower = true
  const writing = write(follower, bytes('head 0'), 'a', '1')
  await vi.waitFor(() => expect(at(medium, 'a')).toBe('1'))
  medium.kill()
  // Somebody else has written since, so that the head does not tell.
  expect(await commit(other, 'a', '2')).toBe(true)
  expect(await writing).toBe(true)
  pass()
  expect([at(medium, 'a'), medium.writes]).toEqual(['2', 2])
})

test('a commit that was lost before it was written is sent once more, also if two owners are lost in a row', async () => {
  for (const losses of [1, 2, 3]) {
    const medium = new Medium()
    const { all } = await sharing(medium, losses + 1)
    const [others, follower] = [all.slice(1, -1), all.at(-1) as SharedEngine]
    let lost = 0
    medium.beforeWrite = async () => {
      const next = others[lost]
      if (next === undefined) return
      lost++
      medium.kill()
      await next.get(HEAD_ROW)
      throw diskFull()
    }
    const pass = await follower.turn()
    expect(await write(follower, bytes('head 0'), 'a', '1')).toBe(true)
    pass()
    expect([at(medium, 'a'), medium.writes, medium.owners, lost]).toEqual(['1', 1, 1 + losses, losses])
  }
})

test.each([
  ['follower', 1],
  ['owner', 0],
])('a %s has a turn of the length that it asks for, up to 20 seconds', async (_, index) => {
  const medium = new Medium()
  medium.turnMs = 20
  const { all } = await sharing(medium, 2)
  const [writer, other] = [all[index], all[2]] as [SharedEngine, SharedEngine]
  const after = async (ms: number): Promise<void> => void (await new Promise((resolve) => setTimeout(resolve, ms)))
  const short = await writer.turn({ rows: 1, bytes: 1 })
  await after(100)
  expect(await write(writer, bytes('head 0'), 'a', '1')).toBe(false)
  short()
  for (const size of [
    { rows: 2 ** 40, bytes: 0 },
    { rows: 0, bytes: 2 ** 60 },
  ]) {
    const long = await writer.turn(size)
    await after(100)
    expect(await write(writer, (await writer.get(HEAD_ROW)) as Uint8Array, 'a', '1')).toBe(true)
    long()
  }
  expect(await commit(other, 'a', '2')).toBe(true)
})

test('a change of keys whose batch was lost is what whoever took over has made of it', async () => {
  for (const [outcome, expected] of [
    ['done', true],
    ['overtaken', false],
    ['unknown', 'ERR_OUTCOME_UNKNOWN'],
  ] as const) {
    const medium = new Medium()
    medium.outcomeOf = (keyring) => (text(keyring) === 'keyring' ? outcome : 'overtaken')
    const { all } = await sharing(medium, 2)
    const [, follower] = all as [SharedEngine, SharedEngine]
    medium.beforeWrite = async () => {
      medium.beforeWrite = () => {}
      // Whoever takes over moves the head on.
      const batch = medium.rows.batch()
      batch.put(HEAD_ROW, bytes('head of the next'))
      await batch.write(bytes('head 0'))
      medium.kill()
      throw diskFull()
    }
    const pass = await follower.turn()
    const batch = follower.batch()
    batch.put(HEAD_ROW, bytes('head 1'))
    await batch.keyring(bytes('keyring'))
    expect(await batch.write(bytes('head 0')).catch((error) => error.code)).toBe(expected)
    pass()
    expect([text(medium.rows.getSync(HEAD_ROW)), medium.writes]).toEqual(['head of the next', 0])
  }
})

test('a commit that is lost with each owner is given up, and nothing has changed', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 20)
  const [others, follower] = [all.slice(1, -1), all.at(-1) as SharedEngine]
  medium.beforeWrite = async () => {
    medium.kill()
    await others.shift()?.get(HEAD_ROW)
    throw diskFull()
  }
  const pass = await follower.turn()
  await expect(write(follower, bytes('head 0'), 'a', '1')).rejects.toMatchObject({ code: 'ERR_IO' })
  pass()
  expect([at(medium, 'a'), medium.writes]).toEqual([undefined, 0])
})

test('a commit that was lost before it was written is planned anew where somebody has written since', async () => {
  const medium = new Medium()
  const { all, links } = await sharing(medium, 2)
  const [, other, follower] = all as [SharedEngine, SharedEngine, SharedEngine]
  const link = links.at(-1) as Link
  const pass = await follower.turn()
  link.holds.toOwner = true
  const writing = write(follower, bytes('head 0'), 'a', '1')
  await turnsOfLoop()
  medium.kill()
  expect(await commit(other, 'a', '2')).toBe(true)
  expect(await writing).toBe(false)
  pass()
  expect([at(medium, 'a'), medium.writes]).toEqual(['2', 1])
})

test('an owner whose disk is full writes nothing after it, says so, and goes on with the files opened anew', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 1)
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  medium.beforeWrite = () => {
    throw diskFull()
  }
  const before = medium.owner
  // The next has its turn as soon as the first has failed.
  const outcomes = await Promise.all([
    codeOf(() => commit(owner, 'a', '1')),
    codeOf(() => commit(follower, 'b', '2')),
    codeOf(() => commit(owner, 'c', '3')),
  ])
  expect(new Set(outcomes)).toEqual(new Set(['ERR_IO']))
  expect([medium.writes, medium.owner === before]).toEqual([0, false])
  medium.beforeWrite = () => {}
  expect(await commit(owner, 'a', '4')).toBe(true)
  expect(await commit(follower, 'b', '5')).toBe(true)
  expect([at(medium, 'a'), at(medium, 'b'), at(medium, 'c')]).toEqual(['4', '5', undefined])
})

test('after a failed write nothing is written through the same files, though a turn is free', async () => {
  const medium = new Medium()
  const [engine] = (await sharing(medium, 0)).all as [SharedEngine]
  const { owner } = medium
  if (owner === undefined) throw new Error('medium: expected an owner, got none')
  medium.beforeWrite = () => {
    throw diskFull()
  }
  const [turn, next] = [await owner.turn(), owner.turn()]
  const request = { expectedHead: bytes('head 0'), note: bytes(''), keyring: undefined }
  const changes = [{ type: 'put', key: HEAD_ROW, value: bytes('head 1') } as const]
  const writer = { pid: undefined, onCommit() {} }
  await expect(owner.commit(writer, turn, { ...request, changes })).rejects.toMatchObject({ code: 'ERR_IO' })
  medium.beforeWrite = () => {}
  await expect(next).rejects.toThrow()
  expect([medium.writes, text(await engine.get(HEAD_ROW))]).toEqual([0, 'head 0'])
  // At one turn.
  medium.onErase = () => {
    throw diskFull()
  }
  const [second, third] = [medium.owner, await medium.owner?.turn()]
  if (second === undefined || third === undefined) throw new Error('medium: expected an owner, got none')
  await expect(second.erase(third)).rejects.toMatchObject({ code: 'ERR_IO' })
  await expect(second.commit(writer, third, { ...request, changes })).rejects.toThrow()
  expect(medium.writes).toBe(0)
})

test('a compaction after which the files could not be opened again is to be called again, and the store goes on', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 1)
  for (const [n, writer] of all.entries()) {
    medium.onErase = () => {
      throw new SecretStoreError('ERR_FAILED', 'store: close it and open it anew')
    }
    const pass = await writer.turn()
    expect(await codeOf(() => writer.erase())).toBe('ERR_BUSY')
    pass()
    medium.onErase = () => {}
    expect(await commit(writer, 'a', `${n}`)).toBe(true)
  }
})

test('an owner that is about to let go of the files reads nothing at once any more', async () => {
  const medium = new Medium()
  const [owner] = (await sharing(medium, 0)).all as [SharedEngine]
  expect(text(owner.getSync(HEAD_ROW))).toBe('head 0')
  medium.owner?.end()
  expect(await codeOf(async () => owner.getSync(HEAD_ROW))).toBe('ERR_NO_SYNC')
})

test('a follower that nobody asks for anything hears of what the next owner commits', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  await commit(other, 'a', '1')
  await turnsOfLoop()
  const heads: string[] = []
  follower.onCommit(({ head }) => heads.push(`${text(head)}`))
  medium.kill()
  await turnsOfLoop()
  await commit(other, 'a', '2')
  await turnsOfLoop()
  expect(heads.at(-1)).toBe('head 2')
})

test('a turn that ended by time, or was another owner’s, writes nothing', async () => {
  const medium = new Medium()
  medium.turnMs = 5
  const { all } = await sharing(medium, 2)
  const [owner, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  for (const slow of [owner, follower]) {
    const head = await slow.get(HEAD_ROW)
    const pass = await slow.turn()
    expect(await commit(other, 'a', `${medium.writes}`)).toBe(true)
    expect(await write(slow, head, 'a', 'late')).toBe(false)
    pass()
  }
  medium.turnMs = 10_000
  const pass = await follower.turn()
  medium.kill()
  expect(await write(follower, await follower.get(HEAD_ROW), 'a', 'late')).toBe(false)
  pass()
  expect(at(medium, 'a')).toBe('1')
})

test('a commit that is too long to be sent gives its turn back', async () => {
  const medium = new Medium()
  medium.turnMs = 600_000
  const { all, links } = await sharing(medium, 1)
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  const [link] = links as [Link]
  link.mostBytes = 1000
  expect(await codeOf(() => commit(follower, 'a', 'x'.repeat(1000)))).toBe('ERR_IO')
  expect(await commit(owner, 'a', '1')).toBe(true)
  expect(await commit(follower, 'a', '2')).toBe(true)
})

test('a commit that an owner does not answer in time has an unknown outcome, and the next goes on', async () => {
  const medium = new Medium()
  medium.deadlineMs = 50
  const { all, links } = await sharing(medium, 1)
  const [, follower] = all as [SharedEngine, SharedEngine]
  const [link] = links as [Link]
  const pass = await follower.turn()
  link.holds.toOwner = true
  expect(await codeOf(() => write(follower, bytes('head 0'), 'a', '1'))).toBe('ERR_OUTCOME_UNKNOWN')
  pass()
  expect(await codeOf(() => follower.get(HEAD_ROW))).toBe('ERR_BUSY')
  expect(await codeOf(() => follower.turn())).toBe('ERR_BUSY')
  // It was stopped, and goes on: what it was sent takes effect, and a turn that nobody waits for goes back.
  link.letGo()
  await vi.waitFor(() => expect(at(medium, 'a')).toBe('1'))
  expect(await commit(follower, 'a', '2')).toBe(true)
  expect(medium.writes).toBe(2)
})

test.each([
  [59_000, 'no error'],
  [60_000, 'ERR_OUTCOME_UNKNOWN'],
])(
  'a commit that is settled %i ms later has an outcome, or an unknown one: its session may be gone',
  async (ms, code) => {
    const medium = new Medium()
    const { all, links } = await sharing(medium, 2)
    const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
    await follower.turn()
    ;(links[0] as Link).holds.toFollower = true
    const writing = codeOf(() => write(follower, bytes('head 0'), 'a', '1'))
    await vi.waitFor(() => expect(at(medium, 'a')).toBe('1'))
    const [session] = await medium.rows.scan({ ...SESSION_ROWS, limit: 10 })
    const batch = medium.rows.batch()
    batch.del(session?.key as Uint8Array)
    expect(await batch.write(bytes('head 1'))).toBe(true)
    medium.sinceBootMs += ms
    medium.kill()
    await other.get(HEAD_ROW)
    expect(await writing).toBe(code)
  },
)

test('an erasure and a lock take as long as they take, while their owner answers, and end with one that does not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  /** Messages have so many turns of the loop between two steps of the clock as they need. */
  const timePasses = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      await vi.advanceTimersByTimeAsync(10)
      await turnsOfLoop()
    }
  }
  const medium = new Medium()
  medium.deadlineMs = 50
  const { all, links } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  medium.onErase = () => new Promise((resolve) => void setTimeout(resolve, 300))
  const pass = await follower.turn()
  const erasing = follower.erase()
  await timePasses(320)
  await erasing
  pass()
  const release = await other.lock('x')
  const waiting = follower.lock('x')
  await timePasses(300)
  release()
  ;(await waiting)()
  const passAgain = await follower.turn()
  ;(links[0] as Link).holds.toOwner = true
  const [lostErasure, lostLock] = [codeOf(() => follower.erase()), codeOf(() => follower.lock('x'))]
  await timePasses(200)
  expect([await lostErasure, await lostLock]).toEqual(['ERR_BUSY', 'ERR_BUSY'])
  passAgain()
})

test('what others commit right after a commit of one’s own is told after it', async () => {
  const medium = new Medium()
  const { all, links } = await sharing(medium, 1)
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  const [link] = links as [Link]
  const told: string[] = []
  follower.onCommit(({ head }) => told.push(`${text(head)}`))
  const pass = await follower.turn()
  link.holds.toFollower = true
  const writing = write(follower, bytes('head 0'), 'a', '1').then((isWritten) => told.push(`own ${isWritten}`))
  await vi.waitFor(() => expect(at(medium, 'a')).toBe('1'))
  expect(await commit(owner, 'a', '2')).toBe(true)
  link.letGo()
  await writing
  pass()
  expect(told).toEqual(['own true', 'head 2'])
})

test('nothing is asked of a new owner before its keys are taken over, and what comes meanwhile is told as a gap', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 1)
  const other = all[1] as SharedEngine
  let adopted = (): void => {}
  let adopting: Promise<void> | undefined
  const follower = medium.writer(() => adopting ?? Promise.resolve())
  await follower.open()
  const heads: string[] = []
  follower.onCommit(({ head, note }) => heads.push(`${text(head)}${note === undefined ? ' gap' : ''}`))
  adopting = new Promise((resolve) => {
    adopted = resolve
  })
  medium.kill()
  await commit(other, 'a', '1')
  const reads: string[] = []
  const reading = Promise.resolve(follower.get(bytes('a'))).then((value) => reads.push(`${text(value)}`))
  const again = Promise.resolve(follower.get(bytes('a'))).then((value) => reads.push(`${text(value)}`))
  await turnsOfLoop()
  const later = Promise.resolve(follower.get(bytes('a'))).then((value) => reads.push(`${text(value)}`))
  await turnsOfLoop()
  expect([reads, heads]).toEqual([[], []])
  // A commit crosses the taking over.
  expect(await commit(other, 'a', '2')).toBe(true)
  await turnsOfLoop()
  adopted()
  await Promise.all([reading, again, later])
  expect(reads).toEqual(['2', '2', '2'])
  expect(heads).toEqual(['head 2 gap'])
  expect(await commit(other, 'a', '3')).toBe(true)
  await turnsOfLoop()
  expect(heads).toEqual(['head 2 gap', 'head 3'])
})

test('who missed nothing is told of no gap', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  const heads: string[] = []
  await commit(other, 'a', '1')
  await turnsOfLoop()
  follower.onCommit(({ head, note }) => heads.push(`${text(head)}${note === undefined ? ' gap' : ''}`))
  medium.kill()
  await other.get(HEAD_ROW)
  await follower.get(HEAD_ROW)
  await commit(other, 'a', '2')
  await turnsOfLoop()
  expect(heads.filter((head) => head !== 'head 1 gap')).toEqual(['head 2'])
})

test('a role whose keys cannot be taken over is given back', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 1)
  const [, follower] = all as [SharedEngine, SharedEngine]
  medium.kill()
  medium.adopt = async () => {
    throw new Error('no key')
  }
  await expect(Promise.resolve(follower.get(HEAD_ROW))).rejects.toThrow('no key')
  expect(medium.owner?.isOver).toBe(true)
  medium.adopt = async () => {}
  const next = medium.writer()
  await next.open()
  expect(next.isOwner).toBe(true)
})

test('a lock outlives its owner, comes back after a loss, and goes back if nobody wants it any more', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  const release = await follower.lock('keys')
  const aborting = new AbortController()
  const aborted = other.lock('keys', aborting.signal)
  aborting.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  medium.kill()
  await follower.get(HEAD_ROW)
  await turnsOfLoop()
  let isTaken = false
  const taking = other.lock('keys').then((free) => {
    isTaken = true
    return free
  })
  await turnsOfLoop(30)
  expect(isTaken).toBe(false)
  release()
  ;(await taking)()
})

test('a lock that is given back while it is taken again goes back when it comes', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [, other, follower] = all as [SharedEngine, SharedEngine, SharedEngine]
  const release = await follower.lock('keys')
  medium.kill()
  // Too late: somebody else has it by now.
  const releaseOther = await other.lock('keys')
  await turnsOfLoop()
  release()
  await turnsOfLoop()
  releaseOther()
  ;(await other.lock('keys'))()
})

test('a lock that an owner waits for when its files fail is waited for under the next', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 1)
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  medium.graceMs = 100
  const release = await follower.lock('keys')
  let isTaken = false
  const taking = owner.lock('keys').then((free) => {
    isTaken = true
    return free
  })
  medium.beforeWrite = () => {
    throw diskFull()
  }
  expect(await codeOf(() => commit(owner, 'a', '1'))).toBe('ERR_IO')
  // The follower says that it has it, though nobody asks it for anything.
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(isTaken).toBe(false)
  release()
  ;(await taking)()
})

test('an erasure keeps its turn when the one who asked for it has gone, and its turn ends by time when it is over', async () => {
  const medium = new Medium()
  medium.turnMs = 20
  const { all, links } = await sharing(medium, 1)
  const [owner, follower] = all as [SharedEngine, SharedEngine]
  let erased = (): void => {}
  medium.onErase = () =>
    new Promise((resolve) => {
      erased = resolve
    })
  const pass = await follower.turn()
  const erasing = codeOf(() => follower.erase())
  await turnsOfLoop()
  ;(links[0] as Link).cut()
  let hasTurn = false
  const taking = owner.turn().then((free) => {
    hasTurn = true
    return free
  })
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(hasTurn).toBe(false)
  erased()
  ;(await taking)()
  expect(await erasing).toBe('ERR_BUSY')
  pass()
  // One who is stopped right after it does not keep the others waiting.
  medium.onErase = () => {}
  await follower.turn()
  await follower.erase()
  expect(await commit(owner, 'a', '1')).toBe(true)
})

test('close ends each state, and whatever is under way then', async () => {
  const medium = new Medium()
  const { all, links } = await sharing(medium, 2)
  const [owner, follower, third] = all as [SharedEngine, SharedEngine, SharedEngine]
  ;(links[0] as Link).holds.toOwner = true
  const read = codeOf(() => follower.get(HEAD_ROW))
  await follower.close()
  expect(await read).toBe('ERR_CLOSED')
  await owner.close()
  expect(await codeOf(() => owner.get(HEAD_ROW))).toBe('ERR_CLOSED')
  // In the middle of a take-over: the files are let go of again.
  let adopted = (): void => {}
  medium.adopt = () =>
    new Promise((resolve) => {
      adopted = resolve
    })
  const reading = codeOf(() => third.get(HEAD_ROW))
  await turnsOfLoop()
  const closing = third.close()
  adopted()
  await closing
  expect(await reading).toBe('ERR_CLOSED')
  expect(medium.owner?.isOver).toBe(true)
  await medium.writer().close()
})

test('a process that was told what it cannot go on from has no more part in the store, and the others have', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [owner, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  const refusal = new Error('of an earlier time')
  follower.onCommit(() => {
    throw refusal
  })
  expect(await commit(owner, 'a', '1')).toBe(true)
  await vi.waitFor(() => expect(follower.role).toBeUndefined())
  await expect(follower.get(bytes('a'))).rejects.toBe(refusal)
  await expect(follower.turn()).rejects.toBe(refusal)
  medium.kill()
  await expect(follower.get(bytes('a'))).rejects.toBe(refusal)
  expect(await commit(other, 'a', '2')).toBe(true)
  expect(at(medium, 'a')).toBe('2')
})

test('what a process finds with the next owner and cannot go on from ends its part; it becomes no owner either', async () => {
  const medium = new Medium()
  const { all } = await sharing(medium, 2)
  const [, follower, other] = all as [SharedEngine, SharedEngine, SharedEngine]
  const refusal = new Error('of an earlier time')
  let found = 0
  follower.onFound(() => {
    found++
    throw refusal
  })
  medium.kill()
  await expect(follower.get(bytes('a'))).rejects.toBe(refusal)
  await expect(follower.turn()).rejects.toBe(refusal)
  expect(await commit(other, 'a', '1')).toBe(true)
  await expect(follower.get(bytes('a'))).rejects.toBe(refusal)
  expect([at(medium, 'a'), found]).toEqual(['1', 1])
})
