import { expect } from '../../../support/runner'
import type { Sharer } from './started'

/** Both write and read; the first is killed, and the second goes on alone with all that was acknowledged. */
export async function shareAndTakeOver(
  startFirst: () => Promise<Sharer>,
  startSecond: () => Promise<Sharer>,
): Promise<void> {
  const first = await startFirst()
  expect(await first.opened()).toBe('opened')
  const second = await startSecond()
  expect(await second.opened()).toBe('opened')
  expect(await first.ask('status')).toBe('owner of 2')
  expect(await second.ask('status')).toBe('follower of 2')

  expect(await first.ask('set of-first 1')).toBe('of-first')
  expect(await second.ask('get of-first')).toBe('1')
  expect(await second.ask('set of-second 2')).toBe('of-second')
  expect(await first.ask('get of-second')).toBe('2')
  expect(await second.ask('set of-first again')).toBe('of-first')
  expect(await first.ask('get of-first')).toBe('again')
  const changes = 'set:of-first set:of-second set:of-first'
  expect([await first.ask('heard'), await second.ask('heard')]).toEqual([changes, changes])
  expect(await second.ask('rotate')).not.toContain('ERR_')
  expect(await second.ask('compact')).toBe('undefined')
  expect(await first.ask('set before-kill 3')).toBe('before-kill')

  await first.kill()
  expect(await second.ask('set after-kill 4')).toBe('after-kill')
  expect(await second.ask('status')).toBe('owner of 1')
  const names = ['of-first', 'of-second', 'before-kill', 'after-kill']
  const found: string[] = []
  for (const name of names) found.push(await second.ask(`get ${name}`))
  expect(found).toEqual(['again', '2', '3', '4'])
  expect(await second.ask('verify')).toBe('true')
  expect(await second.ask('close')).toBe('undefined')
}
