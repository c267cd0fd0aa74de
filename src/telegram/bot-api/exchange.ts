import { bytesOf } from '../world/media/files.js'
import { Refusal } from '../world/refusal.js'
import { type BotApi, failure } from './bot-api.js'
import type { CallResult } from './calls.js'
import { paramsOf } from './request.js'
import { describeBotApi } from './schema/openapi.js'

/** A request, from HTTP or from a function call inside the process. */
export interface Asking {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly contentType: string
  /** @throws Refusal 413 if the body is larger than Telegram accepts. */
  readonly body: () => Promise<Buffer>
  /** Aborted when the client closes the connection. */
  readonly signal: AbortSignal
}

/** The response to a request. */
export interface Answering {
  readonly status: number
  readonly type: string
  readonly body: Buffer
  /** Sends only this many bytes of the body, then breaks the connection. */
  readonly brokenOffAt?: number
  /** The request body was not read completely, so the connection cannot be reused. */
  readonly ends?: true
}

const METHOD_PATH = /^\/bot([^/]+)(?:\/test)?\/([^/]+)\/?$/
const FILE_PATH = /^\/file\/bot([^/]+)(?:\/test)?\/(.+)$/

/** Answers a request of the Bot API; 'drop' means to cut the connection. */
export async function exchange(api: BotApi, asking: Asking): Promise<Answering | 'drop'> {
  if (asking.method !== 'GET' && asking.method !== 'POST')
    return answering(failure(405, 'Method Not Allowed'))
  const url = new URL(asking.target, 'http://127.0.0.1')
  const file = FILE_PATH.exec(url.pathname)
  if (file !== null) return download(api, decode(file[1]), decode(file[2]))
  if (url.pathname === '/openapi.json') return openApi(api)
  const called = METHOD_PATH.exec(url.pathname)
  if (called === null) return answering(failure(404, 'Not Found'))
  const bot = api.world.accounts.botByToken(decode(called[1]))
  if (bot === undefined) return answering(unauthorized(decode(called[1])))
  try {
    const params = paramsOf(await asking.body(), asking.contentType, url.searchParams)
    const outcome = await api.perform(bot, decode(called[2]), params, asking.signal)
    if (outcome === 'drop') return 'drop'
    return outcome.ok === undefined ? spoilt(outcome.result, outcome.body) : answering(outcome)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const answer = answering(failure(error.code, error.description, error.parameters))
    return { ...answer, ends: true }
  }
}

export function answering(result: CallResult): Answering {
  const body = Buffer.from(JSON.stringify(result))
  return { status: result.ok ? 200 : result.error_code, type: 'application/json', body }
}

function spoilt(result: CallResult, body: string): Answering {
  const whole = answering(result)
  if (body === 'half') return { ...whole, brokenOffAt: Math.floor(whole.body.length / 2) }
  const type = /^\s*</.test(body) ? 'text/html' : 'text/plain'
  return { status: whole.status, type, body: Buffer.from(body) }
}

/** Cached: the document never changes. */
let document: Buffer | undefined

function openApi(api: BotApi): Answering {
  document ??= Buffer.from(JSON.stringify(describeBotApi('/', (method) => api.isServed(method))))
  return { status: 200, type: 'application/json', body: document }
}

function unauthorized(token: string): CallResult {
  const wellFormed = /^[1-9]\d*:.+$/.test(token) && token.length <= 80
  return failure(401, wellFormed ? 'Unauthorized' : 'Unauthorized: invalid token specified')
}

function download(api: BotApi, token: string, path: string): Answering {
  const found = api.world.files.at(path)
  if (api.world.accounts.botByToken(token) === undefined) return answering(unauthorized(token))
  if (found === undefined) return answering(failure(404, 'Not Found'))
  return { status: 200, type: 'application/octet-stream', body: Buffer.from(bytesOf(found.file, found.kind)) }
}

/** A malformed escape yields an empty string, which is not a valid token or method. */
function decode(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '')
  } catch {
    return ''
  }
}
