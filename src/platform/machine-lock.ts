import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { userInfo } from 'node:os'

/** The longest wait for another holder: anybody on the machine could take the name and keep it. */
const PATIENCE_MS = 5_000
const RETRY_MS = 20

/**
 * Runs `work` while no other process of this user, on this machine, runs one of this name. The lock is the name of a
 * socket (Linux, unix(7), "abstract") or pipe (Windows), and goes with its process. Best effort: on other systems, and
 * after `patienceMs` (5 seconds), the work is done all the same.
 */
export async function aloneOnMachine<T>(
  name: string,
  signal: AbortSignal,
  work: () => Promise<T>,
  patienceMs: number = PATIENCE_MS,
): Promise<T> {
  const address = addressOf(name)
  const lock = address === undefined ? undefined : await acquire(address, signal, patienceMs)
  try {
    signal.throwIfAborted()
    return await work()
  } finally {
    lock?.close()
  }
}

function addressOf(name: string): string | undefined {
  const id = createHash('sha256').update(`${userInfo().username}\0${name}`).digest('hex').slice(0, 32)
  if (process.platform === 'linux') return `\0secret-store-${id}`
  if (process.platform === 'win32') return `\\\\.\\pipe\\secret-store-${id}`
  return undefined
}

async function acquire(address: string, signal: AbortSignal, patienceMs: number): Promise<Server | undefined> {
  // By the clock: on a busy machine an attempt takes much longer than the pause after it.
  for (const end = performance.now() + patienceMs; performance.now() < end && !signal.aborted; ) {
    const server = await listen(address)
    if (server !== undefined) return server
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
  return undefined
}

/** @returns `undefined` if the name is taken, or cannot be. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.unref()
    server.once('error', () => resolve(undefined))
    server.listen({ path: address, exclusive: true }, () => resolve(server))
  })
}
