import { expect, test } from 'vitest'
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
