import { once } from 'node:events'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { account } from 'app-secret-store'
import { expect, test } from 'vitest'
import { newStore, sharerOf, socketsFolder } from '../../support/sharing'
import { openStore, testKey } from '../../support/stores'

test.runIf(process.platform !== 'win32')(
  'a process that takes over ends a change of keys that ended between keyring.json and the head',
  async () => {
    const location = await newStore()
    await socketsFolder()
    const data = join(location, 'data')
    const owner = await openStore(location, { shared: true })
    await owner.set({ scope: account, name: 'n', payload: 'p' })
    const next = await sharerOf(location)
    next.process.kill('SIGSTOP')
    await owner.close()
    // What a crash leaves: the new keyring.json, and the rows of before.
    await cp(data, `${location}.data`, { recursive: true })
    const crashed = await openStore(location)
    await crashed.addKey(testKey(9))
    await crashed.close()
    await rm(data, { recursive: true })
    await cp(`${location}.data`, data, { recursive: true })
    await rm(`${location}.data`, { recursive: true })
    next.process.kill('SIGCONT')
    for (const name of ['a', 'b', 'c']) {
      expect(await next.ask({ do: 'set', name, payload: name })).toEqual({ value: 'set' })
    }
    const beside = await openStore(location, { shared: true, key: testKey(9) })
    expect(await beside.get({ scope: account, name: 'c' })).toBe('c')
    await beside.close()
    next.process.kill('SIGKILL')
    await once(next.process, 'exit')
    const alone = await openStore(location, { waitMs: 10_000 })
    expect(await alone.verify()).toEqual({ ok: true, records: 4, problems: [] })
    expect(alone.keys()).toHaveLength(2)
  },
)
