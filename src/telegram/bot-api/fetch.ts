import type { BotApi } from './bot-api.js'
import { type Answering, type Asking, exchange } from './exchange.js'
import { MAX_BODY, readBody, tooLarge } from './request.js'

/** The common part of AbortSignal implementations; grammY uses one of its own on Node. */
interface Signal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/**
 * Returns a `fetch` that calls a Telegram inside the process directly. Accepts whatever Telegram clients pass, including streams
 * as bodies and foreign implementations of AbortSignal.
 */
export function fetchFrom(api: BotApi): typeof fetch {
  return async (input, init) => {
    const signal: Signal | undefined = init?.signal ?? (input instanceof Request ? input.signal : undefined)
    if (signal?.aborted === true) throw aborted()
    const hangUp = new AbortController()
    const asked = exchange(api, { ...read(input, init), signal: hangUp.signal })
    const outcome = await (signal === undefined ? asked : whileOpen(signal, hangUp, asked))
    if (outcome === 'drop') throw broken('fetch failed')
    return responseOf(outcome)
  }
}

/** Rejects as soon as the signal is aborted. */
function whileOpen<Result>(signal: Signal, hangUp: AbortController, asked: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      hangUp.abort()
      reject(aborted())
    }
    signal.addEventListener('abort', abort)
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function read(input: string | URL | Request, init: RequestInit = {}): Omit<Asking, 'signal'> {
  const { body = null } = init
  const plain = typeof body === 'string' || body instanceof Uint8Array || isIterable(body) || body === null
  if (input instanceof Request || !plain) {
    // Forms and blobs are encoded by the platform's own Request, including their content type.
    const { signal: _, ...rest } = init
    const request = new Request(input, { ...rest, ...(body !== null && { duplex: 'half' }) } as RequestInit)
    return {
      method: request.method,
      target: pathOf(request.url),
      contentType: request.headers.get('content-type') ?? '',
      body: async () => within(Buffer.from(await request.arrayBuffer())),
    }
  }
  return {
    method: (init.method ?? 'GET').toUpperCase(),
    target: pathOf(String(input)),
    contentType: new Headers(init.headers).get('content-type') ?? '',
    body: async () => {
      if (body === null) return Buffer.alloc(0)
      return isIterable(body) ? readToEnd(body) : within(Buffer.from(body as string))
    },
  }
}

function isIterable(body: unknown): body is AsyncIterable<Uint8Array | string> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/** Reads the stream to its end even if it is too large: grammY takes an unfinished stream for an aborted call. */
async function readToEnd(chunks: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    // Without return(), so that stopping early does not close the stream.
    return await readBody({ [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) })
  } catch (error) {
    while ((await iterator.next()).done !== true);
    throw error
  }
}

function within(body: Buffer): Buffer {
  if (body.length > MAX_BODY) throw tooLarge()
  return body
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

function responseOf({ status, type, body, brokenOffAt }: Answering): Response {
  const headers = { 'content-type': type }
  if (brokenOffAt === undefined) {
    const length = { 'content-length': String(body.length) }
    // Node ends a stream of its own in a microtask of the global queueMicrotask(), which tests may have replaced.
    const whole = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(body))
        controller.close()
      },
    })
    return new Response(whole, { status, headers: { ...headers, ...length } })
  }
  const half = new Uint8Array(body.subarray(0, brokenOffAt))
  const parts = [() => half, () => Promise.reject(broken('terminated'))]
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = parts.shift()
      if (next !== undefined) controller.enqueue(await next())
    },
  })
  return new Response(stream, { status, headers })
}

/** The error that undici gives for a broken connection. */
function broken(words: string): TypeError {
  return new TypeError(words, {
    cause: Object.assign(new Error('other side closed'), { code: 'ECONNRESET' }),
  })
}

function aborted(): DOMException {
  return new DOMException('This operation was aborted', 'AbortError')
}
