import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { type BotApi, failure } from './bot-api.js'
import { type Answering, answering, exchange } from './exchange.js'
import { readBody } from './request.js'
import { LOOPBACK } from './webhook-delivery.js'

export interface RunningServer {
  readonly apiRoot: string
  close(): Promise<void>
}

/** How long an idle connection stays open, in milliseconds: like keepalive_timeout of nginx. */
const KEEP_ALIVE = 75_000

/** Time for pending responses when the server closes, in milliseconds. */
const LAST_CALL = 200

interface ServerOptions {
  readonly port: number
  /** Address to listen on. */
  readonly host: string
  /** Names allowed in `Host` besides the loopback names. */
  readonly names: readonly string[]
}

/** A request to the control API. */
export interface ControlAsking {
  readonly method: string
  readonly target: string
  readonly authorization: string | undefined
  readonly body: () => Promise<Buffer>
}

/** Handles requests outside the Bot API. */
export interface Front {
  answer(asking: ControlAsking): Promise<Answering>
}

/** Starts the HTTP server. `front()` returns the handler of everything below `/control`, once there is one. */
export async function serve(
  api: BotApi,
  { port, host, names }: ServerOptions,
  front: () => Front | undefined,
): Promise<RunningServer> {
  const hosts = new Set([...LOOPBACK, ...names.map((name) => name.toLowerCase())])
  const isHere = (name: string) => hosts.has(name) || (!LOOPBACK.has(host) && isAddress(name))
  const server = createServer((request, response) => {
    response.on('finish', () => {
      if (!server.listening) request.socket.end()
    })
    handle(api, front, isHere, request, response).catch((error: unknown) => {
      // If the connection broke, no response is possible. Otherwise this is a bug of the embedded Telegram, which the response
      // shows.
      const broken = response.headersSent || request.socket.destroyed
      const words = error instanceof Error ? error.message : String(error)
      if (broken) response.destroy(error instanceof Error ? error : undefined)
      else answer(response, answering(failure(500, `Internal Server Error: ${words}`)))
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Malformed or slow requests get an error in Telegram's format, unless the client has closed the connection.
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else socket.end(refusalOf(error.code))
  })
  // Node's default of five seconds closes connections that clients are about to reuse, which they sometimes see as a reset.
  server.keepAliveTimeout = KEEP_ALIVE
  await listen(server, port, host)
  const { port: actual } = server.address() as AddressInfo
  return {
    apiRoot: `http://${rootOf(host)}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        // Pending responses are still sent: a polling bot must get its 409, or it would retry for ever.
        const lastCall = setTimeout(() => server.closeAllConnections(), LAST_CALL)
        server.close(() => {
          clearTimeout(lastCall)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

const MALFORMED = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'Request Timeout']],
  ['HPE_HEADER_OVERFLOW', [431, 'Request Header Fields Too Large']],
] as const)

/** A complete HTTP response as text, because there is no response object for a malformed request. */
function refusalOf(code: string | undefined): string {
  const [status, words] = MALFORMED.get(code as 'HPE_HEADER_OVERFLOW') ?? [400, 'Bad Request']
  const body = JSON.stringify(failure(status, words))
  const head = ['content-type: application/json', `content-length: ${body.length}`, 'connection: close']
  return [`HTTP/1.1 ${status} ${words}`, ...head, '', body].join('\r\n')
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

/** Whether it is an IP address, which DNS rebinding cannot fake. */
function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** The host name for URLs on this machine; servers listening on all addresses are reached by loopback. */
function rootOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return isIP(host) === 6 ? `[${host}]` : host
}

async function handle(
  api: BotApi,
  front: () => Front | undefined,
  isHere: (name: string) => boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Protects against DNS rebinding: a web page could reach the loopback port through its own host name, which `Host` reveals.
  const host = /^(.*?)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1] ?? ''
  if (!isHere(host.toLowerCase()))
    return answer(response, answering(failure(421, 'Misdirected Request: Host is not loopback')))
  const { method = '', url: target = '/' } = request
  const controlled = target.startsWith('/control/') ? front() : undefined
  if (controlled !== undefined) {
    const { authorization } = request.headers
    return answer(
      response,
      await controlled.answer({ method, target, authorization, body: () => readBody(request) }),
    )
  }
  const hangUp = new AbortController()
  response.on('close', () => hangUp.abort())
  const outcome = await exchange(api, {
    method,
    target,
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
    // Broken-off bodies are sent chunked: node-fetch 2, which grammY uses on Node, would wait for ever for the rest of a known
    // length.
    ...(brokenOffAt === undefined && { 'content-length': body.length }),
    ...(ends === true && { connection: 'close' }),
  })
  if (brokenOffAt === undefined) response.end(body)
  else response.write(body.subarray(0, brokenOffAt), () => response.destroy())
}
