import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BotApi, failure } from './bot-api.js'
import { LOOPBACK } from './courier.js'
import { type Answering, answering, exchange } from './exchange.js'
import { readBody } from './request.js'

export interface RunningServer {
  readonly apiRoot: string
  close(): Promise<void>
}

/** Milliseconds that answers have to go out once everything ends. */
const LAST_CALL = 200

/** Serves the Bot API on 127.0.0.1. */
export async function serve(api: BotApi, port: number): Promise<RunningServer> {
  const server = createServer((request, response) => {
    response.on('finish', () => {
      if (!server.listening) request.socket.end()
    })
    handle(api, request, response).catch((error: unknown) => {
      // Broken off while it was read or written: there is nobody left to tell.
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  await listen(server, port)
  const { port: actual } = server.address() as AddressInfo
  return {
    apiRoot: `http://127.0.0.1:${actual}`,
    close: () =>
      new Promise((resolve) => {
        // Answers under way still go out (a polling bot must read its 409, or it would knock for ever), then all ends.
        const lastCall = setTimeout(() => server.closeAllConnections(), LAST_CALL)
        server.close(() => {
          clearTimeout(lastCall)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function handle(api: BotApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A page in a browser may reach a loopback port through a name of its own (DNS rebinding); Host gives it away.
  const host = /^(.*?)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  if (!LOOPBACK.has(host.toLowerCase()))
    return answer(response, answering(failure(421, 'Misdirected Request: Host is not loopback')))
  const hangUp = new AbortController()
  response.on('close', () => hangUp.abort())
  const outcome = await exchange(api, {
    method: request.method ?? '',
    target: request.url ?? '/',
    contentType: request.headers['content-type'] ?? '',
    body: () => readBody(request),
    signal: hangUp.signal,
  })
  if (outcome === 'drop') request.socket.destroy()
  else answer(response, outcome)
}

function answer(response: ServerResponse, { status, type, body, brokenOffAt, ends }: Answering): void {
  if (response.destroyed) return
  response.writeHead(status, {
    'content-type': type,
    // What breaks off goes in chunks: node-fetch 2, which grammY has on Node, waits for ever for the rest of a length told.
    ...(brokenOffAt === undefined && { 'content-length': body.length }),
    ...(ends === true && { connection: 'close' }),
  })
  if (brokenOffAt === undefined) response.end(body)
  else response.write(body.subarray(0, brokenOffAt), () => response.destroy())
}
