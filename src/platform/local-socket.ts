import { chmodSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { codeOf } from '../base/thrown'
import { isEndpoint } from './endpoints'

/** One end of a connection between two processes of this machine. It keeps no process alive unless told to. */
export interface Wire {
  /** Bytes that were sent and that the other end has not taken. */
  readonly waitingBytes: number
  send(bytes: Uint8Array): void
  /** Ends it at once; `onEnd` is called all the same. */
  end(): void
  /** Takes nothing any more, and ends it when the other end has taken what was sent, or after 2 seconds. */
  finish(): void
  /** In the place of the listener before it. */
  onBytes(listener: (bytes: Uint8Array) => void): void
  /** Called once, also if the end was before. */
  onEnd(listener: () => void): void
}

/** Where other processes are taken in. It keeps no process alive. */
export interface Listener {
  readonly endpoint: string
  /** Takes in nobody any more, ends every connection that it has taken in, and removes the socket. */
  close(): Promise<void>
}

const FINISH_MS = 2000
/** Nothing more is taken from an end that has not taken so much of what it was sent. */
const MOST_UNTAKEN_BYTES: number = 16 * 1024 * 1024

/**
 * Listens where `newEndpoint` says.
 *
 * @param mostConnections - More are ended at once.
 * @param onWire - Called with each connection; what it does not take in stays within the system's own buffers.
 * @throws Node's errors.
 */
export function listenLocally(
  endpoint: string,
  mostConnections: number,
  onWire: (wire: Wire) => void,
): Promise<Listener> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Who asks and does not listen has what he asked for pile up here.
    socket.on('data', () => {
      if (socket.writableLength <= MOST_UNTAKEN_BYTES) return
      socket.pause()
      socket.once('drain', () => socket.resume())
    })
    onWire(wireOf(socket))
  })
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
        for (const socket of sockets) socket.destroy()
        if (process.platform !== 'win32') await rm(endpoint, { force: true })
      }
      try {
        // Its folder protects it already.
        if (process.platform !== 'win32') chmodSync(endpoint, 0o600)
        resolve({ endpoint, close })
      } catch (error) {
        close().finally(() => reject(error))
      }
    })
  })
}

/**
 * @param endpoint - From a file, as somebody has written it.
 * @returns `undefined` if nobody listens there, or if no process that shares a store would.
 * @throws Node's errors, and one if it takes longer than `timeoutMs`.
 */
export function connectLocally(endpoint: string, timeoutMs: number): Promise<Wire | undefined> {
  if (!isEndpoint(endpoint)) return Promise.resolve(undefined)
  return new Promise((resolve, reject) => {
    // As an object: a text alone may be a port to Node.
    const socket = connect({ path: endpoint })
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
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'])

function wireOf(socket: Socket): Wire {
  let onBytes: (bytes: Uint8Array) => void = () => {}
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  /** Whether what is sent waits for the end of this turn. */
  let isHeld = false
  const letGo = (): void => {
    isHeld = false
    socket.uncork()
  }
  socket.setNoDelay?.(true)
  socket.on('error', () => socket.destroy())
  socket.once('close', () => {
    isClosed = true
    clearTimeout(timer)
  })
  socket.unref()
  socket.on('data', (bytes) => onBytes(bytes))
  return {
    get waitingBytes() {
      return socket.writableLength
    },
    send(bytes) {
      // Answers to what came together go together: a call of the system costs more than to seal one of them.
      if (!isHeld) {
        isHeld = true
        socket.cork()
        process.nextTick(letGo)
      }
      socket.write(bytes)
    },
    end() {
      if (isHeld) letGo()
      socket.destroy()
    },
    finish() {
      onBytes = () => {}
      timer ??= setTimeout(() => socket.destroy(), FINISH_MS).unref()
      socket.destroySoon()
    },
    onBytes(listener) {
      onBytes = listener
    },
    // A write that fails at once ends it before anybody could say that he wants to know.
    onEnd: (listener) => void (isClosed ? queueMicrotask(listener) : socket.once('close', listener)),
  }
}
