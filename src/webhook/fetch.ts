import { bodyIsGone } from './body.js'
import type { Recipient } from './delivery.js'
import type { Door } from './door.js'
import { SECRET_HEADER } from './secret.js'

/**
 * What the platform knows about a request besides the `Request`. The execution context of Cloudflare Workers may be passed as it is.
 *
 * @example
 * ```ts
 * import type { FetchInfo } from 'grammy-sentinel'
 *
 * // On Cloudflare Workers, of fetch(request, env, context):
 * const infoOf = (request: Request, context: { waitUntil(work: Promise<unknown>): void }): FetchInfo => ({
 *   address: request.headers.get('cf-connecting-ip'),
 *   waitUntil: (work) => context.waitUntil(work),
 * })
 * ```
 */
export interface FetchInfo {
  /** The address of the caller, with or without a port. Needed with the option `addresses`. */
  readonly address?: string | null | undefined
  /** Keeps the platform from ending the process before background work is done: notices, late handlers. */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined
}

/** Rounds of background work that a request waits for: work under way, and work that this starts. */
const ROUNDS = 2

/** Answers a request of the fetch API. Does not reject. `kept` returns the body if earlier middleware has consumed and kept it. */
export async function answerFetch(
  door: Door,
  request: Request,
  info: FetchInfo,
  kept?: () => Promise<string>,
): Promise<Response> {
  const { headers } = request
  const status = door.refusal(
    request.method,
    headers.get(SECRET_HEADER) ?? undefined,
    headers.get('content-length'),
    // A header that is missing or empty.
    info.address || undefined,
    headers.get('x-forwarded-for') ?? undefined,
  )
  if (status !== 0) return responseOf(status, door.draining)
  // Read now: some servers report an abort only to those who accessed the signal before it. Deno warns about the access.
  const signal = door.replies ? request.signal : undefined
  let text: string | undefined
  if (request.bodyUsed) {
    try {
      text = await kept?.()
    } catch {
      // It was consumed in a way that keeps nothing.
    }
    if (text === undefined) {
      door.failed(bodyIsGone(), 'webhook.body')
      return responseOf(500, door.draining)
    }
  } else {
    try {
      text = await textOf(request, door.maxBody)
    } catch {
      // The client aborted and sees no answer.
      return responseOf(400, door.draining)
    }
  }
  if (text === undefined) return responseOf(413, door.draining)
  const body = text
  return new Promise<Response>((fulfil) => {
    let finished: (() => void) | undefined
    if (info.waitUntil) {
      const done = new Promise<void>((end) => {
        finished = end
      })
      try {
        // Called as a method, since Cloudflare's own `waitUntil` needs its context.
        info.waitUntil(done.then(() => door.flush(ROUNDS)))
      } catch (error) {
        // Only what continues after the answer depends on it.
        door.failed(error, 'waitUntil')
      }
    }
    const to: Recipient = {
      get gone() {
        return signal?.aborted === true
      },
      answer: (code, json) => fulfil(responseOf(code, door.draining, json)),
      finished: () => finished?.(),
    }
    door.receive(body, to, true)
  })
}

function responseOf(status: number, draining: boolean, json?: string): Response {
  const headers: Record<string, string> = {}
  if (draining) headers.connection = 'close'
  if (status === 405) headers.allow = 'POST'
  if (status === 503) headers['retry-after'] = '1'
  if (json !== undefined) headers['content-type'] = 'application/json'
  return new Response(json ?? null, { status, headers })
}

/** Reads the body as text; returns undefined if it is larger than allowed. */
async function textOf(request: Request, most: number): Promise<string | undefined> {
  const { body } = request
  if (body === null) return ''
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const reader = body.getReader()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > most) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}
