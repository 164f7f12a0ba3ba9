import { type ApiError, forbidden } from './api-error'

/** Whether only this machine reaches a server that is bound to this address. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address) || address === '::1'
}

/**
 * Whether a request to a server on loopback names such a server. A page may have a name of its own lead to 127.0.0.1 (DNS
 * rebinding); a browser then takes the server for a part of the page, but sends that name as `Host`.
 *
 * @param hosts - Every `Host` header of the request.
 * @param own - What the server was told to listen at.
 */
export function isForLoopback(hosts: readonly string[] | undefined, own: string, port: number): boolean {
  if (hosts?.length !== 1) return false
  const host = hosts[0]?.toLowerCase() ?? ''
  const [, bracketed, plain, given = '80'] = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(host) ?? []
  const name = bracketed ?? plain ?? ''
  return Number(given) === port && (name === 'localhost' || name === own.toLowerCase() || isLoopback(name))
}

/** The answer to a request for another name. */
export function foreignHost(): ApiError {
  return forbidden('Invalid request: its Host is not the one of this server, such as localhost with its port.')
}
