import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Server } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { addressOf, aloneOnMachine } from '../../../src/platform/machine-lock'
import { startChild } from '../../support/programs'
import { eventually } from '../../support/waiting'

const LOCKS = process.platform === 'linux' || process.platform === 'win32'
if (!LOCKS) console.warn(`skipped: no lock of the machine on ${process.platform}`)

const NEVER = new AbortController().signal
let made = 0
const newName = (): string => `test ${process.pid} ${made++}`

test.skipIf(!LOCKS)('work of one name is done one at a time, that of others beside it', async () => {
  const name = newName()
  let running = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await aloneOnMachine(newName(), NEVER, async () => {})
    running--
  }
  await Promise.all(Array.from({ length: 8 }, () => aloneOnMachine(name, NEVER, work)))
  expect(most).toBe(1)
})

test.skipIf(!LOCKS)('another process is kept out, until the holder is killed', async () => {
  const name = newName()
  const holder = startChild('lock-holder', [name])
  await once(holder, 'message')
  let done = false
  const work = aloneOnMachine(name, NEVER, async () => {
    done = true
  })
  const asked = vi.spyOn(Server.prototype, 'listen')
  onTestFinished(() => asked.mockRestore())
  // Whoever asks a third time was refused twice.
  await eventually(() => expect(asked.mock.calls.length).toBeGreaterThan(2))
  expect(done).toBe(false)
  holder.kill('SIGKILL')
  await work
  expect(done).toBe(true)
})

const asRoot = process.platform === 'linux' && process.getuid?.() === 0
if (!asRoot) console.warn('skipped: a name that another user has taken (needs Linux and root)')

test.skipIf(!asRoot)('a name that another user has taken is not waited for', async (context) => {
  const name = newName()
  const squat = `require('node:net').createServer().listen('\\0' + process.argv[1], () => console.log('has it'))`
  const address = (addressOf(name) as string).slice(1)
  const squatter = spawn(process.execPath, ['-e', squat, address], {
    uid: 65_534,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void squatter.kill('SIGKILL'))
  const ended = once(squatter, 'exit').catch(() => undefined)
  const hasIt = await Promise.race([once(squatter.stdout, 'data').then(() => true), ended.then(() => false)])
  if (!hasIt) context.skip('another user may not run this Node: it lies in a folder that is private')
  // Without end: who waited for the squatter would wait until the test is over.
  expect(await aloneOnMachine(name, NEVER, async () => 'done', Number.POSITIVE_INFINITY)).toBe('done')
  expect(squatter.exitCode).toBeNull()
})

test('work that fails gives the lock back', async () => {
  const name = newName()
  const failing = aloneOnMachine(name, NEVER, () => Promise.reject(new Error('no')))
  await expect(failing).rejects.toThrow('no')
  expect(await aloneOnMachine(name, NEVER, async () => 'yes')).toBe('yes')
})

test('what is aborted is not begun', async () => {
  let begun = false
  const work = async (): Promise<void> => {
    begun = true
  }
  await expect(aloneOnMachine(newName(), AbortSignal.abort(new Error('late')), work)).rejects.toThrow('late')
  expect(begun).toBe(false)
})

test.skipIf(!LOCKS)('the wait is bounded by the clock, however long an attempt takes', async () => {
  const name = newName()
  void aloneOnMachine(name, NEVER, () => new Promise(() => {}))
  const listen = Server.prototype.listen
  const asked = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...given: unknown[]) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60)
    return Reflect.apply(listen, this, given)
  })
  onTestFinished(() => asked.mockRestore())
  await aloneOnMachine(name, NEVER, async () => {}, 200)
  // 60 ms each, where 200 ms of pauses alone would be ten.
  expect(asked.mock.calls.length).toBeLessThanOrEqual(4)
})

test('who never gives it back does not keep others for ever', async () => {
  const name = newName()
  void aloneOnMachine(name, NEVER, () => new Promise(() => {}))
  expect(await aloneOnMachine(name, NEVER, async () => 'done', 100)).toBe('done')
})
