import type { FetchInfo } from './fetch.js'
import { type IncomingUpdate, peerOf } from './node.js'
import type { HonoContext } from './webhook.js'

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

/** What hono shows of the peer, which depends on the platform. */
interface Surroundings {
  /** Node. */
  readonly incoming?: IncomingUpdate
  /** Deno. */
  readonly remoteAddr?: { readonly hostname?: string }
  /** Bun; where several things are handed to hono its server is one of them. */
  readonly server?: BunServer
  readonly requestIP?: BunServer['requestIP']
}

interface BunServer {
  requestIP?(request: Request): { readonly address: string } | null
}

/** Where hono runs on Node it shows the socket, on workers the way to go on after the answer. What the caller knows better holds. */
export function infoOf(context: HonoContext, { address, waitUntil }: FetchInfo): FetchInfo {
  return { address: address ?? addressOf(context), waitUntil: waitUntil ?? laterOf(context) }
}

function addressOf({ env, req: { raw } }: HonoContext): string | undefined {
  const surroundings = (env ?? {}) as Surroundings
  const { incoming, remoteAddr, server = surroundings as BunServer } = surroundings
  if (incoming !== undefined) return peerOf(incoming.socket)
  if (remoteAddr !== undefined) return remoteAddr.hostname
  if (typeof server.requestIP === 'function') return server.requestIP(raw)?.address
  // Anybody may send this header. Where a request has `cf`, which no client can give it, the network of Cloudflare wrote it.
  return 'cf' in raw && raw.cf !== undefined ? (raw.headers.get('cf-connecting-ip') ?? undefined) : undefined
}

function laterOf(context: object): FetchInfo['waitUntil'] {
  try {
    const { executionCtx } = context as { readonly executionCtx?: ExecutionContext }
    return executionCtx === undefined ? undefined : (work) => executionCtx.waitUntil(work)
  } catch {
    // A getter that throws where there is none.
    return undefined
  }
}
