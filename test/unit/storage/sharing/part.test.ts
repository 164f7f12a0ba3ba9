import { expect, test } from 'vitest'
import { SecretStoreError } from '../../../../src/errors'
import { HEAD_ROW } from '../../../../src/storage/keyspace'
import { SharedEngine } from '../../../../src/storage/sharing/shared-engine'
import { bytes, commit, diskFull, Medium, text, turnsOfLoop, write } from '../../../support/shared-medium'
import { codeOf } from '../../../support/stores'
import { eventually, newGate } from '../../../support/waiting'

test('a role begins with the newest head that there is when its keys are there, not with the one that was read first', async () => {
  const medium = new Medium()
  const owner = await medium.writer().open()
  let gate = newGate()
  gate.open()
  let adoptions = 0
  const follower = await medium
    .writer(() => {
      adoptions++
      return gate.opened
    })
    .open()
  const found: (string | undefined)[] = []
  follower.onFound((head) => found.push(text(head)))
  gate = newGate()
  adoptions = 0
  medium.links[0]?.cut()
  while (adoptions === 0) await turnsOfLoop(1)
  // Two changes of keys come meanwhile, and what was read first is under a key that nobody has any more.
  expect(await commit(owner, 'a', '1')).toBe(true)
  expect(await commit(owner, 'a', '2')).toBe(true)
  await turnsOfLoop()
  gate.open()
  expect(text(await follower.get(bytes('a')))).toBe('2')
  expect(found).toEqual(['head 2'])
})

test('a role begins with a head that is read when its keys are there: others may have put newer ones in their place meanwhile', async () => {
  const medium = new Medium()
  await medium.writer().open()
  let adoptions = 0
  const follower = medium.writer(async () => {
    if (adoptions++ > 0) return
    // Nobody has told of it yet.
    const batch = medium.rows.batch()
    batch.put(HEAD_ROW, bytes('head of later keys'))
    await batch.write(bytes('head 0'))
  })
  const found: (string | undefined)[] = []
  follower.onFound((head) => found.push(text(head)))
  await follower.open()
  expect(found).toEqual(['head of later keys'])
})

test('a process that was cut off as the owner has closed when it has let go of the files, and not before', async () => {
  const medium = new Medium()
  const gate = newGate()
  let hasLeft = false
  const sharing = medium.sharing(async () => {})
  const owner = new SharedEngine({
    ...sharing,
    seek: async (events) => {
      const role = await sharing.seek(events)
      if (role.kind === 'follower') return role
      const leave = async (): Promise<void> => {
        await role.leave()
        await gate.opened
        hasLeft = true
      }
      return { ...role, leave }
    },
  })
  await owner.open()
  const follower = await medium.writer().open()
  owner.onCommit(() => {
    throw new Error('of an earlier time')
  })
  expect(await commit(follower, 'a', '1')).toBe(true)
  await eventually(() => expect(owner.role).toBeUndefined())
  const closing = owner.close().then(() => hasLeft)
  await turnsOfLoop()
  gate.open()
  expect(await closing).toBe(true)
})

/** A writer that finds no role as often as it is told to, and what it hears. */
async function listenerOf(medium: Medium, failures: Error[]): Promise<{ engine: SharedEngine; heard: string[] }> {
  const sharing = medium.sharing(async () => {})
  const engine = new SharedEngine({
    ...sharing,
    seek: async (events) => {
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      return sharing.seek(events)
    },
  })
  const heard: string[] = []
  engine.onCommit(({ head, note }) => heard.push(`${text(head)}${note === undefined ? ' gap' : ''}`))
  return { engine, heard }
}

test('who listens is there again, though its searches for the next owner have failed, and nobody asks for anything', async () => {
  const medium = new Medium()
  await medium.writer().open()
  const other = await medium.writer().open()
  const failures: Error[] = []
  const { engine, heard } = await listenerOf(medium, failures)
  await engine.open()
  failures.push(diskFull(), diskFull(), new Error('no descriptors'))
  medium.kill()
  expect(await commit(other, 'a', '1')).toBe(true)
  await eventually(() => expect(heard).toContain('head 1 gap'))
  expect(await commit(other, 'a', '2')).toBe(true)
  await eventually(() => expect(heard.at(-1)).toBe('head 2'))
  expect(failures).toEqual([])
})

test.each(['ERR_WRONG_KEY', 'ERR_ROLLBACK'] as const)('who finds %s searches no more by itself', async (code) => {
  const medium = new Medium()
  await medium.writer().open()
  const failures: Error[] = []
  const { engine } = await listenerOf(medium, failures)
  await engine.open()
  const left = diskFull()
  failures.push(diskFull(), new SecretStoreError(code, 'x'), left)
  medium.kill()
  await eventually(() => expect(failures).toEqual([left]))
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(failures).toEqual([left])
})

test('who has closed searches no more', async () => {
  const medium = new Medium()
  await medium.writer().open()
  const failures: Error[] = []
  const { engine } = await listenerOf(medium, failures)
  await engine.open()
  failures.push(...Array.from({ length: 100 }, diskFull))
  medium.kill()
  await eventually(() => expect(failures.length).toBeLessThan(99))
  await engine.close()
  const { length } = failures
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(failures.length).toBe(length)
})

test('a process whose keys do not come closes all the same', async () => {
  const medium = new Medium()
  await medium.writer().open()
  let adopting = Promise.resolve()
  let adoptions = 0
  const follower = await medium
    .writer(() => {
      adoptions++
      return adopting
    })
    .open()
  adopting = new Promise(() => {})
  adoptions = 0
  medium.kill()
  await eventually(() => expect(adoptions).toBe(1))
  const reading = codeOf(() => follower.get(bytes('a')))
  await follower.close()
  expect(await reading).toBe('ERR_CLOSED')
  expect(medium.owner?.isOver).toBe(true)
})

/** Commits a head with another keyring.json. */
async function commitKeyring(writer: SharedEngine, head: string, expectedHead: string): Promise<boolean> {
  const pass = await writer.turn()
  const batch = writer.batch()
  batch.put(HEAD_ROW, bytes(head))
  await batch.keyring(bytes(`keyring of ${head}`))
  try {
    return await batch.write(bytes(expectedHead))
  } finally {
    pass()
  }
}

/** A follower whose key answers for what it is told as `adopt` says, another one, and what the first hears. */
async function followers(
  medium: Medium,
  adopt: (given: Uint8Array) => Promise<void>,
): Promise<{ readonly follower: SharedEngine; readonly other: SharedEngine; readonly heard: string[] }> {
  const other = await medium.writer().open()
  const sharing = medium.sharing(async () => {})
  const follower = await new SharedEngine({
    ...sharing,
    adopt: async (given) => given && adopt(given),
  }).open()
  const heard: string[] = []
  follower.onCommit(({ head, note }) => heard.push(`${text(head)}${note === undefined ? ' gap' : ''}`))
  return { follower, other, heard }
}

test('keys are taken over while a commit of this process is on its way, and what was committed is told after it', async () => {
  const medium = new Medium()
  medium.turnMs = 20
  await medium.writer().open()
  const adopted: (string | undefined)[] = []
  const { follower, other, heard } = await followers(medium, async (given) => void adopted.push(text(given)))
  const [link] = medium.links.slice(-1)
  const pass = await follower.turn()
  // Its turn is over before the owner hears of its commit.
  if (link !== undefined) link.holds.toOwner = true
  const writing = write(follower, bytes('head 0'), 'a', '1', 'head 1')
  expect(await commit(other, 'b', '2')).toBe(true)
  expect(await commitKeyring(other, 'head 3', 'head 2')).toBe(true)
  expect(await commitKeyring(other, 'head 4', 'head 3')).toBe(true)
  expect(await commit(other, 'b', '5')).toBe(true)
  await eventually(() => expect(adopted).toEqual(['keyring of head 3', 'keyring of head 4']))
  expect(heard).toEqual([])
  link?.letGo()
  expect(await writing).toBe(false)
  pass()
  // What came before the last change of keys may be under none that is left.
  expect(heard).toEqual(['head 4 gap', 'head 5'])
})

test('a key that does not answer in time is ERR_BUSY to what needs it, and the end of the store waits for nothing', async () => {
  const medium = new Medium()
  medium.deadlineMs = 60
  await medium.writer().open()
  const { follower, other } = await followers(medium, () => new Promise(() => {}))
  expect(await commitKeyring(other, 'head 1', 'head 0')).toBe(true)
  expect(await codeOf(() => follower.get(HEAD_ROW))).toBe('ERR_BUSY')
  expect(await codeOf(() => follower.turn())).toBe('ERR_BUSY')
  await follower.close()
})

test('a key that has not answered when the owner ends keeps nothing waiting under the next one', async () => {
  const medium = new Medium()
  await medium.writer().open()
  const { follower, other } = await followers(medium, () => new Promise(() => {}))
  expect(await commitKeyring(other, 'head 1', 'head 0')).toBe(true)
  const calls = [follower.get(HEAD_ROW), follower.turn()] as const
  await turnsOfLoop()
  medium.kill()
  expect(text(await calls[0])).toBe('head 1')
  ;(await calls[1])()
})

test.each([
  ['ERR_IO', new SecretStoreError('ERR_IO', 'keychain: it is locked')],
  ['an error of its own', new Error('keychain: it is locked')],
])('a key that fails once with %s cuts nobody off', async (_, error) => {
  const medium = new Medium()
  await medium.writer().open()
  let failures = 1
  const { follower, other, heard } = await followers(medium, async () => {
    if (failures-- > 0) throw error
  })
  expect(await commitKeyring(other, 'head 1', 'head 0')).toBe(true)
  await eventually(() => expect(heard).toEqual(['head 1 gap']))
  expect(text(await follower.get(HEAD_ROW))).toBe('head 1')
  expect(await commitKeyring(other, 'head 2', 'head 1')).toBe(true)
  await eventually(() => expect(heard).toEqual(['head 1 gap', 'head 2']))
  expect(await commit(follower, 'a', '3')).toBe(true)
})

test('a key that opens the store no more is out, with the same error for all that it asks for', async () => {
  const medium = new Medium()
  await medium.writer().open()
  const { follower, other } = await followers(medium, async () => {
    throw new SecretStoreError('ERR_WRONG_KEY', 'x')
  })
  expect(await commitKeyring(other, 'head 1', 'head 0')).toBe(true)
  await eventually(() => expect(follower.role).toBeUndefined())
  for (const ask of [() => follower.get(HEAD_ROW), () => follower.turn()])
    expect(await codeOf(ask)).toBe('ERR_WRONG_KEY')
})

test('what a role has told under keys that come late is not told once there is another role', async () => {
  const medium = new Medium()
  await medium.writer().open()
  const other = await medium.writer().open()
  const gate = newGate()
  const sharing = medium.sharing(async () => {})
  const adopt = async (given: Uint8Array | undefined): Promise<void> => given && gate.opened
  const follower = await new SharedEngine({ ...sharing, adopt }).open()
  const heard: string[] = []
  follower.onCommit(({ head }) => heard.push(`${text(head)}`))
  const released = await other.turn()
  const batch = other.batch()
  batch.put(HEAD_ROW, bytes('head 1'))
  await batch.keyring(bytes('keyring'))
  expect(await batch.write(bytes('head 0'))).toBe(true)
  released()
  await turnsOfLoop()
  medium.kill()
  expect(await commit(other, 'a', '2')).toBe(true)
  expect(text(await follower.get(bytes('a')))).toBe('2')
  gate.open()
  await turnsOfLoop()
  expect(heard.at(-1)).toBe('head 2')
  expect(heard).not.toContain('head 1')
})
