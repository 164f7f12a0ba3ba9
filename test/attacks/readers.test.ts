import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { account } from '../../src/index'
import { startChild } from '../support/programs'
import { codeOf, directoryDigest, newLocation, openStore } from '../support/stores'

const tells = ['linux', 'win32'].includes(process.platform)
if (!tells) console.warn(`skipped: who holds a lock (${process.platform} does not tell)`)

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
    await expect(openStore(location, { readOnly: true })).rejects.toMatchObject({
      code: 'ERR_LOCKED',
      message: 'store: expected nobody to have it open, got an opener',
    })
    expect(await directoryDigest(location)).toBe(before)
    // The reader has taken nobody's lock away.
    expect(await codeOf(() => openStore(location))).toBe('ERR_LOCKED')
    expect(await tell({ do: 'set', name: 'm', payload: 'q' })).not.toHaveProperty('error')
    await tell({ do: 'close' })
    const reader = await openStore(location, { readOnly: true })
    expect(await reader.get({ scope: account, name: 'm' })).toBe('q')
  },
)
