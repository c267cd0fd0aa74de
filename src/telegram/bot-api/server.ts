import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { type BotApi, failure } from './bot-api.js'
import { LOOPBACK } from './courier.js'
import { type Answering, answering, exchange } from './exchange.js'
import { readBody } from './request.js'

export interface RunningServer {
  readonly apiRoot: string
  close(): Promise<void>
}

/** How long a connection may lie idle, in milliseconds: as long as with nginx, its keepalive_timeout. */
const KEEP_ALIVE = 75_000

/** Milliseconds that answers have to go out once everything ends. */
const LAST_CALL = 200

export interface ServerOptions {
  readonly port: number
  /** The address to listen on. */
  readonly host: string
  /** Names that `Host` may have, besides those of this machine for itself. */
  readonly names: readonly string[]
}

/** Answers what is not the Bot API's. */
export interface Front {
  answer(asking: {
    readonly method: string
    readonly target: string
    readonly authorization: string | undefined
    readonly body: () => Promise<Buffer>
  }): Promise<Answering>
}

/** Serves the Bot API. `front` is asked for once it is there, for all below `/control`. */
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
      // Broken off while it was read or written: there is nobody left to tell. Else a defect of ours, which the bot gets to see.
      const broken = response.headersSent || request.socket.destroyed
      const words = error instanceof Error ? error.message : String(error)
      if (broken) response.destroy(error instanceof Error ? error : undefined)
      else answer(response, answering(failure(500, `Internal Server Error: ${words}`)))
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What is no HTTP, or comes too slowly, is told so in Telegram's shape; who has hung up is not.
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else socket.end(refusalOf(error.code))
  })
  // Node's five seconds end connections that clients have kept and are about to use: they see a reset now and then.
  server.keepAliveTimeout = KEEP_ALIVE
  await listen(server, port, host)
  const { port: actual } = server.address() as AddressInfo
  return {
    apiRoot: `http://${rootOf(host)}:${actual}`,
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

const MALFORMED = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'Request Timeout']],
  ['HPE_HEADER_OVERFLOW', [431, 'Request Header Fields Too Large']],
] as const)

/** A whole answer, as it goes over the wire: there is no request to answer. */
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

/** An address instead of a name; nobody can make a browser believe that theirs is ours. */
function isAddress(host: string): boolean {
  return isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** Where this machine finds it; what listens everywhere is also here. */
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
  // A page in a browser may reach a loopback port through a name of its own (DNS rebinding); Host gives it away.
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
    // What breaks off goes in chunks: node-fetch 2, which grammY has on Node, waits for ever for the rest of a length told.
    ...(brokenOffAt === undefined && { 'content-length': body.length }),
    ...(ends === true && { connection: 'close' }),
  })
  if (brokenOffAt === undefined) response.end(body)
  else response.write(body.subarray(0, brokenOffAt), () => response.destroy())
}
