import { expect, test, vi } from 'vitest'
import { SharedEngine } from '../../../../src/storage/sharing/shared-engine'
import { bytes, commit, Medium, text, turnsOfLoop } from '../../../support/shared-medium'
import { newGate } from '../../../support/waiting'

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
  await vi.waitFor(() => expect(owner.role).toBeUndefined())
  const closing = owner.close().then(() => hasLeft)
  await turnsOfLoop()
  gate.open()
  expect(await closing).toBe(true)
})
