import { Long } from '@mtcute/core'
import { tdFileId, toFileId } from '@mtcute/file-id'
import type { MtprotoFile } from '../../src/mtproto/index.js'

/** Returns the `file_id` that Telegram's own Bot API would use for a document; ids of the embedded Telegram look similar, but contain less. */
export function fileIdOf({ id, access }: MtprotoFile): string {
  return toFileId({
    dcId: access.dc,
    type: tdFileId.FileType.Document,
    fileReference: Buffer.from(access.reference, 'base64'),
    location: { _: 'common', id: Long.fromString(id), accessHash: Long.fromString(access.hash) },
  })
}
