import { createHash } from 'node:crypto'
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { userInfo } from 'node:os'

/** The longest wait for another holder: anybody on the machine could take the name and keep it. */
const PATIENCE_MS = 5_000

const PAUSE_MS = 50

/**
 * Runs `work` while no other process of this user, on this machine, runs one of this name. The lock is the name of a
 * socket (Linux, unix(7), "abstract") or pipe (Windows), and goes with its process. Best effort: on other systems, where a
 * process of another user has the name (Linux tells), and after `patienceMs` (5 seconds), the work is done all the same.
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

/** Where the lock of a name is; `undefined` where there is none. */
export function addressOf(name: string): string | undefined {
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
    if (await isAnothers(address)) return undefined
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
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

/**
 * Whether no process of this user has the socket, as far as the system tells (Linux does). Anybody can take the name: who
 * does is not to be waited for.
 */
async function isAnothers(address: string): Promise<boolean> {
  if (process.platform !== 'linux') return false
  try {
    // `address: 2 00010000 0001 01 4242 @secret-store-…`: the inode is before the name.
    const line = (await readFile('/proc/net/unix', 'utf8'))
      .split('\n')
      .find((one) => one.includes(`@${address.slice(1)}`))
    const inode = line?.trim().split(/ +/).at(-2)
    return inode !== undefined && !(await isOpenInOwnProcess(`socket:[${inode}]`))
  } catch {
    return false
  }
}

/** @param target - What the link of a descriptor says. */
async function isOpenInOwnProcess(target: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    try {
      const folder = `/proc/${pid}/fd`
      if ((await stat(folder)).uid !== process.getuid?.()) continue
      const links = await Promise.all((await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')))
      if (links.includes(target)) return true
    } catch {
      // It ended meanwhile, or is another user's.
    }
  }
  return false
}
