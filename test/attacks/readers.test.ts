import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { account } from '../../src/index'
import { startChild } from '../support/programs'
import { directoryDigest, newLocation, openStore } from '../support/stores'

const tells = ['linux', 'win32'].includes(process.platform)
if (!tells) console.warn(`skipped: who holds a lock (${process.platform} does not tell)`)

/** What an error says of who has the store open: where the system tells it, a process that was started just now. */
function expectHolder({ message }: Error, said: string, pid: number | undefined): void {
  if (process.platform !== 'linux') {
    expect(message).toBe(said)
    return
  }
  const [who, since = ''] = message.split(', which runs since ')
  expect(who).toBe(`${said}: process ${pid} (node opener.mjs)`)
  expect(Math.abs(Date.parse(since) - Date.now())).toBeLessThan(10 * 60_000)
}

test.skipIf(!tells)(
  'a reader finds a store locked that another process has open, and idle, and it stays so',
  async () => {
    const location = await newLocation()
    const store = await openStore(location)
    await store.set({ scope: account, name: 'n', payload: 'p' })
    await store.close()
    const owner = startChild('opener', ['run'])
    onTestFinished(() => void owner.kill('SIGKILL'))
    const tell = async (command: object): Promise<unknown> => {
      owner.send(command)
      return (await once(owner, 'message'))[0]
    }
    expect(await tell({ do: 'open', location })).not.toHaveProperty('error')
    const before = await directoryDigest(location)
    const refused = async (readOnly: boolean): Promise<Error> => {
      const error = await openStore(location, { readOnly }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ERR_LOCKED' })
      return error as Error
    }
    expectHolder(await refused(true), 'store: expected nobody to have it open, got an opener', owner.pid)
    expect(await directoryDigest(location)).toBe(before)
    // The reader has taken nobody's lock away.
    expectHolder(await refused(false), 'store: expected to be its only opener, got another one', owner.pid)
    expect(await tell({ do: 'set', name: 'm', payload: 'q' })).not.toHaveProperty('error')
    await tell({ do: 'close' })
    const reader = await openStore(location, { readOnly: true })
    expect(await reader.get({ scope: account, name: 'm' })).toBe('q')
  },
)
