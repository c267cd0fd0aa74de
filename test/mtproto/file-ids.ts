import { Long } from '@mtcute/core'
import { tdFileId, toFileId } from '@mtcute/file-id'
import type { MtprotoFile } from '../../src/mtproto/index.js'

/** The `file_id` that Telegram's own Bot API would give a document: ours of the embedded one look like these, and hold less. */
export function fileIdOf({ id, access }: MtprotoFile): string {
  return toFileId({
    dcId: access.dc,
    type: tdFileId.FileType.Document,
    fileReference: Buffer.from(access.reference, 'base64'),
    location: { _: 'common', id: Long.fromString(id), accessHash: Long.fromString(access.hash) },
  })
}
