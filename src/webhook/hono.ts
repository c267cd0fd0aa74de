import type { FetchInfo } from './fetch.js'
import type { IncomingUpdate } from './node.js'
import type { HonoContext } from './webhook.js'

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

/** Where hono runs on Node it shows the socket, on workers the way to go on after the answer. */
export function infoOf(context: HonoContext): FetchInfo {
  const { env } = context as { readonly env?: { readonly incoming?: IncomingUpdate } }
  return { address: env?.incoming?.socket?.remoteAddress, waitUntil: laterOf(context) }
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
