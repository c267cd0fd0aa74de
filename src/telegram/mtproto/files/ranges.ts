import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { badRequest } from '../rpc-error.js'

const MEGABYTE = 1024 * 1024

/** Reads and checks offset and limit by the rules of https://core.telegram.org/api/files#downloading-files. */
export function rangeOf(request: TlObject): { readonly offset: number; readonly limit: number } {
  const offset = Number(request.offset as bigint)
  const limit = request.limit as number
  const unit = request.precise === true ? 1024 : 4096
  if (offset < 0 || offset % unit !== 0) throw badRequest('OFFSET_INVALID')
  if (limit <= 0 || limit > MEGABYTE || limit % unit !== 0) throw badRequest('LIMIT_INVALID')
  if (request.precise === true) return { offset, limit }
  const crosses = Math.floor(offset / MEGABYTE) !== Math.floor((offset + limit - 1) / MEGABYTE)
  if (MEGABYTE % limit !== 0 || crosses) throw badRequest('LIMIT_INVALID')
  return { offset, limit }
}
