import { badRequest } from '../world/refusal.js'

/** A file in a multipart body. */
export interface Upload {
  readonly name: string
  readonly type: string
  readonly bytes: Buffer
}

const MAX_PARTS = 200
const LINE_BREAK = Buffer.from('\r\n')
const HEADERS_END = Buffer.from('\r\n\r\n')

/**
 * Parses multipart/form-data (RFC 7578). The platform's `formData()` cannot be used: it requires a space in
 * `form-data; name="…"`, which grammY omits.
 */
export function parseMultipart(body: Buffer, contentType: string): Map<string, string | Upload> {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType)
  if (boundary === null) throw badRequest('multipart body has no boundary')
  const delimiter = Buffer.from(`--${boundary[1] ?? boundary[2]}`)
  const separator = Buffer.concat([LINE_BREAK, delimiter])
  const fields = new Map<string, string | Upload>()
  let at = body.subarray(0, delimiter.length).equals(delimiter)
    ? delimiter.length
    : afterFirst(body, separator)
  for (let count = 0; ; count++) {
    if (body.subarray(at, at + 2).toString('latin1') === '--') return fields
    if (count === MAX_PARTS) throw badRequest(`multipart body has more than ${MAX_PARTS} parts`)
    const headersEnd = body.indexOf(HEADERS_END, at)
    const end = headersEnd === -1 ? -1 : body.indexOf(separator, headersEnd)
    if (end === -1) throw badRequest('multipart body is cut off')
    const headers = body.subarray(at, headersEnd).toString('utf8')
    const content = body.subarray(headersEnd + HEADERS_END.length, end)
    const disposition = parametersOf(headers)
    const name = disposition.get('name')
    if (name === undefined) throw badRequest('a part of the multipart body has no name')
    const filename = disposition.get('filename')
    const type = /^content-type:\s*([^\r\n;]+)/im.exec(headers)?.[1]?.trim() ?? 'application/octet-stream'
    fields.set(
      name,
      filename === undefined
        ? content.toString('utf8')
        : { name: filename, type, bytes: Buffer.from(content) },
    )
    at = end + separator.length
  }
}

function afterFirst(body: Buffer, separator: Buffer): number {
  const found = body.indexOf(separator)
  if (found === -1) throw badRequest('multipart body does not contain its boundary')
  return found + separator.length
}

/**
 * Parameters of the content disposition, read like td/net/HttpReader.cpp: quoted or bare (grammY quotes the name but not the file
 * name), with URL escapes decoded. `filename*` (RFC 5987) is ignored, so a part with only that counts as text.
 */
function parametersOf(headers: string): ReadonlyMap<string, string> {
  const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? ''
  const found = disposition.matchAll(/;\s*([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\r\n]*))/g)
  return new Map(
    [...found].map(([, name = '', quoted, bare = '']) => [
      name.toLowerCase(),
      decoded(quoted?.replace(/\\(.)/g, '$1') ?? bare.trim()),
    ]),
  )
}

function decoded(value: string): string {
  return value.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
  )
}
