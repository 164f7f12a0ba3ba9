import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectLocally, listenLocally } from '../../../src/platform/local-socket'
import { newStore, plantOwner, Sharer, sharerOf, socketsFolder } from '../../support/sharing'
import { openStore } from '../../support/stores'

/** A store whose files a process holds, and an endpoint at which one connection is taken in, and no other. */
async function fullOwner(): Promise<{ readonly location: string; readonly endpoint: string; readonly holder: number }> {
  const [location, sockets] = [await newStore(), await socketsFolder()]
  const holder = (await sharerOf(location, { shared: false })).process.pid as number
  await mkdir(sockets, { recursive: true, mode: 0o700 })
  const endpoint = join(sockets, 'A'.repeat(22))
  const listener = await listenLocally(endpoint, 1, () => {})
  onTestFinished(() => listener.close())
  await connectLocally(endpoint, 60_000)
  return { location, endpoint, holder }
}

function refusalOf(location: string): Promise<{ readonly code: string; readonly message: string }> {
  return openStore(location, { shared: true }).then(
    () => Promise.reject(new Error('expected a refusal, got a store')),
    (error) => error,
  )
}

describe.runIf(process.platform === 'linux')('an owner that takes no more connections', () => {
  test('is named as the reason', async () => {
    const { location, endpoint, holder } = await fullOwner()
    await plantOwner(location, { endpoint, pid: holder })
    const { code, message } = await refusalOf(location)
    expect([code, message.replace(/since [\d:T-]+Z/, 'since then')]).toEqual([
      'ERR_LOCKED',
      `store: expected the process that shares it to take in another, got the end of the connection: process ${holder} (node participant.mjs), which runs since then: it takes no more connections, or is about to end`,
    ])
  })

  test('is told from a process that hangs up and does not hold the files', async () => {
    const { location, endpoint, holder } = await fullOwner()
    const named = new Sharer().process.pid as number
    await plantOwner(location, { endpoint, pid: named })
    const { code, message } = await refusalOf(location)
    expect(code).toBe('ERR_LOCKED')
    expect(message).toContain(`(process ${named}, which owner.json names, ended the connection without an answer)`)
    expect(message).toContain(`process ${holder} (node participant.mjs)`)
  })
})
