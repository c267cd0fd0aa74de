import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Refusal } from '../world/refusal.js'
import { type BotApi, failure } from './bot-api.js'
import type { CallResult } from './calls.js'
import { readParams } from './request.js'
import { LOOPBACK } from './webhook.js'

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

const METHOD_PATH = /^\/bot([^/]+)(?:\/test)?\/([^/]+)\/?$/
const FILE_PATH = /^\/file\/bot([^/]+)(?:\/test)?\/files\/([^/]+)$/

async function handle(api: BotApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A page in a browser may reach a loopback port through a name of its own (DNS rebinding); Host gives it away.
  const host = /^(.*?)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  if (!LOOPBACK.has(host.toLowerCase()))
    return answer(response, failure(421, 'Misdirected Request: Host is not loopback'))
  if (request.method !== 'GET' && request.method !== 'POST')
    return answer(response, failure(405, 'Method Not Allowed'))
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const file = FILE_PATH.exec(url.pathname)
  if (file !== null) return download(api, response, decode(file[1]), decode(file[2]))
  const called = METHOD_PATH.exec(url.pathname)
  if (called === null) return answer(response, failure(404, 'Not Found'))
  const bot = api.world.accounts.botByToken(decode(called[1]))
  if (bot === undefined) return answer(response, unauthorized(decode(called[1])))

  const hangUp = new AbortController()
  response.on('close', () => hangUp.abort())
  try {
    const params = await readParams(request, url.searchParams)
    const outcome = await api.perform(bot, decode(called[2]), params, hangUp.signal)
    if (outcome === 'drop') request.socket.destroy()
    else answer(response, outcome)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    // Unread rest of a body that was too large: the connection cannot be used again.
    response.setHeader('connection', 'close')
    answer(response, failure(error.code, error.description, error.parameters))
  }
}

function unauthorized(token: string): CallResult {
  const wellFormed = /^[1-9]\d*:.+$/.test(token) && token.length <= 80
  return failure(401, wellFormed ? 'Unauthorized' : 'Unauthorized: invalid token specified')
}

function download(api: BotApi, response: ServerResponse, token: string, id: string): void {
  const file = api.world.files.find(id)
  if (api.world.accounts.botByToken(token) === undefined) answer(response, unauthorized(token))
  else if (file === undefined) answer(response, failure(404, 'Not Found'))
  else {
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': file.bytes.length,
    })
    response.end(file.bytes)
  }
}

function answer(response: ServerResponse, result: CallResult): void {
  if (response.destroyed) return
  const body = Buffer.from(JSON.stringify(result))
  response.writeHead(result.ok ? 200 : result.error_code, {
    'content-type': 'application/json',
    'content-length': body.length,
  })
  response.end(body)
}

/** A malformed escape is no valid token or method either. */
function decode(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '')
  } catch {
    return ''
  }
}
