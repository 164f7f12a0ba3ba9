import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { checkInteger, optionsOf } from '../base/checks'
import { systemRandom } from '../crypto/random'
import { warn, warnOf } from '../platform/warn'
import { jsonBody } from './answer'
import { type ApiError, badRequest, storeFailure } from './api-error'
import { foreignHost, isForLoopback, isLoopback } from './loopback'
import { newRequestId } from './request-id'

/** The one place with a socket. */

export interface ListenOptions {
  /** @defaultValue `0`: any that is free */
  readonly port?: number
  /** @defaultValue `'127.0.0.1'`: this machine alone */
  readonly host?: string
  /** How long `close` waits for requests that are under way, in milliseconds. @defaultValue `10_000` */
  readonly closeTimeoutMs?: number
}

/** A server that accepts requests. */
export interface HttpServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:54321`, without a slash at the end. */
  readonly url: string
  /** The address it listens at. */
  readonly host: string
  /** The TCP port it listens at. */
  readonly port: number
  /** Accepts nothing more, lets requests that are under way end, and resolves when every connection is closed. */
  close(): Promise<void>
}

/** What a handler can do beside answering. */
export interface Connection {
  /** Ends it without a reply, as a network does. */
  drop(): void
}

/** Answers a request; an error it throws is a reply of status 500. */
export type RequestHandler = (request: Request, connection: Connection) => Response | Promise<Response>

/**
 * Serves a function of requests over HTTP/1.1. On loopback, a request whose `Host` is no name of this machine with this
 * port is answered with 403, before anything else of it is looked at.
 *
 * @throws {TypeError | RangeError} On bad options. @throws What the system has against the address, such as `EADDRINUSE`.
 */
export async function listen(handler: RequestHandler, options: ListenOptions = {}): Promise<HttpServer> {
  const given = optionsOf<ListenOptions>(options, 'listen options', ['port', 'host', 'closeTimeoutMs'])
  const { port = 0, host = '127.0.0.1', closeTimeoutMs = 10_000 } = given
  checkInteger(port, 'port', 0, 65_535)
  checkInteger(closeTimeoutMs, 'closeTimeoutMs', 0, 2 ** 31 - 1)
  const sockets = new Set<Socket>()
  const underWay = new Set<ServerResponse>()
  /** Told off, and not yet closed by the other side. */
  const refused = new Set<Socket>()
  let closing: Promise<void> | undefined

  const listener = getRequestListener(
    async (request, { outgoing }) => {
      try {
        return await handler(request, { drop: () => outgoing.socket?.destroy() })
      } catch (error) {
        warnOf(error)
        return errorResponse(storeFailure(500, 'An unknown error occurred.'))
      }
    },
    { overrideGlobalObjects: false, errorHandler: () => errorResponse(badRequest(NOT_HTTP)) },
  )
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    track(outgoing)
    const { address, port: boundPort } = server.address() as AddressInfo
    if (isLoopback(address) && !isForLoopback(incoming.headersDistinct['host'], host, boundPort)) {
      outgoing.shouldKeepAlive = false
      answer(outgoing, foreignHost())
      return
    }
    // A fragment is never sent, so a sign for one is part of a value that was not encoded: it would be cut short.
    if (incoming.url?.includes('#')) {
      answer(outgoing, badRequest(NOT_HTTP))
      return
    }
    void listener(incoming, outgoing)
  }
  // A request without a host is answered in JSON like any other that cannot be understood.
  const server = createServer({ requireHostHeader: false, maxHeaderSize: MAX_HEADER_BYTES }, serve)
  server.on('checkExpectation', serve)
  server.on('connect', (_, socket) => refuse(new Error(NOT_HTTP), socket as Socket))
  server.on('clientError', (error, socket) => refuse(error, socket as Socket))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  /** Tells a client off. What it was promised before on the same connection, it still gets. */
  function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    const promised = [...underWay].filter((outgoing) => outgoing.socket === socket && outgoing.req.complete)
    if (promised.length > 0) {
      for (const outgoing of promised) outgoing.shouldKeepAlive = false
      return
    }
    refused.add(socket)
    socket.once('close', () => refused.delete(socket))
    // Node does not listen any more to one that wanted a tunnel.
    socket.on('error', () => socket.destroy())
    answerMalformed(error, socket)
    if (closing !== undefined) socket.destroySoon()
  }

  function track(outgoing: ServerResponse): void {
    underWay.add(outgoing)
    if (closing !== undefined) outgoing.shouldKeepAlive = false
    outgoing.once('close', () => underWay.delete(outgoing))
  }

  function close(): Promise<void> {
    closing ??= new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, closeTimeoutMs)
      // Some become idle later, and Node would keep those for seconds.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
      server.close((error) => {
        clearTimeout(timer)
        clearInterval(idle)
        if (error === undefined) resolve()
        else reject(error)
      })
      server.closeIdleConnections()
      // One on which nothing was ever said is not idle to Node.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
      for (const socket of refused) socket.destroy()
      for (const outgoing of underWay) outgoing.shouldKeepAlive = false
    })
    return closing
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      // A connection that could not be accepted, for want of file handles, is no end of the others.
      server.on('error', ({ message }) => warn(message))
      resolve()
    })
  })
  const { port: boundPort } = server.address() as AddressInfo
  const urlHost = host.includes(':') ? `[${host}]` : host
  return { url: `http://${urlHost}:${boundPort}`, host, port: boundPort, close, [Symbol.asyncDispose]: close }
}

/** A query may hold a name and a user of 5,000 characters each, and each of those be 12 characters of percent-encoding. */
const MAX_HEADER_BYTES: number = 256 * 1024
const IDLE_CHECK_MS = 50
const NOT_HTTP = 'Invalid request: it is not well-formed HTTP.'

function errorBody({ body }: ApiError): string {
  return jsonBody({ error: body })
}

function errorHeaders(): Record<string, string> {
  return {
    'content-type': 'application/json',
    'request-id': newRequestId(systemRandom),
    'stripe-should-retry': 'false',
  }
}

function answer(outgoing: ServerResponse, error: ApiError): void {
  const body = errorBody(error)
  outgoing.writeHead(error.status, { ...errorHeaders(), 'content-length': String(Buffer.byteLength(body)) }).end(body)
}

function errorResponse(error: ApiError): Response {
  return new Response(errorBody(error), { status: error.status, headers: errorHeaders() })
}

/** What Node cannot read as HTTP never becomes a request; it gets JSON all the same. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const overflow = error.code === 'HPE_HEADER_OVERFLOW'
  const status = overflow ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = errorBody(badRequest(overflow ? 'Invalid request: its headers are too large.' : NOT_HTTP))
  const headers = { ...errorHeaders(), connection: 'close', 'content-length': String(body.length) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`)
}
