import { badRequest, Refusal } from '../world/refusal.js'
import { parseMultipart } from './multipart.js'
import { Params } from './params.js'

/** The largest upload of the public Bot API (50 MB, "Sending files"), plus room for other fields. */
export const MAX_BODY = 51 * 1024 * 1024

export function paramsOf(body: Buffer, contentType: string, query: URLSearchParams): Params {
  const values = new Map<string, unknown>(query)
  if (body.length > 0) for (const [name, value] of parseBody(body, contentType)) values.set(name, value)
  return new Params(values)
}

export function parseBody(body: Buffer, contentType: string): Iterable<readonly [string, unknown]> {
  const type = contentType.split(';')[0]?.trim().toLowerCase()
  switch (type) {
    case 'application/json':
      return parseJson(body)
    case 'application/x-www-form-urlencoded':
      return new URLSearchParams(body.toString('utf8'))
    case 'multipart/form-data':
      return parseMultipart(body, contentType)
    default:
      throw badRequest(`unsupported content type "${type}"`)
  }
}

function parseJson(body: Buffer): Iterable<readonly [string, unknown]> {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw badRequest("can't parse JSON object")
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('expected a JSON object')
  return Object.entries(value)
}

/** @throws Refusal 413 if the body is larger than Telegram accepts. */
export async function readBody(chunks: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const read: Uint8Array[] = []
  let size = 0
  for await (const given of chunks) {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given
    size += chunk.length
    if (size > MAX_BODY) throw tooLarge()
    read.push(chunk)
  }
  return Buffer.concat(read)
}

export function tooLarge(): Refusal {
  return new Refusal(413, 'Request Entity Too Large')
}
