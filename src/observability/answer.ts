import { errorText } from '../core/redact.js'

/**
 * The answer to a request, for both `node:http` and `fetch`. Types for these are declared here as far as they are used, so that
 * nothing is imported from a runtime that may be missing.
 */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/**
 * The part of a `node:http` request that handlers use.
 *
 * @example
 * ```ts
 * import type { NodeRequest } from 'grammy-sentinel/metrics'
 *
 * const request: NodeRequest = { method: 'GET', url: '/metrics' }
 * ```
 */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
}

/**
 * The part of a `node:http` response that handlers use.
 *
 * @example
 * ```ts
 * import type { NodeResponse } from 'grammy-sentinel/metrics'
 *
 * const sayNo = (response: NodeResponse): void => {
 *   response.writeHead(404, { 'content-type': 'text/plain' })
 *   response.end('no such page')
 * }
 * ```
 */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body?: string): unknown
}

/** Answers a GET or HEAD request for a path. */
type Answering = (path: string) => Promise<Answer>

const NOT_ALLOWED: Answer = { status: 405, type: 'text/plain; charset=utf-8', body: 'GET or HEAD only\n' }

/** Answers through `node:http`. Does not reject, because nobody handles the promise and a rejection would end the process. */
export async function answerNode(
  request: NodeRequest,
  response: NodeResponse,
  answering: Answering,
): Promise<void> {
  const { status, headers, body } = await answerOf(request.method, pathOf(request.url), answering)
  try {
    response.writeHead(status, headers)
  } catch {
    // The response was sent already.
    return
  }
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Answers a request of the fetch API. Does not reject. */
export async function answerFetch(request: Request, answering: Answering): Promise<Response> {
  const { status, headers, body } = await answerOf(request.method, pathOf(request.url), answering)
  return new Response(request.method === 'HEAD' ? null : body, { status, headers })
}

async function answerOf(
  method: string | undefined,
  path: string,
  answering: Answering,
): Promise<{ status: number; headers: Record<string, string>; body: string }> {
  const allowed = method === undefined || method === 'GET' || method === 'HEAD'
  const { status, type, body } = allowed ? await answered(path, answering) : NOT_ALLOWED
  const headers = { 'content-type': type, 'cache-control': 'no-store' }
  return { status, headers: allowed ? headers : { ...headers, allow: 'GET, HEAD' }, body }
}

async function answered(path: string, answering: Answering): Promise<Answer> {
  try {
    return await answering(path)
  } catch (error) {
    return failure(error)
  }
}

/** Reports an error in one line, without secrets. */
export function failure(error: unknown): Answer {
  return { status: 500, type: 'text/plain; charset=utf-8', body: `${errorText(error).split('\n')[0]}\n` }
}

/** Returns the path without the query. `node:http` passes on what the client sent, which may be an invalid URL such as `//`. */
function pathOf(url = '/'): string {
  return url.split(/[?#]/, 1)[0] as string
}
