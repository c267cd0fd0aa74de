import { UNIX } from './addresses.js'
import type { FetchInfo } from './fetch.js'
import type { IncomingUpdate } from './node.js'
import { peerOf } from './node.js'

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

/** How hono exposes the peer; depends on the platform. */
interface Surroundings {
  /** Node. */
  readonly incoming?: IncomingUpdate
  /** Deno. */
  readonly remoteAddr?: { readonly hostname?: string; readonly transport?: string }
  /** Bun; its server is one of the bindings if hono receives several. */
  readonly server?: BunServer
  readonly requestIP?: BunServer['requestIP']
}

interface BunServer {
  /** A path if the server listens on a Unix socket. */
  readonly address?: unknown
  requestIP?(request: Request): { readonly address: string } | null
}

/** Takes the address and `waitUntil` from hono's context: the socket on Node, the execution context on workers. Explicit values win. */
export function infoOf(context: HonoContext, info: FetchInfo): FetchInfo {
  return {
    address: info.address ?? addressOf(context),
    waitUntil: info.waitUntil ? (work) => info.waitUntil?.(work) : laterOf(context),
  }
}

function addressOf({ env, req: { raw } }: HonoContext): string | undefined {
  const surroundings = (env ?? {}) as Surroundings
  const { incoming, remoteAddr, server = surroundings as BunServer } = surroundings
  if (incoming !== undefined) return peerOf(incoming.socket)
  if (remoteAddr !== undefined) return remoteAddr.transport === 'unix' ? UNIX : remoteAddr.hostname
  if (typeof server.requestIP === 'function') {
    return typeof server.address === 'string' ? UNIX : server.requestIP(raw)?.address
  }
  // Anybody can send this header. If the request has `cf`, which no client can set, Cloudflare wrote the header.
  return 'cf' in raw && raw.cf !== undefined ? (raw.headers.get('cf-connecting-ip') ?? undefined) : undefined
}

function laterOf(context: object): FetchInfo['waitUntil'] {
  try {
    const { executionCtx } = context as { readonly executionCtx?: ExecutionContext }
    return executionCtx === undefined ? undefined : (work) => executionCtx.waitUntil(work)
  } catch {
    // hono's getter throws where there is no execution context.
    return undefined
  }
}

/**
 * The part of a hono context that a webhook uses.
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { sentinel } from 'grammy-sentinel'
 * import { Bot } from 'grammy'
 *
 * const bot = new Bot('123:token')
 * const webhook = sentinel().install(bot).webhook(bot, { secret: 'what-setWebhook-was-given' })
 * new Hono().post('/telegram', webhook.hono)
 * ```
 */
export interface HonoContext {
  readonly req: {
    readonly raw: Request
    /** Returns the body, even if middleware upstream has read it this way. */
    text(): Promise<string>
  }
  readonly env?: unknown
}
