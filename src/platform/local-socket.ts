import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../base/thrown'

/** One end of a connection between two processes of this machine. It keeps no process alive. */
export interface Wire {
  /** Bytes that were sent and that the other end has not taken. */
  readonly waitingBytes: number
  send(bytes: Uint8Array): void
  /** Ends it at once; `onEnd` is called all the same. */
  end(): void
  /** Ends it when the other end has taken what was sent. */
  finish(): void
  /** In the place of the listener before it. */
  onBytes(listener: (bytes: Uint8Array) => void): void
  /** Called once. */
  onEnd(listener: () => void): void
  /** Whether the process waits for it. */
  keepAlive(isKept: boolean): void
}

export interface Listener {
  readonly endpoint: string
  /** Takes in nobody any more, and removes the socket. */
  close(): Promise<void>
}

/**
 * Listens where `newEndpoint` says.
 *
 * @param mostConnections - More are ended at once.
 */
export function listenLocally(
  endpoint: string,
  mostConnections: number,
  onWire: (wire: Wire) => void,
): Promise<Listener> {
  const server = createServer((socket) => onWire(wireOf(socket)))
  server.maxConnections = mostConnections
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path: endpoint, readableAll: false, writableAll: false }, () => {
      server.off('error', reject)
      // A connection that fails is its own end.
      server.on('error', () => {})
      server.unref()
      const close = async (): Promise<void> => {
        server.close()
        if (process.platform !== 'win32') await rm(endpoint, { force: true })
      }
      resolve({ endpoint, close })
    })
  })
}

/** @returns `undefined` if nobody listens there. */
export function connectLocally(endpoint: string, timeoutMs: number): Promise<Wire | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(endpoint)
    const timer = setTimeout(() => settle(new Error('connect: expected an answer in time, got none')), timeoutMs)
    const settle = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('error', settle)
      if (error === undefined) resolve(wireOf(socket))
      else {
        socket.destroy()
        if (NOBODY.has(codeOf(error) ?? '')) resolve(undefined)
        else reject(error)
      }
    }
    socket.once('error', settle)
    socket.once('connect', () => settle())
  })
}

/** There is no such socket, or nobody listens at it. */
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'])

function wireOf(socket: Socket): Wire {
  socket.setNoDelay?.(true)
  socket.on('error', () => socket.destroy())
  socket.unref()
  let onBytes: (bytes: Uint8Array) => void = () => {}
  socket.on('data', (bytes) => onBytes(bytes))
  return {
    get waitingBytes() {
      return socket.writableLength
    },
    send: (bytes) => void socket.write(bytes),
    end: () => void socket.destroy(),
    finish: () => void socket.end(),
    onBytes(listener) {
      onBytes = listener
    },
    onEnd: (listener) => void socket.once('close', listener),
    keepAlive: (isKept) => void (isKept ? socket.ref() : socket.unref()),
  }
}

/** Linux has room for 108 bytes and macOS for 104, and Node 20 and 22 cut a longer path without a word. */
const MOST_PATH_BYTES = 100

/**
 * A place to listen at that nobody else has, in a folder that is this user's alone: a new socket is open to everybody, so
 * that the folder has to protect it. A pipe of Windows can be read by everybody; its name is random, and the handshake does
 * the rest.
 *
 * @param name - Random, of letters, digits, `-` and `_`.
 * @throws {Error} If there is no such folder.
 */
export function newEndpoint(name: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\secret-store-${name}`
  const uid = process.getuid?.() ?? 0
  const runtime = process.env['XDG_RUNTIME_DIR']
  const folders = [...(runtime ? [join(runtime, 'secret-store')] : []), join(tmpdir(), `secret-store-${uid}`)]
  if (tmpdir() !== '/tmp') folders.push(join('/tmp', `secret-store-${uid}`))
  const reasons: string[] = []
  for (const folder of folders) {
    const path = join(folder, name)
    const reason =
      Buffer.byteLength(path) > MOST_PATH_BYTES
        ? `its path is longer than ${MOST_PATH_BYTES} bytes`
        : claim(folder, uid)
    if (reason === undefined) return path
    reasons.push(`${folder}: ${reason}`)
  }
  throw new Error(`socket: expected a folder of this user's own for it, got none (${reasons.join('; ')})`)
}

/** @returns Why it is no folder of this user's own, if it is not. */
function claim(folder: string, uid: number): string | undefined {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') return codeOf(error) ?? 'it cannot be made'
  }
  const found = lstatSync(folder)
  if (!found.isDirectory()) return 'it is no folder'
  if (found.uid !== uid) return 'it belongs to another user'
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700)
  return undefined
}
