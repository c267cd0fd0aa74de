import type { IncomingMessage } from 'node:http'
import { badRequest, Refusal } from '../world/refusal.js'
import { parseMultipart } from './multipart.js'
import { Params } from './params.js'

/** The largest upload of the public Bot API (50 MB, "Sending files"), and room for the other fields. */
const MAX_BODY = 51 * 1024 * 1024

export async function readParams(request: IncomingMessage, query: URLSearchParams): Promise<Params> {
  const values = new Map<string, unknown>(query)
  const body = await readBody(request)
  if (body.length > 0)
    for (const [name, value] of parseBody(body, request.headers['content-type'] ?? ''))
      values.set(name, value)
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

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > MAX_BODY) throw new Refusal(413, 'Request Entity Too Large')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
