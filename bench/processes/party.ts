import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { Store } from '../contenders/contender'
import { entryOf } from '../contenders/registry'
import { nameOf, Secrets } from '../data'

/** What a process does with what it has in common with the others. */
export interface Party {
  /** Reads these secrets, all at a time, and checks what it gets. */
  get(indexes: readonly number[]): Promise<unknown>
  /** Sets them to payloads that are new with each salt. */
  set(indexes: readonly number[], salt: number): Promise<unknown>
  close(): unknown
}

/** The contender that is no store: bytes there and back over a socket of the system. */
export const SOCKET = 'socket'
const ECHO_BYTES = 300
const PAYLOAD_BYTES = 256

export interface Place {
  readonly contender: string
  readonly directory: string
  /** How many there are. */
  readonly secrets: number
  /** Whether it answers the others and does nothing itself. */
  readonly idle: boolean
}

export async function partyAt({ contender, directory, secrets, idle }: Place): Promise<Party> {
  const path = join(directory, 'socket')
  if (contender === SOCKET) return idle ? answerAt(path) : askAt(path)
  const library = await entryOf(contender).load()
  return storeParty(await library.open(directory, { shared: true }), new Secrets(secrets, PAYLOAD_BYTES, 'plain'))
}

function storeParty(store: Store, secrets: Secrets): Party {
  const get = async (index: number): Promise<void> => {
    if (!secrets.isPayload(await store.get(nameOf(index)), index)) {
      throw new Error('get: expected a payload, got another')
    }
  }
  return {
    get: (indexes) => Promise.all(indexes.map(get)),
    async set(indexes, salt) {
      const given = indexes.map((index, n) => secrets.secret(index, salt + n))
      const [first] = given
      await (given.length === 1 && first !== undefined ? store.set(first) : store.setAtOnce(given))
    },
    close: () => store.close(),
  }
}

async function answerAt(path: string): Promise<Party> {
  const server = createServer((socket) => void socket.pipe(socket))
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const nothing = (): Promise<never> => Promise.reject(new Error('socket: expected it to answer alone, got a call'))
  return { get: nothing, set: nothing, close: () => server.close() }
}

async function askAt(path: string): Promise<Party> {
  const socket = connect(path)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  let missing = 0
  let answered = (): void => {}
  socket.on('data', ({ length }) => {
    missing -= length
    if (missing === 0) answered()
  })
  const ask = (indexes: readonly number[]): Promise<void> =>
    new Promise((resolve) => {
      missing = ECHO_BYTES * indexes.length
      answered = resolve
      for (const _ of indexes) socket.write(new Uint8Array(ECHO_BYTES))
    })
  return { get: ask, set: ask, close: () => socket.destroy() }
}
