import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { account } from 'app-secret-store'
import { expect, onTestFinished, test } from 'vitest'
import { readKeyringFile } from '../../src/crypto/keyring'
import { findSlot } from '../../src/keys/unlock'
import { IndependentFollower, u32 } from '../support/independent-follower'
import { ownerOf, socketsFolder } from '../support/sharing'
import { newLocation, openStore, testKey } from '../support/stores'

test.runIf(process.platform !== 'win32')(
  'a follower that is written from §16 alone joins, reads, takes turns, hears',
  async () => {
    await socketsFolder()
    const location = await newLocation()
    const store = await openStore(location, { shared: true })
    await store.set({ scope: account, name: 'first', payload: 'p' })
    const { file } = readKeyringFile(await readFile(join(location, 'keyring.json')))
    const { rootKey } = await findSlot(file, testKey())
    const { endpoint } = await ownerOf(location)
    const follower = await IndependentFollower.join(endpoint, rootKey, file.storeId)
    onTestFinished(() => follower.end())

    // meet
    follower.send(Buffer.concat([Buffer.of(10), u32(7), u32(4242)]))
    const met = await follower.receive()
    expect(met.subarray(0, 6)).toEqual(Buffer.of(0, 0, 0, 0, 7, 1))
    expect(met.readUInt32BE(6)).toBe(met.length - 10)
    expect(JSON.parse(`${met.subarray(10)}`)).toEqual([
      { pid: process.pid, owner: true },
      { pid: 4242, owner: false },
    ])

    // get of the head, and a scan of all records
    follower.send(Buffer.concat([Buffer.of(0), u32(8), u32(1), Buffer.from('h')]))
    const head = await follower.receive()
    expect(head.subarray(0, 6)).toEqual(Buffer.of(0, 0, 0, 0, 8, 1))
    follower.send(
      Buffer.concat([Buffer.of(3), u32(9), u32(1), Buffer.from('r'), u32(1), Buffer.from('s'), u32(10), Buffer.of(0)]),
    )
    const key = Buffer.from('rt|account|first')
    expect(await follower.receive()).toEqual(
      Buffer.concat([Buffer.of(1), u32(9), u32(1), Buffer.of(1), u32(key.length), key]),
    )

    // A turn: its answer is the head. Its commit on another head is refused, and ends it.
    follower.send(Buffer.concat([Buffer.of(4), u32(10), u32(0)]))
    expect((await follower.receive()).subarray(5)).toEqual(head.subarray(5))
    follower.send(Buffer.concat([Buffer.of(5), u32(11), Buffer.of(0), u32(0), u32(0), Buffer.of(0)]))
    expect(await follower.receive()).toEqual(Buffer.concat([Buffer.of(3), u32(11), Buffer.of(0)]))

    // The feed: the first commit that it hears of, with the head that is there then.
    await store.set({ scope: account, name: 'second', payload: 'q' })
    const feed = await follower.receive()
    expect(feed[0]).toBe(0xff)
    const headBytes = feed.readUInt32BE(9)
    follower.send(Buffer.concat([Buffer.of(0), u32(12), u32(1), Buffer.from('h')]))
    expect((await follower.receive()).subarray(10)).toEqual(feed.subarray(13, 13 + headBytes))
    const note = feed.subarray(13 + headBytes + 4, -1)
    expect(JSON.parse(`${note}`)).toMatchObject({
      rows: [
        [Buffer.from('rt|account|second').toString('base64url'), null, { record: { address: { name: 'second' } } }],
      ],
      told: [{ type: 'set', record: { address: { name: 'second' } } }],
    })
    expect(feed.at(-1)).toBe(0)
    expect(feed.includes(Buffer.from('"q"'))).toBe(false)
  },
)
