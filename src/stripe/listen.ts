import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'

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
  readonly host: string
  readonly port: number
  /** Accepts nothing more, lets requests that are under way end, and resolves when every connection is closed. */
  close(): Promise<void>
}

/** What a handler can do beside answering. */
export interface Connection {
  /** Ends it without a reply, as a network does. */
  drop(): void
}

export type RequestHandler = (request: Request, connection: Connection) => Response | Promise<Response>

/**
 * Serves a function of requests over HTTP/1.1.
 *
 * @throws {RangeError} If the port is out of range. @throws What the system has against the address, such as `EADDRINUSE`.
 */
export async function listen(handler: RequestHandler, options: ListenOptions = {}): Promise<HttpServer> {
  const { port = 0, host = '127.0.0.1', closeTimeoutMs = 10_000 } = options
  const underWay = new Set<ServerResponse>()
  let closing: Promise<void> | undefined

  const listener = getRequestListener(
    (request, { outgoing }) => handler(request, { drop: () => outgoing.socket?.destroy() }),
    { overrideGlobalObjects: false, errorHandler: () => jsonResponse(400, INVALID_REQUEST) },
  )
  const server = createServer((incoming, outgoing) => {
    track(outgoing)
    asUtf8(incoming)
    void listener(incoming, outgoing)
  })
  server.on('clientError', answerMalformed)

  function track(outgoing: ServerResponse): void {
    underWay.add(outgoing)
    if (closing !== undefined) outgoing.shouldKeepAlive = false
    outgoing.once('close', () => {
      underWay.delete(outgoing)
      if (closing !== undefined) server.closeIdleConnections()
    })
  }

  function close(): Promise<void> {
    closing ??= new Promise((resolve, reject) => {
      const timer = setTimeout(() => server.closeAllConnections(), closeTimeoutMs)
      server.close((error) => {
        clearTimeout(timer)
        if (error === undefined) resolve()
        else reject(error)
      })
      server.closeIdleConnections()
      for (const outgoing of underWay) outgoing.shouldKeepAlive = false
    })
    return closing
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { port: boundPort } = server.address() as AddressInfo
  const urlHost = host.includes(':') ? `[${host}]` : host
  return { url: `http://${urlHost}:${boundPort}`, host, port: boundPort, close, [Symbol.asyncDispose]: close }
}

const INVALID_REQUEST = 'Invalid request: it is not well-formed HTTP.'

function errorJson(message: string): string {
  return JSON.stringify({ error: { type: 'invalid_request_error', message } })
}

function jsonResponse(status: number, message: string): Response {
  return new Response(errorJson(message), { status, headers: { 'content-type': 'application/json' } })
}

/** What Node cannot read as HTTP never becomes a request; it gets JSON all the same. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const status = tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = errorJson(tooLarge ? 'Invalid request: its headers are too large.' : INVALID_REQUEST)
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Stripe-Should-Retry: false\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
}

/** Bytes that a client has not percent-encoded come as Latin-1 characters: they are encoded as the bytes they were. */
function asUtf8(incoming: IncomingMessage): void {
  incoming.url = incoming.url?.replace(
    /[\x80-\xff]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
