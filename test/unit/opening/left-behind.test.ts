import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { account } from 'app-secret-store'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startChild } from '../../support/programs'
import { newStore, ownerOf, sharerOf, socketsFolder, socketsIn } from '../../support/sharing'
import { openStore } from '../../support/stores'
import { eventually } from '../../support/waiting'

/** Sharing keeps no process alive, and leaves nothing, with real processes. */

/** How a process that does something with a store and then has nothing to do ends, and what it says. */
async function ended(
  mode: 'once' | 'closed',
  location: string,
): Promise<{ readonly left: string[]; readonly code: number }> {
  const child = startChild('participant', [mode, location], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = child.stdout === null ? '' : text(child.stdout)
  const [code] = await once(child, 'exit')
  return { left: JSON.parse(await said), code: code as number }
}

describe.runIf(process.platform !== 'win32')('a process that shares', () => {
  test('ends when it has nothing to do, as the owner and as a follower, open as the store is', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    expect((await ended('once', location)).code).toBe(0)
    // It did not close: its owner.json stays until the next owner, and Node has taken its socket away.
    expect(await ownerOf(location)).toMatchObject({ protocol: 1 })
    expect(await socketsIn(sockets)).toEqual([])
    const owner = await sharerOf(location)
    expect((await socketsIn(sockets)).length).toBe(1)
    expect((await ended('once', location)).code).toBe(0)
    expect(await owner.ask({ do: 'set', name: 'n', payload: 'p' })).toEqual({ value: 'set' })
  })

  test('ends as an owner though others follow it, and they go on', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    const child = startChild('participant', ['once', location], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await eventually(() => ownerOf(location))
    const follower = await openStore(location, { shared: true, waitMs: 60_000 })
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(0)
    await follower.set({ scope: account, name: 'n', payload: 'p' })
    expect(await follower.get({ scope: account, name: 'n' })).toBe('p')
  })

  test('ends though it seeks an owner, where one holds the store who does not share', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    const owner = await openStore(location, { shared: true })
    const child = startChild('participant', ['lingering', location], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    const exit = once(child, 'exit')
    child.kill('SIGSTOP')
    await owner.close()
    const alone = await openStore(location)
    child.kill('SIGCONT')
    const start = performance.now()
    await exit
    // It would seek for a minute.
    expect(performance.now() - start).toBeLessThan(20_000)
    expect(child.exitCode).toBe(0)
    await alone.close()
  })

  test('ends though somebody is connected to it who says nothing', async () => {
    const [location] = [await newStore(), await socketsFolder()]
    const child = startChild('participant', ['once', location], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const { endpoint } = await eventually(() => ownerOf(location))
    const socket = connect({ path: endpoint })
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(0)
  })

  test('has no socket, pipe or timer after close, as the owner and as a follower', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    // The handles are seen where they are.
    expect((await ended('once', location)).left).toContain('pipe')
    expect(await ended('closed', location)).toEqual({ left: [], code: 0 })
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
    expect(await socketsIn(sockets)).toEqual([])
    const owner = await openStore(location, { shared: true })
    expect(await ended('closed', location)).toEqual({ left: [], code: 0 })
    await owner.close()
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
    expect(await socketsIn(sockets)).toEqual([])
  })

  test('leaves nothing after a kill, a reopening and a close, ten times over', async () => {
    const [location, sockets] = [await newStore(), await socketsFolder()]
    for (let n = 0; n < 10; n++) {
      const owner = await sharerOf(location)
      expect(await owner.ask({ do: 'set', name: `n${n}`, payload: 'p' })).toEqual({ value: 'set' })
      await owner.kill()
      expect((await socketsIn(sockets)).length).toBe(1)
    }
    const store = await openStore(location, { shared: true })
    expect((await socketsIn(sockets)).length).toBe(1)
    expect((await store.verify()).records).toBe(10)
    await store.close()
    expect((await readdir(location)).sort()).toEqual(['data', 'keyring.json'])
    expect(await socketsIn(sockets)).toEqual([])
  })
})
