import { randomBytes } from 'node:crypto'
import type { RequestLogEntry } from 'app-secret-store/stripe'
import { refused } from '../failure'
import { jsonText } from '../json'
import { variableOf } from '../raw-bytes'
import type { Session } from '../session'
import { type AddCommands, integer, jsonHelp } from './define'

interface ServeFlags {
  readonly port: number
  readonly host: string
  readonly strict?: boolean
}

export const addServeCommand: AddCommands = (program, run) => {
  program
    .command('serve')
    .description("answer the four calls of Stripe's Apps Secret Store over HTTP, from this store, until Ctrl-C")
    .option('--port <n>', 'any free one if 0', integer(0, 65_535), 0)
    .option('--host <address>', 'who may connect: this machine alone', '127.0.0.1')
    .option('--strict', "keep to the hosted service's limits")
    .addHelpText(
      'after',
      `\nThe key of the requests is SECRET_STORE_API_KEY, or made anew. Requests are noted on stderr, without payloads.\nOther commands, and apps that share the store, can use it meanwhile.\n${jsonHelp('{"url", "api_key"} in one line when it is ready; one line on stderr for each request.')}`,
    )
    .action(run(serve))
}

async function serve(session: Session, { port, host, strict = false }: ServeFlags): Promise<void> {
  const { io, output } = session
  const { createStripeApp, listen } = await import('app-secret-store/stripe')
  const given = variableOf(io, 'SECRET_STORE_API_KEY')
  const mode = session.options.live ? 'live' : 'test'
  const key = given ?? `sk_${mode}_${randomBytes(18).toString('base64url').replace(/[-_]/g, '0')}`
  const store = await session.open({ sweeping: true, shared: true })
  const onRequest = (entry: RequestLogEntry): void => {
    const line = output.json ? jsonText(entry) : `${entry.method} ${entry.path} ${entry.status}`
    void output.log(line).catch(() => {})
  }
  const app = createStripeApp(store, { apiKeys: [key], strict, onRequest })
  const server = await listen(app, { port, host }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === undefined || error instanceof TypeError) throw error
    throw refused(`${host}:${port}: it cannot be listened on (${error.code})`, 'choose another --host or --port')
  })
  session.endsInOrder = true
  try {
    const ready = { url: server.url, ...(given === undefined && { api_key: key }) }
    const shown = given === undefined ? `, with the key ${key}` : ''
    await output.write(output.json ? `${jsonText(ready)}\n` : `listening on ${server.url}${shown}\n`)
    await new Promise((_, reject) => {
      if (io.signal.aborted) reject(io.signal.reason)
      io.signal.addEventListener('abort', () => reject(io.signal.reason), { once: true })
    })
  } finally {
    // Requests that are under way are answered.
    await server.close()
  }
}
