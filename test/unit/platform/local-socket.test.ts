import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectLocally, type Listener, listenLocally, type Wire } from '../../../src/platform/local-socket'
import { temporaryDirectory } from '../../support/stores'
import { eventually } from '../../support/waiting'

const TIMEOUT_MS = 60_000
const isPosix = process.platform !== 'win32'

/** A path at which nobody listens yet. */
async function newPath(): Promise<string> {
  const folder = join(await temporaryDirectory('/tmp'), 'secret-store')
  await mkdir(folder, { mode: 0o700 })
  return join(folder, 'A'.repeat(22))
}

async function listening(
  most = 10,
): Promise<{ readonly path: string; readonly listener: Listener; readonly wires: Wire[] }> {
  const wires: Wire[] = []
  const path = await newPath()
  const listener = await listenLocally(path, most, (wire) => wires.push(wire))
  onTestFinished(() => listener.close())
  return { path, listener, wires }
}

async function connected(path: string): Promise<Wire> {
  const wire = await connectLocally(path, TIMEOUT_MS)
  if (wire === undefined) throw new Error('expected somebody to listen')
  onTestFinished(() => wire.end())
  return wire
}

/** How often it was told of its end by now. */
function endsOf(wire: Wire): { count: number } {
  const ends = { count: 0 }
  wire.onEnd(() => ends.count++)
  return ends
}

function heardBy(wire: Wire): Buffer[] {
  const heard: Buffer[] = []
  wire.onBytes((bytes) => heard.push(Buffer.from(bytes)))
  return heard
}

describe.runIf(isPosix)('a wire', () => {
  test('carries bytes both ways, and tells both of its end, once', async () => {
    const { path, wires } = await listening()
    const wire = await connected(path)
    const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
    const [here, there] = [heardBy(wire), heardBy(other)]
    const ends = [endsOf(wire), endsOf(other)]
    wire.send(Buffer.from('to the owner'))
    other.send(Buffer.from('to the follower'))
    await eventually(() => {
      expect([Buffer.concat(here).toString(), Buffer.concat(there).toString()]).toEqual([
        'to the follower',
        'to the owner',
      ])
    })
    wire.end()
    await eventually(() => expect(ends.map(({ count }) => count)).toEqual([1, 1]))
    wire.end()
    wire.send(Buffer.from('too late'))
    expect(ends.map(({ count }) => count)).toEqual([1, 1])
  })

  test.each(['end', 'finish'] as const)(
    'that is ended by %s carries what was sent in the same turn before',
    async (end) => {
      const { path, wires } = await listening()
      const wire = await connected(path)
      const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
      const [there, ends] = [heardBy(other), endsOf(other)]
      for (let n = 0; n < 10; n++) wire.send(Buffer.from(`${n}`))
      wire[end]()
      await eventually(() => expect(ends.count).toBe(1))
      expect(Buffer.concat(there).toString()).toBe('0123456789')
    },
  )

  test('tells of an end that came before anybody asked', async () => {
    const { path, wires } = await listening()
    const wire = await connected(path)
    const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
    const first = endsOf(wire)
    other.end()
    await eventually(() => expect(first.count).toBe(1))
    const late = endsOf(wire)
    await eventually(() => expect(late.count).toBe(1))
  })

  test('that is finished has delivered what was sent, and hears nothing more', async () => {
    const { path, wires } = await listening()
    const wire = await connected(path)
    const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
    const heard = heardBy(other)
    const received: number[] = []
    wire.onBytes((bytes) => received.push(bytes.length))
    const ends = [endsOf(wire), endsOf(other)]
    other.send(Buffer.alloc(3_000_000))
    other.finish()
    wire.send(Buffer.from('one more'))
    await eventually(() => expect(ends.map(({ count }) => count)).toEqual([1, 1]))
    expect([received.reduce((sum, length) => sum + length, 0), heard]).toEqual([3_000_000, []])
  })

  test('that is finished ends though the other end takes nothing', async () => {
    const { path, wires } = await listening()
    const socket: Socket = connect({ path })
    onTestFinished(() => void socket.destroy())
    socket.pause()
    const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
    const ends = endsOf(other)
    other.send(Buffer.alloc(8_000_000))
    other.finish()
    await eventually(() => expect(ends.count).toBe(1))
  })

  test('takes nothing from an end that does not take what it is sent, until it does', async () => {
    const { path, wires } = await listening()
    const socket: Socket = connect({ path })
    onTestFinished(() => void socket.destroy())
    socket.pause()
    const other = await eventually(() => wires[0] ?? Promise.reject(new Error('not yet')))
    let asked = 0
    // For each byte, a megabyte.
    other.onBytes((bytes) => {
      asked += bytes.length
      for (const _ of bytes) other.send(Buffer.alloc(1_000_000))
    })
    for (let n = 0; n < 200; n++) {
      socket.write('x')
      await new Promise((resolve) => setImmediate(resolve))
    }
    const before = asked
    expect(other.waitingBytes).toBeLessThan(100_000_000)
    expect(before).toBeLessThan(200)
    socket.resume()
    await eventually(() => expect(asked).toBe(200))
  })
})

describe.runIf(isPosix)('whoever listens', () => {
  test('has a socket of mode 600, and leaves neither it nor a connection', async () => {
    const { path, listener, wires } = await listening()
    expect((await lstat(path)).mode & 0o777).toBe(0o600)
    const wire = await connected(path)
    await eventually(() => expect(wires.length).toBe(1))
    const ends = endsOf(wire)
    await listener.close()
    await eventually(() => expect(ends.count).toBe(1))
    expect(await readdir(join(path, '..'))).toEqual([])
    expect(await connectLocally(path, TIMEOUT_MS)).toBeUndefined()
  })

  test('takes in no more than was said', async () => {
    const { path, wires } = await listening(2)
    const two = [await connected(path), await connected(path)]
    await eventually(() => expect(wires.length).toBe(2))
    const third = await connected(path)
    const ends = endsOf(third)
    await eventually(() => expect(ends.count).toBe(1))
    expect(wires.length).toBe(2)
    two[0]?.end()
    await eventually(async () => {
      await connected(path)
      expect(wires.length).toBe(3)
    })
  })

  test('is refused where somebody is already', async () => {
    const { path } = await listening()
    await expect(listenLocally(path, 1, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe.runIf(isPosix)('nobody is met', () => {
  test('where there is nothing, a file, or nothing that could be an endpoint', async () => {
    const path = await newPath()
    expect(await connectLocally(path, TIMEOUT_MS)).toBeUndefined()
    await writeFile(path, '')
    expect(await connectLocally(path, TIMEOUT_MS)).toBeUndefined()
    for (const text of ['', '8080', 'localhost', '\0abstract', '/run/docker.sock'])
      expect(await connectLocally(text, TIMEOUT_MS)).toBeUndefined()
  })

  test('at a path that the system would cut: no shorter one is connected to', async () => {
    const { path } = await listening()
    const longer = `${path}${'x'.repeat(200)}/secret-store/${'A'.repeat(22)}`
    expect(await connectLocally(longer, TIMEOUT_MS)).toBeUndefined()
  })
})
