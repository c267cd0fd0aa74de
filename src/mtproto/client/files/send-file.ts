import type { tl } from '@mtcute/core'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { fileOfMedia, type MtprotoFile } from './file.js'
import { inputMediaOf } from './input-media.js'
import type { SendFileOptions } from './send-options.js'
import { type UploadedFile, upload } from './upload.js'
import type { UploadSource } from './upload-source.js'

/**
 * A file that was sent.
 *
 * @example
 * ```ts
 * import type { SentFile } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ id, file }: SentFile) => `message ${id}: ${file.size ?? 0} bytes`
 * ```
 */
export interface SentFile {
  /** Id of the message. */
  readonly id: number
  readonly file: MtprotoFile
}

/**
 * Uploads a file, unless already uploaded, and sends it.
 *
 * @throws SentinelError as `upload()` does; `mtproto.refused`, for example FILE_PART_0_MISSING if Telegram has discarded the
 * parts.
 */
export async function sendFile(
  caller: Caller,
  chat: number | string,
  what: UploadSource | UploadedFile,
  options: SendFileOptions = {},
): Promise<SentFile> {
  const peer = await caller.peer(chat)
  const uploaded = isUploaded(what) ? what : await upload(caller, what, options)
  const { randomLong } = await import('@mtcute/core/utils.js')
  const { caption = '', replyTo, silent = false, signal } = options
  const answer = await caller.call(
    {
      _: 'messages.sendMedia',
      peer,
      media: await inputMediaOf(uploaded, options),
      message: caption,
      randomId: randomLong(),
      silent,
      ...(replyTo !== undefined && { replyTo: { _: 'inputReplyToMessage', replyToMsgId: replyTo } }),
    },
    { signal },
  )
  const message = messageIn(answer)
  const sent = message && fileOfMedia(message.media, { chat, message: message.id })
  if (message === undefined || sent === undefined) {
    throw new SentinelError(
      'mtproto.transfer',
      'mtproto.sendFile: Telegram took the file, but did not return its message. Look in the chat.',
    )
  }
  return { id: message.id, file: sent }
}

/** Whether the file is already uploaded. */
export function isUploaded(what: UploadSource | UploadedFile): what is UploadedFile {
  return 'fileId' in what
}

function messageIn(answer: tl.TypeUpdates): tl.RawMessage | undefined {
  if (answer._ !== 'updates' && answer._ !== 'updatesCombined') return undefined
  for (const update of answer.updates) {
    if (update._ !== 'updateNewMessage' && update._ !== 'updateNewChannelMessage') continue
    if (update.message._ === 'message') return update.message
  }
  return undefined
}
