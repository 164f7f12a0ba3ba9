import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

/** The third party: gives tokens for the code `good-code`, and for its last refresh token, which is then dead. */
export async function startTokenServer() {
  let issued = 0
  let refreshToken
  const server = createServer(async (request, response) => {
    const grant = new URLSearchParams(await text(request))
    const isGood = grant.get('code') === 'good-code' || grant.get('refresh_token') === refreshToken
    if (!isGood) {
      response.writeHead(400).end()
      return
    }
    issued++
    refreshToken = `refresh-${issued}`
    response.end(JSON.stringify({ access_token: `access-${issued}`, refresh_token: refreshToken, expires_in: 3600 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}/token`,
    get issued() {
      return issued
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
