import type { Keyring } from '../../src/crypto/keyring'
import { SecretStoreError } from '../../src/errors'
import { sinceBootMs } from '../../src/platform/since-boot'
import { addTo, type Batch, type Change, type Engine, type Row } from '../../src/storage/engine'
import { HEAD_ROW } from '../../src/storage/keyspace'
import { MemoryEngine } from '../../src/storage/memory-engine'
import type { Connection } from '../../src/storage/sharing/connection'
import { Owner } from '../../src/storage/sharing/owner'
import { RemoteOwner } from '../../src/storage/sharing/remote-owner'
import type { Role, RoleEvents, Sharing } from '../../src/storage/sharing/role'
import { SharedEngine } from '../../src/storage/sharing/shared-engine'
import { WriteTurns } from '../../src/storage/sharing/turns'
import { newKeyring } from './records'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value)

/** What a store of these tests begins with. */
const FIRST: readonly Row[] = [{ key: HEAD_ROW, value: bytes('head 0') }]

/** Messages between two ends of this process, in order, each in a turn of the event loop of its own. */
export class Link {
  /** Held messages arrive when they are let go of. */
  holds: { toOwner: boolean; toFollower: boolean } = { toOwner: false, toFollower: false }
  readonly #held: { readonly to: 'toOwner' | 'toFollower'; readonly deliver: () => void }[] = []
  readonly #onEnd: (() => void)[] = []
  isCut = false
  /** A longer message is not sent. */
  mostBytes: number = Number.POSITIVE_INFINITY
  /** Says who takes what the owner sends. */
  setReceiver: (receive: (message: Uint8Array) => void) => void = () => {}

  end(onMessage: (message: Uint8Array) => void, to: 'toOwner' | 'toFollower'): Connection {
    const send = (message: Uint8Array): void => {
      if (message.length > this.mostBytes) throw new SecretStoreError('ERR_IO', 'link: expected a shorter message')
      const deliver = (): void => void (this.isCut || onMessage(message))
      if (this.holds[to]) this.#held.push({ to, deliver })
      else setImmediate(deliver)
    }
    return { send, end: () => this.cut(), finish: () => this.cut(), waitingBytes: 0 } as never
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  /** In one go, as when several messages come in one piece. */
  letGo(): void {
    this.holds = { toOwner: false, toFollower: false }
    for (const { deliver } of this.#held.splice(0)) deliver()
  }

  cut(): void {
    if (this.isCut) return
    this.isCut = true
    setImmediate(() => {
      for (const listener of this.#onEnd) listener()
    })
  }
}

/** Files that several writers of one process share, without sockets and disks. */
export class Medium {
  readonly rows: MemoryEngine = new MemoryEngine(FIRST)
  readonly keyring: Keyring = newKeyring()
  owner: Owner | undefined
  /** Of the followers, in the order of their coming. */
  readonly links: Link[] = []
  /** How many batches have reached the files. */
  writes = 0
  /** How often somebody has held the files. */
  owners = 0
  /** Called before a batch is written: may wait, or throw. */
  beforeWrite: () => void | Promise<void> = () => {}
  /** Called after it. */
  afterWrite: () => void = () => {}
  onErase: () => void | Promise<void> = () => {}
  adopt: () => Promise<void> = async () => {}
  outcomeOf: Sharing['outcomeOf'] = () => 'overtaken'
  turnMs = 2000
  graceMs = 0
  deadlineMs = 10_000
  sinceBootMs: number = sinceBootMs()
  #serve: ((link: Link) => (message: Uint8Array) => void) | undefined

  /** Another writer. @param adopt - How it takes over keys. */
  writer(adopt: () => Promise<void> = () => this.adopt()): SharedEngine {
    return new SharedEngine(this.sharing(adopt))
  }

  sharing(adopt: () => Promise<void>): Sharing {
    const seek = async (events: RoleEvents): Promise<Role> =>
      this.#serve === undefined ? this.#hold(events) : this.#follow(events, this.#serve)
    return {
      seek,
      adopt,
      outcomeOf: (keyring) => this.outcomeOf(keyring),
      pid: 1,
      deadlineMs: this.deadlineMs,
      sinceBootMs: () => this.sinceBootMs,
    }
  }

  /** The owner dies: nothing that it had not written will be. */
  kill(): void {
    this.owner?.end()
    this.#serve = undefined
    for (const link of this.links) link.cut()
  }

  #hold(events: RoleEvents): Role {
    this.owners++
    const engine = this.#handle()
    const leave = async (): Promise<void> => {
      owner.end()
      if (this.owner === owner) this.#serve = undefined
      for (const link of this.links) link.cut()
    }
    const onFailure = (): void => void leave().then(() => events.onEnd())
    const owner = new Owner(engine, onFailure, this.graceMs, new WriteTurns(this.turnMs))
    this.owner = owner
    this.#serve = (link) => {
      let connection: Connection
      const served = owner.serve(() => connection)
      link.onEnd(() => served.onEnd())
      connection = link.end((message) => receive(message), 'toFollower')
      let receive: (message: Uint8Array) => void = () => {}
      link.setReceiver = (to) => {
        receive = to
      }
      return (message) => served.onMessage(message)
    }
    return { kind: 'owner', owner, engine, leave }
  }

  #follow(events: RoleEvents, serve: (link: Link) => (message: Uint8Array) => void): Role {
    const link = new Link()
    this.links.push(link)
    let connection: Connection
    const remote = new RemoteOwner(
      () => connection,
      (item) => events.onCommit(item),
      () => events.onEnd(),
    )
    connection = link.end(serve(link), 'toOwner')
    link.onEnd(() => remote.onEnd())
    link.setReceiver(remote.onMessage)
    return { kind: 'follower', remote }
  }

  /** The files as one owner has them open. */
  #handle(): Engine {
    const { rows } = this
    const handle = Object.create(rows) as Engine
    return Object.assign(handle, {
      canReadSync: () => true,
      getSync: (key: Uint8Array) => rows.getSync(key),
      get: (key: Uint8Array) => rows.get(key),
      getMany: (keys: readonly Uint8Array[]) => rows.getMany(keys),
      scan: rows.scan.bind(rows),
      scanKeys: rows.scanKeys.bind(rows),
      batch: () => this.#batch(),
      erase: async () => this.onErase(),
      close: async () => {},
    })
  }

  #batch(): Batch {
    const changes: Change[] = []
    let keyring: Uint8Array | undefined
    return {
      put: (key, value) => void changes.push({ type: 'put', key, value }),
      del: (key) => void changes.push({ type: 'del', key }),
      keyring: async (next) => {
        keyring = next
      },
      describe() {},
      close: async () => {},
      write: async (expectedHead) => {
        await this.beforeWrite()
        this.writes++
        const batch = this.rows.batch()
        addTo(batch, changes)
        if (keyring !== undefined) await batch.keyring(keyring)
        const isWritten = await batch.write(expectedHead)
        this.afterWrite()
        return isWritten
      },
    }
  }
}

/** Writes one row and a head, planned on the head that is there. @returns Whether it was written. */
export async function commit(
  writer: SharedEngine,
  key: string,
  value: string,
  head = `head ${value}`,
): Promise<boolean> {
  const pass = await writer.turn()
  try {
    return await write(writer, await writer.get(HEAD_ROW), key, value, head)
  } finally {
    pass()
  }
}

/** The same at a turn that was taken, on a head that was read. */
export function write(
  writer: SharedEngine,
  expectedHead: Uint8Array | undefined,
  key: string,
  value: string,
  head = `head ${value}`,
): Promise<boolean> {
  const batch = writer.batch()
  batch.put(bytes(key), bytes(value))
  batch.put(HEAD_ROW, bytes(head))
  return batch.write(expectedHead)
}

export function diskFull(): SecretStoreError {
  return new SecretStoreError('ERR_IO', 'data: expected to write it, got ENOSPC')
}

/** Lets messages come and go. */
export async function turnsOfLoop(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}
